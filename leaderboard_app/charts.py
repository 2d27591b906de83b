"""From tables to charts; nothing here knows Streamlit.

Colours are viridis, PuOr and those of Okabe and Ito: told apart without seeing red or green. Ink that stands on the
page is left to the theme, light or dark; ink on a coloured cell is chosen by the cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from leaderboard_app.exports import harmless

OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
PUOR = ("#b35806", "#f7f7f7", "#542788")
GREY = "#888888"
TRUST_INKS = {
    "reproduced": "#009e73",
    "recomputed": "#0072b2",
    "consistent": "#56b4e9",
    "self-reported": "#e69f00",
    "not checked": "#cc79a7",
    "published": "#999999",
}
"""The colour of each level of trust, in every chart."""
ROW = 30
"""Pixels of a row in a grid."""

FEW_PLACES = 8
"""Points of a line up to which the axis names each of them."""

AXIS, LEGEND = 64, 44
"""Pixels that axis and legend take; a chart's height is that of all of it."""

NAMES = alt.Axis(labelLimit=220, labelOverlap=False, ticks=False, domain=False)

LIGHT_FROM = 0.6
"""Share of viridis from which black ink reads better than white."""


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
    """Each model by two of its numbers, with the Pareto front; only models on it are named, the others by pointing."""
    there = _savable(table.dropna(subset=[x, y]))
    there["on the front"] = pareto(there, x, y, x_falls, y_falls)
    front = there[there["on the front"]].sort_values(x)
    scale = alt.Scale(type="log", nice=False, padding=48) if log_x else alt.Scale(zero=False, padding=48)
    encoded = {
        "x": alt.X(f"{x}:Q", title=titles[0], scale=scale, axis=alt.Axis(tickCount=8)),
        "y": alt.Y(f"{y}:Q", title=titles[1], scale=alt.Scale(zero=False, padding=18), axis=alt.Axis(tickCount=6)),
    }
    levels = [level for level in TRUST_INKS if level in set(there["trust"])]
    tips = [alt.Tooltip("model:N"), alt.Tooltip("trust:N")]
    tips += [alt.Tooltip(f"{x}:Q", title=titles[0]), alt.Tooltip(f"{y}:Q", title=titles[1])]
    line = alt.Chart(front).mark_line(strokeDash=[4, 3], color=GREY, strokeWidth=1.5).encode(**encoded)
    points = (
        alt.Chart(there)
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(**encoded, tooltip=tips, **_by("trust", levels, [TRUST_INKS[level] for level in levels]))
    )
    names = alt.Chart(front).mark_text(dy=-11, fontSize=11, limit=170, color=GREY).encode(**encoded, text="model:N")
    return (line + points + names).properties(height=340)


def heat_map(table: pd.DataFrame, times: float = 100, tips: Sequence[str] = ("value", "low", "high")) -> alt.LayerChart:
    """A grid of values by `query` and `candidate` language, query languages down; numbers × `times`."""
    low, high = float(table["value"].min()), float(table["value"].max())
    colour = alt.Color("value:Q", scale=alt.Scale(scheme="viridis", domain=[low, high]), legend=None)
    ink = alt.condition(alt.datum.value > low + LIGHT_FROM * (high - low), alt.value("black"), alt.value("white"))
    shown = table.assign(shown=[_percent(value * times) for value in table["value"]])
    return _grid(shown, colour, ink, [alt.Tooltip(f"{name}:Q", format=".4f") for name in tips], AXIS)


def deviation_map(table: pd.DataFrame, middle: float, largest: float, legend: str) -> alt.LayerChart:
    """A grid of values that lie around a neutral one: purple above, orange below; `shown` is what a cell says."""
    ends = [middle - largest, middle + largest]
    scale = alt.Scale(domain=[ends[0], middle, ends[1]], range=list(PUOR), clamp=True)
    far = abs(alt.datum.value - middle) > 0.55 * largest
    ink = alt.condition(far, alt.value("white"), alt.value("black"))
    colour = alt.Color("value:Q", scale=scale, title=legend, legend=alt.Legend(orient="bottom", gradientLength=200))
    tips = [alt.Tooltip(f"{name}:{kind}") for name, kind in (("value", "Q"), ("note", "N")) if name in table]
    return _grid(table, colour, ink, tips, AXIS + LEGEND)


