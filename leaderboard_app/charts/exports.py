"""Tables as text, charts as drawings; and text of strangers made harmless."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pandas as pd
import vl_convert

from leaderboard_app.charts.vega import Chart
from leaderboard_app.tables.formats import number
from panglot.fields import no_formula
from panglot.numbers import NOTHING

WIDTH = 640
"""Points of a chart that is saved, axes left out."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@/^=])")
_JOINER = "\u2060"
_REPLACED = re.compile(
    r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=[\w.-]*\.[\w.-]*[a-z])|(?<=:)(?=streamlit:)|(?<=[-<>~])(?=[-<>=])",
    re.IGNORECASE,
)
"""Inside of what Streamlit turns into a link, a logo, an arrow or a dash in the finished text, escaped or not."""
_LATEX = str.maketrans({"–": "--", "→": r"$\to$", "±": r"$\pm$", "−": "$-$", "<": "$<$"})
"""Signs that not every LaTeX has; those that mean something to it are escaped by pandas."""


def literal(text: str) -> str:
    """The text as Markdown of Streamlit that shows it as it is: no link, emphasis, formula, colour, icon or HTML in it.

    Word joiners, which are invisible, divide what would become a link or an arrow all the same.
    """
    return _escaped(_REPLACED.sub(_JOINER, text))


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before whatever text a spreadsheet would take for a formula, headings too."""
    odd = {name: texts for name in table if (texts := _disarmed(table[name])) is not None}
    return (table.assign(**odd) if odd else table).rename(columns=no_formula)


def as_csv(table: pd.DataFrame) -> str:
    """All digits, and no formula."""
    return harmless(table).to_csv(index=False, lineterminator="\n")


def as_markdown(table: pd.DataFrame) -> str:
    """A table of GitHub's Markdown, numbers to the right."""
    right = [_is_number(table[name]) for name in table.columns]
    lines = [
        [_escaped(str(name)) for name in table.columns],
        ["---:" if number else "---" for number in right],
        *([_escaped(cell) for cell in row] for row in _cells(table)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_latex(table: pd.DataFrame) -> str:
    """A tabular with the rules of booktabs."""
    align = "".join("r" if _is_number(table[name]) else "l" for name in table.columns)
    cells = pd.DataFrame(_cells(table), columns=list(map(str, table.columns))).style.hide(axis="index")
    escaped = cells.format(_signs, escape="latex").format_index(_signs, escape="latex", axis="columns")
    latex: str = escaped.to_latex(column_format=align, hrules=True)
    return latex


FORMATS: dict[str, tuple[str, str, Callable[[pd.DataFrame], str]]] = {
    "CSV": ("csv", "text/csv", as_csv),
    "LaTeX": ("tex", "application/x-tex", as_latex),
    "Markdown": ("md", "text/markdown", as_markdown),
}
"""By what the button says: the file's ending, its type, and what makes it."""


def as_svg(chart: Chart, title: str = "", about: str = "") -> str:
    """The chart as a drawing for a paper, black on white; `about` says what it is of, and the day is added."""
    svg: str = vl_convert.vegalite_to_svg(chart.saved(WIDTH, title, f"{about}, {date.today()}"))
    return svg


def as_png(chart: Chart, title: str = "", about: str = "") -> bytes:
    """The same in pixels, two for each point."""
    png: bytes = vl_convert.vegalite_to_png(chart.saved(WIDTH, title, f"{about}, {date.today()}"), scale=2)
    return png


def _cells(table: pd.DataFrame) -> list[list[str]]:
    names = [str(name) for name in table.columns]
    return [[_cell(*cell) for cell in zip(names, row, strict=True)] for row in table.itertuples(index=False)]


def _cell(name: str, value: object) -> str:
    if isinstance(value, float):
        return number(value, name)
    return NOTHING if value is None or value is pd.NA else str(value)


def _is_number(column: pd.Series) -> bool:
    """Whether a column stands to the right: numbers, or numbers with half of their intervals."""
    return bool(pd.api.types.is_numeric_dtype(column) or column.astype(str).str.contains(" ± ").any())


def _disarmed(column: pd.Series) -> pd.Series | None:
    """A column of texts without formulas; none if it has no such text, as almost every one."""
    if pd.api.types.is_numeric_dtype(column):
        return None
    odd = {value: safe for value in set(column.dropna()) if (safe := no_formula(value)) != value}
    return column.map(lambda value: odd.get(value, value), na_action="ignore") if odd else None


def _signs(text: str) -> str:
    return " ".join(text.split()).translate(_LATEX)
