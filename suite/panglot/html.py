"""Small pieces of HTML that need no other file and no particular theme: what a notebook shows about a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from panglot.colours import Cell
from panglot.numbers import NOTHING

STYLE = """
.panglot { font-size: 13px; line-height: 1.4; max-width: 100%; overflow-x: auto; }
.panglot p { margin: .3em 0; max-width: 48em; }
.panglot .panglot-legend, .panglot small { font-size: 12px; opacity: .75; }
.panglot table { border-collapse: collapse; color: inherit; font-size: inherit; margin: .5em 0; }
.panglot th, .panglot td { background: none; border: 0; padding: .15em .6em; text-align: right; white-space: nowrap; }
.panglot thead th { border-bottom: 1px solid; font-weight: 600; vertical-align: bottom; }
.panglot tr > :first-child { text-align: left; }
.panglot .panglot-heat th { font-weight: 400; padding: .15em .35em; text-align: center; }
.panglot .panglot-heat td { font-variant-numeric: tabular-nums; padding: .15em .35em; text-align: center; }
"""
"""Text takes the colour of the page, so that it can be read on a light one and on a dark one; heat has its own ink."""


WIDEST = 40
"""Rows and columns up to which a heat map is drawn: beyond that nobody can read it, and a page takes megabytes."""


class Heat(NamedTuple):
    """A cell of a heat map: what stands in it, what is said when it is pointed at, and its colour."""

    text: str
    title: str
    colour: Cell


def page(*parts: str) -> str:
    """Parts of HTML with the style that they need."""
    return f'<div class="panglot"><style>{STYLE}</style>{"".join(parts)}</div>'


def heading(text: str, *aside: str) -> str:
    """A title, and what is said beside it, each on a line of its own."""
    lines = "".join(f"<br><small>{escape(line)}</small>" for line in aside)
    return f"<p><strong>{escape(text)}</strong>{lines}</p>"


def prose(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>"


def legend(text: str) -> str:
    """A paragraph that explains what stands above it."""
    return f'<p class="panglot-legend">{escape(text)}</p>'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text under headings; the first of each row names it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def heat_map(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[Heat | None]]]) -> str:
    """Coloured cells [rows, columns], each row with its name; None stands for no value.

    Colours are written into each cell, since some viewers of notebooks drop style sheets.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_heat_cell, cells))}</tr>' for name, cells in rows
    )
    return f'<table class="panglot-heat"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'


def _heat_cell(cell: Heat | None) -> str:
    if cell is None:
        return f"<td>{NOTHING}</td>"
    style = f"background:{cell.colour.background};color:{cell.colour.ink}"
    return f'<td style="{style}" title="{escape(cell.title)}">{escape(cell.text)}</td>'
