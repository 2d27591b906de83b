"""How numbers are written for people, the same in the terminal and on a page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

NOTHING = "–"
"""Where the data gives no value."""


def number(value: float | None) -> str:
    """Three digits that matter: `0.525`, `4.67`, `7,898`; a dash where there is no value."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share, as `60.0 %`."""
    return f"{100 * share:.1f} %"


def short(value: float | None) -> str:
    """The same without the zero before the point: `.525`."""
    text = number(value)
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """A difference, as `+.012`, `−.003`, `.000`: a minus as wide as the plus."""
    if math.isnan(value):
        return NOTHING
    text = f"{abs(value):.3f}"
    sign = "" if float(text) == 0 else "+" if value > 0 else "−"
    return sign + text.removeprefix("0")


def interval(low: float | None, high: float | None, text: Callable[[float], str] = short, dash: str = "–") -> str:
    """Both ends, or a dash alone where there are too few clusters for an interval."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{text(low)}{dash}{text(high)}"


def p_value(value: float) -> str:
    """A p, as `.032`, `< .001`, `1`."""
    if math.isnan(value):
        return NOTHING
    return "< .001" if value < 0.001 else "1" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def count(things: int, one: str, many: str = "") -> str:
    """How many there are of something, as `1 test`, `1,190 queries`."""
    return f"{things:,} {one if things == 1 else many or f'{one}s'}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `mono, cross and multi`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def is_count(text: str) -> bool:
    """Whether a text is a positive whole number of at most nine digits, leading zeros aside."""
    return bool(re.fullmatch(r"0*[1-9][0-9]{0,8}", text, re.ASCII))
