"""From tables to charts.

A colour means the same in every chart: `INKS` has one for each setting and each level of trust, purple is above and
orange below a neutral value, and grey is for reference. They are told apart without seeing red or green. The ink
of labels on the page is the theme's (`style.css`); ink on a coloured cell is chosen by the cell.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from leaderboard_app.charts.exports import harmless
from leaderboard_app.charts.labels import EXACT, GREY, name_layers
from leaderboard_app.charts.vega import Chart, Spec, data, mark, name_of, number_of, tip, unless, without_middle
from leaderboard_app.tables.formats import chart_format
from panglot.arrays import Floats
from panglot.languages import language_label

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

FEW_PLACES = 8
"""Points of a line up to which the axis names each of them."""

LONG_NAME = 16
"""Letters from which a legend has a line for each name, so that it fits a phone."""

MOST_NAMED = 10
"""Best models of a scatter plot that it names, and as many that a reader looks for."""
MANY = 60
"""Models from which marks without a name are small and faint, so that names can be read on them."""

ZOOM: Spec = {
    "name": "zoom",
    "select": {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey]"},
    "bind": "scales",
}
ZOOM_HELP = "Drag to move, Ctrl and wheel to zoom, double-click to see all."
"""The wheel alone scrolls the page."""

AXIS, LEGEND = 64, 44
"""Pixels that axis and legend take; a chart's height is that of all of it."""

NAMES: Spec = {"labelOverlap": False, "labelFlush": False, "ticks": False, "domain": False}
WIDE, ON_PHONE = 350, 125
"""Pixels of a name beside a chart; on a phone, half of those in a legend."""
IN_LEGEND = 6.6
"""Pixels of a letter in a legend."""


def pareto(table: pd.DataFrame, x: str, y: str, x_falls: bool = False) -> list[bool]:
    """Whether each row is on the front: no other is at least as good in both and better in one."""
    signed = table[[x, y]].to_numpy(float) * [-1 if x_falls else 1, 1]
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
    sought: Collection[str] = (),
    narrow: bool = False,
) -> Chart:
    """Each model by two of its numbers, better to the right and up, with the Pareto front.

    Named are the models of `sought`, by their folders, the best ten by `y`, those on the front, and floors, as far as
    no name or line lies on another; the others by pointing. Floors are grey marks for reference, and not on the front.

    :param x_falls: whether the axis runs from large to small, since small is better
    """
    kept = list(dict.fromkeys(["model", "folder", "trust", x, y, "floor"]))
    there = savable(table.dropna(subset=[x, y])[kept])
    floors, models = there[there["floor"]], there[~there["floor"]].reset_index(drop=True)
    models["on the front"] = pd.Series(pareto(models, x, y, x_falls), models.index, bool)
    across = _with_edge(_scale(there[x], 0.12, log_x)) | ({"reverse": True} if x_falls else {})
    up = _with_edge(_scale(there[y], 0.08))
    axes = {
        "x": number_of(x, title=titles[0], scale=across, axis=_POWERS if log_x else _axis(8)),
        "y": number_of(y, title=titles[1], scale=up, axis=_axis(6)),
    }
    tips = [name_of("model"), name_of("trust")]
    tips += [
        number_of(name, title=title, format=",.0f" if log_x and name == x else chart_format(name))
        for name, title in zip((x, y), titles, strict=True)
    ]
    marks = pd.concat([models, floors], ignore_index=True)
    order = [*_first_named(models, y, sought), *range(len(models), len(marks))]
    front = models[models["on the front"]].sort_values(x)
    shares = _shares(marks[x], across), _shares(marks[y], up)
    few = len(models) <= MANY
    marked = range(len(marks)) if few else order
    names, named = name_layers(marks, order, *shares, axes, narrow, marked, joined=front.index.tolist())
    levels = [level for level in TRUST_INKS if level in set(models["trust"])]
    pointed = {**axes, "tooltip": tips}
    line, cross = mark("line", strokeDash=[4, 3], color=GREY, strokeWidth=1.5, clip=True), {"shape": "cross"}
    coloured = pointed | _by("trust", levels)
    layers = [
        {**data("front"), **line, "encoding": axes},
        {**data("floors"), **mark("point", size=70, strokeWidth=2, color=GREY, **cross), "encoding": pointed},
        {
            **data("models"),
            **mark("point", filled=True, size=90 if few else 40, opacity=0.9 if few else 0.4),
            "encoding": coloured,
            "params": [ZOOM],
        },
        {**data("marked"), **mark("point", filled=True, size=90, opacity=1, clip=True), "encoding": coloured},
        *names,
    ]
    tables = {"models": models, "front": front, "floors": floors, "named": named}
    tables["marked"] = named[~named["floor"].astype(bool)]
    return Chart({"layer": layers, **EXACT}, tables)


