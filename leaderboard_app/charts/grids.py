"""Grids of numbers by query and candidate language.

Ink on a coloured cell is chosen by the cell, so that it can be read on each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from leaderboard_app.charts.charts import AXIS, LEGEND, NAMES, savable
from leaderboard_app.charts.labels import GREY
from leaderboard_app.charts.vega import Chart, Spec, data, mark, name_of, number_of, unless, without_middle
from panglot.languages import language_label

BELOW, NEUTRAL, ABOVE = "#b35806", "#f7f7f7", "#542788"
"""Of PuOr."""

ROW = 30
"""Pixels of a row in a grid."""

LINE, LEANING = 20, 110
"""Pixels of a row in a grid with many, and of names that lean."""

BLACK_FROM = 0.43
"""Share of viridis from which black ink reads better than white."""
WHITE_ABOVE, WHITE_BELOW = 0.68, 0.96
"""Shares of the way to purple and to orange from which white ink reads better than black."""


SQUARES: Spec = {
    **{"orient": "bottom", "type": "symbol", "symbolType": "square", "symbolSize": 150, "tickCount": 5},
    **{"symbolOpacity": 1, "symbolStrokeColor": GREY, "symbolStrokeWidth": 1},
}
"""A legend of a few colours: the browser loses a gradient, which has the page's address, when this is completed."""


def heat_map(table: pd.DataFrame, times: float = 100, tips: Sequence[str] = ("value", "low", "high")) -> Chart:
    """A grid of values by `query` and `candidate` language, query languages down; numbers × `times`."""
    low, high = float(table["value"].min()), float(table["value"].max())
    colour = number_of("value", scale={"scheme": "viridis", "domain": [low, high]}, legend=None)
    ink = unless(f"datum.value > {low + BLACK_FROM * (high - low)}", "black", "white")
    shown = table.assign(shown=[_shown(value, times) for value in table["value"]])
    return _grid(shown, colour, ink, [number_of(name, format=".3f") for name in tips], AXIS)


def language_map(table: pd.DataFrame, group: Callable[[str], str] | None = None) -> Chart:
    """A grid of values by `language`, down, and `model`; numbers × 100. Both come in the order of the table.

    :param group: what languages are grouped by, which their labels say
    """
    low, high = float(table["value"].min()), float(table["value"].max())
    names = {code: language_label(code) for code in dict.fromkeys(table["language"])}
    if group:
        names = {code: f"{group(code)} · {name}" for code, name in names.items()}
    rows = savable(table.assign(language=table["language"].map(names), shown=table["value"].map(_shown)))
    axis = {
        "orient": "top",
        "labelAngle": -40,
        **without_middle(150),
        "labelOverlap": False,
        "ticks": False,
        "domain": False,
    }
    encoding = {
        "x": name_of("model", sort=list(dict.fromkeys(rows["model"])), title=None, axis=axis),
        "y": name_of("language", sort=list(names.values()), title=None, axis={**NAMES, "labelLimit": 300}),
        "tooltip": [name_of("model"), name_of("language"), number_of("value", format=".3f")],
    }
    colour = number_of("value", scale={"scheme": "viridis", "domain": [low, high]}, legend=None)
    ink = unless(f"datum.value > {low + BLACK_FROM * (high - low)}", "black", "white")
    layers = [
        {**mark("rect", stroke=None), "encoding": {**encoding, "color": colour}},
        {**mark("text", fontSize=10), "encoding": {**encoding, "text": name_of("shown"), "color": ink}},
    ]
    height = LINE * len(names) + LEANING + AXIS
    return Chart({**data("rows"), "layer": layers, "height": height}, {"rows": rows})


def deviation_map(table: pd.DataFrame, middle: float, largest: float, legend: str) -> Chart:
    """A grid of values that lie around a neutral one: purple above, orange below; `shown` is what a cell says."""
    ends = [middle - largest, middle + largest]
    scale = {"domain": [ends[0], middle, ends[1]], "range": [BELOW, NEUTRAL, ABOVE], "clamp": True}
    above, below = middle + WHITE_ABOVE * largest, middle - WHITE_BELOW * largest
    ink = unless(f"datum.value > {above} || datum.value < {below}", "white", "black")
    colour = number_of("value", scale=scale, title=legend, legend=SQUARES)
    tips = [number_of("value", format="+.2f"), *([name_of("note")] if "note" in table else [])]
    return _grid(table, colour, ink, tips, AXIS + LEGEND)


def _grid(table: pd.DataFrame, colour: Spec, ink: Spec, tips: list[Spec], around: int) -> Chart:
    rows, columns = (list(dict.fromkeys(table[name])) for name in ("query", "candidate"))
    axis = {"orient": "top", "labelAngle": 0, "labelOverlap": False, "ticks": False, "domain": False}
    encoding = {
        "x": name_of("candidate", sort=columns, title="candidate language", axis=axis),
        "y": name_of("query", sort=rows, title="query language", axis=NAMES),
        "tooltip": [name_of("query"), name_of("candidate"), *tips],
    }
    text = {**encoding, "text": name_of("shown"), "color": ink}
    layers = [
        {**mark("rect", stroke=None), "encoding": {**encoding, "color": colour}},
        {**mark("text", fontSize=11), "encoding": text},
    ]
    spec = {**data("rows"), "layer": layers, "height": ROW * len(rows) + around}
    return Chart(spec, {"rows": savable(table)})


def _shown(value: float, times: float = 100) -> str:
    """A cell's number; a dash where there is none."""
    return "–" if pd.isna(value) else f"{value * times:.0f}"
