"""From tables to charts; nothing here knows Streamlit.

A colour means the same in every chart: `INKS` has one for each setting and each level of trust, purple is above and
orange below a neutral value, and grey is for reference. They are told apart without seeing red or green. The ink
of labels on the page is the theme's (`style.css`); ink on a coloured cell is chosen by the cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from leaderboard_app.exports import harmless
from leaderboard_app.formats import chart_format

OTHERS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d31")
"""For series that have no colour of their own, such as the models of a comparison (Okabe and Ito)."""
SETTING_INKS = {"balance": "#7f4fa0", "mono": "#2a78b5", "cross": "#d1495b", "multi": "#2e8b57"}
TRUST_INKS = {
    "reproduced": "#009e73",
    "recomputed": "#0072b2",
    "consistent": "#56b4e9",
    "self-reported": "#e69f00",
    "not checked": "#cc79a7",
    "published": "#8c6d31",
    "reported": "#7d83a6",
}
INKS = SETTING_INKS | TRUST_INKS
"""What has a colour of its own has it in every chart."""

BELOW, NEUTRAL, ABOVE = "#b35806", "#f7f7f7", "#542788"
"""Of PuOr."""
ABOVE_BAR, BELOW_BAR = "#8073ac", "#e08214"
"""The same hues, light enough for a dark page."""
GREY = "#8a8a8a"
"""Marks for reference: floors, fronts, neutral lines."""

ROW = 30
"""Pixels of a row in a grid."""

FEW_PLACES = 8
"""Points of a line up to which the axis names each of them."""

LONG_NAME = 16
"""Letters from which a legend has a line for each name, so that it fits a phone."""

NAME_WIDTH, NAME_HEIGHT = 0.16, 0.06
"""Share of the axes that a name takes."""

AXIS, LEGEND = 64, 44
"""Pixels that axis and legend take; a chart's height is that of all of it."""

NAMES = alt.Axis(labelLimit=220, labelOverlap=False, ticks=False, domain=False)

BLACK_FROM = 0.43
"""Share of viridis from which black ink reads better than white."""
WHITE_ABOVE, WHITE_BELOW = 0.68, 0.96
"""Shares of the way to purple and to orange from which white ink reads better than black."""


def pareto(table: pd.DataFrame, x: str, y: str, x_falls: bool = False, y_falls: bool = False) -> list[bool]:
    """Whether each row is on the front: no other is at least as good in both and better in one."""
    signed = table[[x, y]].to_numpy(float) * [-1 if x_falls else 1, -1 if y_falls else 1]
    at_least = (signed[:, None] >= signed).all(axis=2)
    better = (signed[:, None] > signed).any(axis=2)
    return [bool(beaten) for beaten in ~(at_least & better).any(axis=0)]


def scatter(
    table: pd.DataFrame,
    x: str,
    y: str,
    titles: tuple[str, str],
    *,
    log_x: bool = False,
    x_falls: bool = False,
    y_falls: bool = False,
) -> alt.LayerChart:
    """Each model by two of its numbers, with the Pareto front; only models on it are named, the others by pointing.

    Floors are grey marks for reference, and not on the front.
    """
    there = _savable(table.dropna(subset=[x, y]))
    floors, models = there[there["floor"]], there[~there["floor"]].copy()
    models["on the front"] = pd.Series(pareto(models, x, y, x_falls, y_falls), models.index, bool)
    front = models[models["on the front"]].sort_values(x)
    named = front[apart(front, x, y, log_x)]
    encoded = {
        "x": alt.X(f"{x}:Q", title=titles[0], scale=_scale(there[x], 0.12, log_x), axis=_axis(8)),
        "y": alt.Y(f"{y}:Q", title=titles[1], scale=_scale(there[y], 0.08), axis=_axis(6)),
    }
    tips = [alt.Tooltip("model:N"), alt.Tooltip("trust:N")]
    tips += [
        alt.Tooltip(f"{name}:Q", title=title, format=",.0f" if log_x and name == x else chart_format(name))
        for name, title in zip((x, y), titles, strict=True)
    ]
    levels = [level for level in TRUST_INKS if level in set(models["trust"])]
    line = alt.Chart(front).mark_line(strokeDash=[4, 3], color=GREY, strokeWidth=1.5).encode(**encoded)
    grey = alt.Chart(floors).mark_point(color=GREY, shape="cross", size=70, strokeWidth=2)
    points = alt.Chart(models).mark_point(filled=True, size=90, opacity=0.9)
    names = alt.Chart(named).mark_text(dy=-11, fontSize=11, limit=170)
    beside = alt.Chart(floors).mark_text(align="left", dx=8, fontSize=11, limit=120, fontStyle="italic")
    return alt.layer(
        line,
        grey.encode(**encoded, tooltip=tips),
        points.encode(**encoded, tooltip=tips, **_by("trust", levels)),
        names.encode(**encoded, text="model:N").properties(name="names"),
        beside.encode(**encoded, text="model:N").properties(name="floors"),
    ).properties(height=340)


