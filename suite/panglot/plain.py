"""Text from files, servers and archives, made plain before a terminal or a log shows it."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text on one line with every character visible: what is not printable stands as its escape, as `\\x1b`.

    A control character can move the cursor and paint over what was printed, a line feed can begin a line that a CI
    runner reads as a command, and characters that have no width or turn the direction of reading make two texts look
    alike. All of them are non-printable in Unicode's sense (`str.isprintable`).
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plain_lines(text: str) -> str:
    """The same for text of our own that has several lines: its line feeds stay."""
    return "\n".join(map(plain, text.split("\n")))
