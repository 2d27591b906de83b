"""Text from files, servers and archives as people see it: escaped for a terminal or a log, or nothing to be seen."""

from __future__ import annotations

import json
import re

_UNSEEN = (
    r"\s\0-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""White space, control characters, the empty Braille pattern, and what Unicode calls Default_Ignorable_Code_Point."""
_SEEN = re.compile(f"[^{_UNSEEN}]")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, or has only white space and invisible characters."""
    return _SEEN.search(text) is None


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
