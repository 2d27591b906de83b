"""Tables for terminals of any width: rows turn into blocks, grids split, prose wraps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

UNBOUNDED = 1_000
"""Wider than any table; the width used for pipes and files."""

LONGEST_LINE = 80
"""Maximum line length of prose, in characters."""


class FoldingTable(Table):
    """A table that shows each row as a block of lines if the terminal is too narrow for its columns.

    A column without `no_wrap` can shrink to its `min_width`, but never breaks a word.
    """

    def __init__(self) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table, or its rows as blocks."""
        if self._needed(console, options.update_width(UNBOUNDED)) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._blocks()

    def _needed(self, console: Console, options: ConsoleOptions) -> int:
        """Return the smallest width at which no word breaks."""
        slack = 0
        for column in self.columns:
            if not column.no_wrap:
                sizes = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
                least = max(column.min_width or 0, *(size.minimum for size in sizes))
                slack += max(0, max(size.maximum for size in sizes) - least)
        return self.__rich_measure__(console, options).maximum - slack

    def _blocks(self) -> Iterator[RenderableType]:
        """Yield each row as its first cell, followed by one line per other cell with its heading."""
        _, *headings = (_one_line(column.header).plain for column in self.columns)
        for title, *cells in zip(*(column.cells for column in self.columns), strict=True):
            yield Text("\n").append(_one_line(title).plain, style="bold")
            yield facts(zip(headings, map(_one_line, cells), strict=True), indent=2)
        yield Text()


@dataclass(frozen=True)
class Grid:
    """Equal-width cells [rows, columns]; columns that do not fit continue below."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Text]]]
    cell_width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as many columns at a time as fit."""
        names = max(len(name) for name, _ in self.rows) + 1
        width = max(self.cell_width, *(len(name) + 1 for name in self.columns))
        step = max(1, (options.max_width - names) // width)
        for start in range(0, len(self.columns), step):
            part = slice(start, start + step)
            table = Table(box=None, padding=0)
            table.add_column("", width=names)
            for name in self.columns[part]:
                table.add_column(name, justify="center", width=width)
            for name, cells in self.rows:
                table.add_row(name, *cells[part])
            yield table


def facts(rows: Iterable[tuple[str, RenderableType]], indent: int = 0) -> RenderableType:
    """Lay out names and values in two columns."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return Padding.indent(grid, indent)


def prose(text: str, style: str = "dim") -> RenderableType:
    """Wrap prose to a readable line length."""
    return Constrain(Text(text, style=style), LONGEST_LINE)


def _one_line(cell: RenderableType) -> Text:
    text = cell if isinstance(cell, Text) else Text(str(cell))
    return Text(" ").join(text.split("\n"))
