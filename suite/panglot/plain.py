"""Escape text from files, servers and archives before it is shown in a terminal or a log."""

from __future__ import annotations

import json


def plain(text: str) -> str:
    """Escape every non-printable character, for example as `\\x1b`; the result is one line.

    Control characters can move the cursor and overwrite earlier output, a line feed can start a line that a CI runner
    reads as a command, and zero-width or bidirectional characters can make two texts look alike. None of them is
    printable according to Unicode (`str.isprintable`).
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plain_json(text: str) -> str:
    """Escape every non-printable character of a JSON text as JSON does, so that it still says the same."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def plain_lines(text: str) -> str:
    """Escape each line of Panglot's own multi-line text; line feeds are kept."""
    return "\n".join(map(plain, text.split("\n")))
