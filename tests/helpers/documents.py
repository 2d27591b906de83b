"""The pages that people read, and the code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block of a page.

    With a `title` it is the text of a file of that name. Where a comment above it gives a `reason`, it is not run.
    """

    language: str
    title: str | None
    reason: str | None
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines of a shell block, continued ones put together, without comments."""
        whole = self.text.replace("\\\n", " ").splitlines()
        return [line for line in whole if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["language"], found["title"], found["reason"], found["text"])


def name(page: Path) -> str:
    """A page as the checkout knows it."""
    return page.relative_to(ROOT).as_posix()