def apart(table: pd.DataFrame, x: str, y: str, log_x: bool = False) -> list[bool]:
    """Which rows can be named without names on top of each other; of two that are close, the one with the larger y."""
    across, up = np.log(table[x].to_numpy(float)) if log_x else table[x].to_numpy(float), table[y].to_numpy(float)
    across, up = (values / (np.ptp(values) or 1.0) for values in (across, up)) if len(table) else (across, up)
    kept: list[int] = []
    for row in np.argsort(-up, kind="stable"):
        if all(
            abs(across[row] - across[other]) > NAME_WIDTH or abs(up[row] - up[other]) > NAME_HEIGHT for other in kept
        ):
            kept.append(int(row))
    return [row in kept for row in range(len(table))]


def heat_map(table: pd.DataFrame, times: float = 100, tips: Sequence[str] = ("value", "low", "high")) -> alt.LayerChart:
    """A grid of values by `query` and `candidate` language, query languages down; numbers × `times`."""
    low, high = float(table["value"].min()), float(table["value"].max())
    colour = alt.Color("value:Q", scale=alt.Scale(scheme="viridis", domain=[low, high]), legend=None)
    ink = alt.condition(alt.datum.value > low + BLACK_FROM * (high - low), alt.value("black"), alt.value("white"))
    shown = table.assign(shown=[_percent(value * times) for value in table["value"]])
    return _grid(shown, colour, ink, [alt.Tooltip(f"{name}:Q", format=".3f") for name in tips], AXIS)


def deviation_map(table: pd.DataFrame, middle: float, largest: float, legend: str) -> alt.LayerChart:
    """A grid of values that lie around a neutral one: purple above, orange below; `shown` is what a cell says."""
    ends = [middle - largest, middle + largest]
    scale = alt.Scale(domain=[ends[0], middle, ends[1]], range=[BELOW, NEUTRAL, ABOVE], clamp=True)
    above, below = middle + WHITE_ABOVE * largest, middle - WHITE_BELOW * largest
    far = (alt.datum.value > above) | (alt.datum.value < below)
    ink = alt.condition(far, alt.value("white"), alt.value("black"))
    colour = alt.Color("value:Q", scale=scale, title=legend, legend=alt.Legend(orient="bottom", gradientLength=200))
    tips = [alt.Tooltip("value:Q", format="+.2f"), *([alt.Tooltip("note:N")] if "note" in table else [])]
    return _grid(table, colour, ink, tips, AXIS + LEGEND)


def dots(
    table: pd.DataFrame,
    category: str,
    series: str,
    title: str,
    reference: tuple[str, float] | None = None,
    floors: Sequence[str] = (),
) -> alt.LayerChart:
    """Values with their intervals, a row for each category and a colour for each series; floors are grey."""
    table = _savable(table)
    order, names = list(dict.fromkeys(table[category])), list(dict.fromkeys(table[series]))
    tips = [alt.Tooltip(f"{end}:Q", format=chart_format(title)) for end in ("value", "low", "high")]
    look = _by(series, names)
    if floors:
        look["color"] = alt.condition(
            alt.FieldOneOfPredicate(category, list(floors)), alt.value(GREY), alt.value(INKS.get(names[0], OTHERS[0]))
        )
    base = alt.Chart(table).encode(
        y=alt.Y(f"{category}:N", sort=order, title=None, axis=NAMES),
        yOffset=alt.YOffset(f"{series}:N", sort=names),
        tooltip=[category, series, *tips],
        **look,
    )
    values = table[["value", "low", "high"]].stack().tolist() + ([reference[1]] if reference else [])
    scale = _scale(pd.Series(values), 0.04)
    chart = alt.layer(
        base.mark_point(filled=True, size=55).encode(x=alt.X("value:Q", title=title, scale=scale, axis=_axis(8)))
    )
    if table["low"].notna().any():
        chart = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title, scale=scale), x2="high:Q") + chart
    if reference:
        chart = _vertical(*reference) + chart
    return chart.properties(height=(10 + 10 * len(names)) * len(order) + AXIS + _legend_pixels(names))


def bars(table: pd.DataFrame, category: str, value: str, title: str, neutral: float = 0.0) -> alt.Chart:
    """One bar a category, from the neutral value, purple above it and orange below."""
    table = _savable(table)
    order = list(table[category])
    ink = alt.condition(alt.datum[value] >= neutral, alt.value(ABOVE_BAR), alt.value(BELOW_BAR))
    shifted = table.assign(neutral=neutral)
    return (
        alt.Chart(shifted)
        .mark_bar(height={"band": 0.65})
        .encode(
            y=alt.Y(f"{category}:N", sort=order, title=None, axis=NAMES),
            x=alt.X(f"{value}:Q", title=title, axis=_axis(8)),
            x2="neutral:Q",
            color=ink,
            tooltip=[category, alt.Tooltip(f"{value}:Q", format="+.2f")],
        )
        .properties(height=22 * len(order) + AXIS)
    )