def _first_named(models: pd.DataFrame, y: str, sought: Collection[str]) -> list[int]:
    """The rows that are to be named, the most important first."""
    best = models[y].sort_values(ascending=False, kind="stable").index
    wanted = [row for row in best if models.at[row, "folder"] in sought][:MOST_NAMED]
    front = [row for row in best if models.at[row, "on the front"]]
    return list(dict.fromkeys([*wanted, *best[:MOST_NAMED], *front[:MOST_NAMED]]))


def _shares(values: pd.Series, scale: Spec) -> Floats:
    """Where values are on an axis, from 0 to 1."""
    numbers, ends = values.to_numpy(float), np.array(scale["domain"], float)
    if scale.get("type") == "log":
        numbers, ends = np.log(numbers), np.log(ends)
    shares: Floats = (numbers - ends[0]) / (ends[1] - ends[0])
    return 1 - shares if scale.get("reverse") else shares


def dots(
    table: pd.DataFrame,
    category: str,
    series: str,
    title: str,
    reference: tuple[str, float] | None = None,
    floors: Sequence[str] = (),
    narrow: bool = False,
) -> Chart:
    """Values with their intervals, a row for each category and a colour for each series; floors are grey.

    :param narrow: whether names are cut so that values have room beside them on a phone
    """
    table = savable(_labelled(table, category))
    order, names = list(dict.fromkeys(table[category])), list(dict.fromkeys(table[series]))
    look = _by(series, names)
    if floors:
        grey = {"field": category, "oneOf": list(floors)}
        look["color"] = unless(grey, GREY, INKS.get(names[0], OTHERS[0]))
    encoding = {
        "y": name_of(category, sort=order, title=None, axis=NAMES | without_middle(ON_PHONE if narrow else WIDE)),
        "yOffset": name_of(series, sort=names),
        "tooltip": [name_of(category), name_of(series), *(tip(end, title) for end in ("value", "low", "high"))],
        **look,
    }
    if narrow and look["color"].get("legend"):
        look["color"]["legend"] |= without_middle(2 * ON_PHONE, IN_LEGEND)
    values = table[["value", "low", "high"]].stack().tolist() + ([reference[1]] if reference else [])
    scale = _scale(pd.Series(values), 0.04)
    point = {**encoding, "x": number_of("value", title=title, scale=scale, axis=_axis(8))}
    layers = [{**data("rows"), **mark("point", filled=True, size=55), "encoding": point}]
    if table["low"].notna().any():
        ends = {**encoding, "x": number_of("low", title=title, scale=scale), "x2": {"field": "high"}}
        layers.insert(0, {**data("rows"), **mark("rule", strokeWidth=2), "encoding": ends})
    tables = {"rows": table}
    if reference:
        layers.insert(0, _VERTICAL)
        tables["reference"] = _reference(*reference)
    height = (10 + 10 * len(names)) * len(order) + AXIS + _legend_pixels(names)
    return Chart({"layer": layers, "height": height}, tables)


