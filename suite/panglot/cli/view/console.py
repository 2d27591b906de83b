"""The console: the one place where text reaches a terminal through rich, and where it is made plain."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from panglot.cli.view.tables import UNBOUNDED
from panglot.plain import plain_lines


class PlainConsole(Console):
    """A console that colours and lays out what it is given but takes no command from it.

    Escape sequences reach the terminal only where rich makes them itself: the text of every other segment is made
    plain, so that no name in a file can move the cursor or change what stands on the screen.
    """

    def __init__(self, aside: bool = False) -> None:
        super().__init__(stderr=aside, highlight=False, markup=False, emoji=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = UNBOUNDED

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with plain text in every segment."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain_lines(segment.text), segment.style)