def lines(table: pd.DataFrame, x: str, y: str, series: str, titles: tuple[str, str], log_x: bool) -> alt.Chart:
    """A line for each series."""
    table = _savable(table)
    names = list(dict.fromkeys(table[series]))
    scale = alt.Scale(type="log", base=2 if y != "share" else 10) if log_x else _scale(table[x], 0.0)
    places = sorted(table[x].unique().tolist())
    axis = alt.Axis(values=places, format=".6~g") if len(places) <= FEW_PLACES else alt.Axis()
    return (
        alt.Chart(table)
        .mark_line(point=len(table) < 80, strokeWidth=2)
        .encode(
            x=alt.X(f"{x}:Q", title=titles[0], scale=scale, axis=axis),
            y=alt.Y(f"{y}:Q", title=titles[1], scale=_scale(table[y], 0.05)),
            tooltip=[series, x, alt.Tooltip(f"{y}:Q", format=chart_format(titles[1]))],
            **_by(series, names),
        )
        .properties(height=300)
    )


def histogram(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """How many questions (`count`) lie between `start` and `end`."""
    bars_ = (
        alt.Chart(table)
        .mark_bar(color=GREY)
        .encode(
            x=alt.X("start:Q", bin="binned", title=title),
            x2="end:Q",
            y=alt.Y("count:Q", title="questions"),
            tooltip=[alt.Tooltip("start:Q", format="+.2f"), alt.Tooltip("end:Q", format="+.2f"), "count"],
        )
    )
    return (bars_ + _vertical("no difference", 0.0)).properties(height=240)


def _grid(table: pd.DataFrame, colour: alt.Color, ink: object, tips: list[alt.Tooltip], around: int) -> alt.LayerChart:
    table = _savable(table)
    rows, columns = (list(dict.fromkeys(table[name])) for name in ("query", "candidate"))
    axis = alt.Axis(orient="top", labelAngle=0, labelOverlap=False, ticks=False, domain=False)
    base = alt.Chart(table).encode(
        x=alt.X("candidate:N", sort=columns, title="candidate language", axis=axis),
        y=alt.Y("query:N", sort=rows, title="query language", axis=NAMES),
        tooltip=["query", "candidate", *tips],
    )
    text = base.mark_text(fontSize=11).encode(text="shown:N", color=ink)
    return (base.mark_rect(stroke=None).encode(color=colour) + text).properties(height=ROW * len(rows) + around)


def _savable(table: pd.DataFrame) -> pd.DataFrame:
    """What whoever looks at the chart may save as a table; `shown` is digits of ours with a sign."""
    safe = harmless(table)
    return safe.assign(shown=table["shown"]) if "shown" in table else safe


def _by(series: str, names: Sequence[str]) -> dict[str, object]:
    """Colour of a series, its own where it has one; no legend where there is one alone."""
    inks = [INKS.get(name, OTHERS[place % len(OTHERS)]) for place, name in enumerate(names)]
    scale = alt.Scale(domain=list(names), range=inks)
    columns = 1 if max(map(len, names), default=0) > LONG_NAME else alt.Undefined
    legend = alt.Legend(orient="top", title=None, labelLimit=300, columns=columns) if len(names) > 1 else None
    return {"color": alt.Color(f"{series}:N", scale=scale, legend=legend)}


def _legend_pixels(names: Sequence[str]) -> int:
    lines = len(names) if max(map(len, names), default=0) > LONG_NAME else 1
    return LEGEND + 16 * (lines - 1) if len(names) > 1 else 0


def _scale(values: pd.Series, around: float, log: bool = False) -> alt.Scale:
    """From the least to the largest value with some room around; never below 0 where no value is."""
    least, largest = float(values.min()), float(values.max())
    if log:
        room = (largest / least) ** around if least > 0 else 1.0
        room = max(room, 1.3)
        return alt.Scale(type="log", nice=False, domain=[least / room, largest * room])
    room = (largest - least) * around or abs(largest) * around or around
    start = least - room
    return alt.Scale(zero=False, nice=False, domain=[max(start, 0.0) if least >= 0 else start, largest + room])


def _axis(ticks: int) -> alt.Axis:
    return alt.Axis(tickCount=ticks)


def _vertical(name: str, value: float) -> alt.Chart:
    here = pd.DataFrame({"value": [value], "name": [name]})
    return alt.Chart(here).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="value:Q", tooltip=["name:N", "value:Q"])


def _percent(value: float) -> str:
    """A cell's number; a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:.0f}"
