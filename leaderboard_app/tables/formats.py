"""How numbers print, in every table, chart and download."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from panglot.numbers import NOTHING, p_value

RANKS = frozenset(
    {"rank_distance", "max_rank", "english_pool_max_rank", "modality_gap", "mean rank", "ranks above the mean"}
)
"""Quantities that are counted in ranks: one decimal is enough."""
DIFFERENCES = frozenset({"difference", "B − A", "smallest detectable"})
"""Differences of scores, which can be far smaller than these."""
P_VALUES = frozenset({"p", "p (Holm)"})


MINUS = "−"
"""As wide as a digit; and a spreadsheet does not take a text that begins with it for a formula."""

Ends = Mapping[str, tuple[str, str]]
"""Of columns that have an interval, the columns of its ends."""


def decimals(name: str) -> int:
    """Digits behind the point of a quantity: one of ranks, four of differences, three of everything else."""
    name = name.removesuffix(" low").removesuffix(" high")
    return 1 if name in RANKS else 4 if name in DIFFERENCES else 3


def number(value: float | None, name: str = "") -> str:
    """A value of the quantity `name`; never a negative zero."""
    if value is None or pd.isna(value):
        return NOTHING
    if name in P_VALUES:
        return p_value(value)
    return f"{_rounded(value, decimals(name)):,.{decimals(name)}f}".replace("-", MINUS)


def plus_minus(value: float | None, low: float | None, high: float | None, name: str = "") -> str:
    """A value with half the width of its interval, as in `0.487 ± .013`; the value alone where it has no interval."""
    if value is None or low is None or high is None or pd.isna(value) or pd.isna(low) or pd.isna(high):
        return number(value, name)
    half = number((high - low) / 2, name)
    return f"{number(value, name)} ± {half.removeprefix('0') if half.startswith('0.') else half}"


def ends_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Of the columns that have an interval, the columns of its ends: `mono low`, or `low` of a `value`."""
    there = list(names)
    found = {name: (f"{name} low", f"{name} high") for name in there if f"{name} low" in there}
    of = next((name for name in ("value", "difference") if name in there), "")
    return found | ({of: ("low", "high")} if of and "low" in there else {})


def with_intervals(table: pd.DataFrame, ends: Ends) -> pd.DataFrame:
    """The table with scores as texts, as in `0.487 ± .013`."""
    texts = {}
    for name, (low, high) in ends.items():
        cells = zip(*(table[each].tolist() for each in (name, low, high)), strict=True)
        texts[name] = [plus_minus(value, least, most, name) for value, least, most in cells]
    return table.assign(**texts)


def span(low: int, high: int) -> str:
    """The ends of a range, or its one value."""
    return f"{low}–{high}" if low < high else str(low)


def signed(value: float | None, digits: int) -> str:
    """A difference with its sign; what rounds to zero has none."""
    if value is None or pd.isna(value):
        return NOTHING
    rounded = _rounded(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def printed(value: float | None, form: str) -> str:
    """A number as Streamlit prints it in a column of this format; a dash where there is none."""
    if value is None or pd.isna(value):
        return NOTHING
    if form == "compact":
        return number_of_parameters(int(value))
    text = form % value if form.startswith("%") else f"{round(value, 4):,}".removesuffix(".0")
    return text.replace("-", MINUS)


def number_of_parameters(parameters: int) -> str:
    """A number of parameters in three digits: `118 M`, `7.6 B`."""
    scales = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
    scale, unit = next((each for each in scales if parameters >= each[0]), (1, ""))
    return f"{parameters / scale:.3g} {unit}".strip()


def shortened(name: str, most: int) -> str:
    """A name of at most so many letters, without its middle if it has more: versions of a model differ at the end."""
    end = (most - 1) // 4
    return name if len(name) <= most else f"{name[: most - 1 - end]}…{name[-end:]}"


def column_format(name: str) -> str:
    """The same for a column of a table, as `printf` has it."""
    return f"%.{decimals(name)}f"


def chart_format(name: str) -> str:
    """The same for an axis or a tooltip, as D3 has it."""
    return f",.{decimals(name)}f"


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0
