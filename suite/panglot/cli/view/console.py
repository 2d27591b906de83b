"""The rich console, which strips control characters from all text it prints."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from panglot.cli.view.tables import UNBOUNDED
from panglot.plain import plain, plain_lines


class PlainConsole(Console):
    """A console that colours and lays out text but never passes on control sequences in it.

    Only escape sequences made by rich itself reach the terminal. All other text is made plain, so a name in a file
    cannot move the cursor or change what is on the screen.
    """

    def __init__(self, aside: bool = False) -> None:
        super().__init__(stderr=aside, highlight=False, markup=False, emoji=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = UNBOUNDED

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; a string is one line, whatever path or message of an error is in it."""
        super().print(*(plain(each) if isinstance(each, str) else each for each in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with plain text in every other segment."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain_lines(segment.text), segment.style)