def lines(table: pd.DataFrame, x: str, y: str, series: str, titles: tuple[str, str], log_x: bool) -> Chart:
    """A line for each series."""
    table = savable(table)
    names = list(dict.fromkeys(table[series]))
    scale = {"type": "log", "base": 2 if y != "share" else 10} if log_x else _scale(table[x], 0.0)
    places = sorted(table[x].unique().tolist())
    axis = {"values": places, "format": ".6~g"} if len(places) <= FEW_PLACES else {}
    encoding = {
        "x": number_of(x, title=titles[0], scale=scale, axis=axis),
        "y": number_of(y, title=titles[1], scale=_scale(table[y], 0.05)),
        "tooltip": [name_of(series), number_of(x), tip(y, titles[1])],
        **_by(series, names),
    }
    look = mark("line", point=len(table) < 80, strokeWidth=2)
    return Chart({**data("rows"), **look, "encoding": encoding, "height": 300}, {"rows": table})


def histogram(table: pd.DataFrame, title: str) -> Chart:
    """How many questions (`count`) lie between `start` and `end`."""
    encoding = {
        "x": number_of("start", bin="binned", title=title),
        "x2": {"field": "end"},
        "y": number_of("count", title="questions"),
        "tooltip": [number_of("start", format="+.2f"), number_of("end", format="+.2f"), number_of("count")],
    }
    counts = {**data("rows"), **mark("bar", color=GREY), "encoding": encoding}
    tables = {"rows": table, "reference": _reference("no difference", 0.0)}
    return Chart({"layer": [counts, _VERTICAL], "height": 240}, tables)


def savable(table: pd.DataFrame) -> pd.DataFrame:
    """What whoever looks at the chart may save as a table; `shown` is digits of ours with a sign."""
    safe = harmless(table)
    return safe.assign(shown=table["shown"]) if "shown" in table else safe


def _labelled(table: pd.DataFrame, category: str) -> pd.DataFrame:
    """The table with the names of languages, where its rows are languages."""
    return table.assign(language=table["language"].map(language_label)) if category == "language" else table


def _by(series: str, names: Sequence[str]) -> Spec:
    """Colour of a series, its own where it has one; no legend where there is one alone."""
    inks = [INKS.get(name, OTHERS[place % len(OTHERS)]) for place, name in enumerate(names)]
    legend: Spec | None = (
        {"orient": "top", "title": None, "symbolOpacity": 1, **without_middle(WIDE, IN_LEGEND)}
        if len(names) > 1
        else None
    )
    if legend and max(map(len, names)) > LONG_NAME:
        legend["columns"] = 1
    return {"color": name_of(series, scale={"domain": list(names), "range": inks}, legend=legend)}


def _legend_pixels(names: Sequence[str]) -> int:
    lines = len(names) if max(map(len, names), default=0) > LONG_NAME else 1
    return LEGEND + 16 * (lines - 1) if len(names) > 1 else 0


def _scale(values: pd.Series, around: float, log: bool = False) -> Spec:
    """From the least to the largest value with some room around; never below 0 where no value is."""
    least, largest = float(values.min()), float(values.max())
    if log:
        room = (largest / least) ** around if least > 0 else 1.0
        room = max(room, 1.3)
        return {"type": "log", "nice": False, "domain": [least / room, largest * room]}
    room = (largest - least) * around or abs(largest) * around or around
    start = least - room
    return {"zero": False, "nice": False, "domain": [max(start, 0.0) if least >= 0 else start, largest + room]}


def _with_edge(scale: Spec) -> Spec:
    """The same with some room before its start, so that a mark at 0 is seen whole."""
    if scale.get("type") == "log":
        return scale
    start, end = scale["domain"]
    return {**scale, "domain": [start - 0.04 * (end - start), end]}


def _axis(ticks: int) -> Spec:
    return {"tickCount": ticks}


_POWERS: Spec = {
    "values": [10**power for power in range(13)],
    "format": "~s",
    "labelExpr": "replace(datum.label, 'G', 'B')",
}
"""An axis of numbers of very different sizes: 1M, 10M, 1B."""

_VERTICAL: Spec = {
    **data("reference"),
    **mark("rule", color=GREY, strokeDash=[4, 3]),
    "encoding": {"x": number_of("value"), "tooltip": [name_of("name"), number_of("value")]},
}
"""A line at a value for reference."""


def _reference(name: str, value: float) -> pd.DataFrame:
    return pd.DataFrame({"value": [value], "name": [name]})