def dots(table: pd.DataFrame, category: str, series: str, title: str, blind: float | None = None) -> alt.LayerChart:
    """Values with their intervals, a row for each category and a colour for each series."""
    table = _savable(table)
    order, names = list(dict.fromkeys(table[category])), list(dict.fromkeys(table[series]))
    base = alt.Chart(table).encode(
        y=alt.Y(f"{category}:N", sort=order, title=None, axis=NAMES),
        yOffset=alt.YOffset(f"{series}:N", sort=names),
        tooltip=[category, series, *(alt.Tooltip(f"{end}:Q", format=".4f") for end in ("value", "low", "high"))],
        **_by(series, names),
    )
    x = alt.X("value:Q", title=title, axis=alt.Axis(tickCount=8))
    chart = alt.layer(base.mark_point(filled=True, size=55).encode(x=x))
    if table["low"].notna().any():
        chart = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q") + chart
    if blind is not None:
        chart = _vertical(blind, "language-blind") + chart
    return chart.properties(height=(10 + 10 * len(names)) * len(order) + AXIS + LEGEND * (len(names) > 1))


def bars(table: pd.DataFrame, category: str, value: str, title: str, neutral: float = 0.0) -> alt.Chart:
    """One bar a category, from the neutral value, blue above it and orange below."""
    table = _savable(table)
    order = list(table[category])
    ink = alt.condition(alt.datum[value] >= neutral, alt.value(OKABE_ITO[0]), alt.value(OKABE_ITO[1]))
    shifted = table.assign(neutral=neutral)
    return (
        alt.Chart(shifted)
        .mark_bar(height={"band": 0.65})
        .encode(
            y=alt.Y(f"{category}:N", sort=order, title=None, axis=NAMES),
            x=alt.X(f"{value}:Q", title=title, axis=alt.Axis(tickCount=8)),
            x2="neutral:Q",
            color=ink,
            tooltip=[category, alt.Tooltip(f"{value}:Q", format=".4f")],
        )
        .properties(height=22 * len(order) + AXIS)
    )


def lines(table: pd.DataFrame, x: str, y: str, series: str, titles: tuple[str, str], log_x: bool) -> alt.Chart:
    """A line for each series."""
    table = _savable(table)
    names = list(dict.fromkeys(table[series]))
    scale = alt.Scale(type="log", base=2 if y != "share" else 10) if log_x else alt.Scale(zero=False)
    places = sorted(table[x].unique().tolist())
    axis = alt.Axis(values=places, format=".6~g") if len(places) <= FEW_PLACES else alt.Axis()
    return (
        alt.Chart(table)
        .mark_line(point=len(table) < 80, strokeWidth=2)
        .encode(
            x=alt.X(f"{x}:Q", title=titles[0], scale=scale, axis=axis),
            y=alt.Y(f"{y}:Q", title=titles[1], scale=alt.Scale(zero=False)),
            tooltip=[series, x, alt.Tooltip(f"{y}:Q", format=".4f")],
            **_by(series, names),
        )
        .properties(height=300)
    )


def histogram(table: pd.DataFrame, title: str) -> alt.LayerChart:
    """How many questions (`count`) lie between `start` and `end`."""
    bars_ = (
        alt.Chart(table)
        .mark_bar(color=OKABE_ITO[0])
        .encode(
            x=alt.X("start:Q", bin="binned", title=title),
            x2="end:Q",
            y=alt.Y("count:Q", title="questions"),
            tooltip=["start", "end", "count"],
        )
    )
    return (bars_ + _vertical(0.0, "no difference")).properties(height=240)


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


def _by(series: str, names: Sequence[str], inks: Sequence[str] = OKABE_ITO) -> dict[str, object]:
    """Colour of a series; no legend where there is one alone."""
    scale = alt.Scale(domain=list(names), range=[inks[place % len(inks)] for place in range(len(names))])
    legend = alt.Legend(orient="top", title=None) if len(names) > 1 else None
    return {"color": alt.Color(f"{series}:N", scale=scale, legend=legend)}


def _vertical(value: float, name: str) -> alt.Chart:
    here = pd.DataFrame({"value": [value], "name": [name]})
    return alt.Chart(here).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="value:Q", tooltip=["name:N", "value:Q"])


def _percent(value: float) -> str:
    """A cell's number; a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:.0f}"
