"""Charts of the field."""

from __future__ import annotations

import pandas as pd

from leaderboard_app.charts.charts import TRUST_INKS, ZOOM
from leaderboard_app.charts.exports import harmless
from leaderboard_app.charts.labels import EXACT, GREY, name_layers
from leaderboard_app.charts.vega import Chart, data, mark, name_of, number_of

NAMED = 4
"""Models at either end that the chart names; the others by pointing."""


def islands_and_bridges(table: pd.DataFrame, narrow: bool = False) -> Chart:
    """The place of each model within languages and across English; on the line both are the same."""
    numbers = ["mono", "English pivot", "place within", "place across", "bridge"]
    there = table.dropna(subset=["bridge"]).sort_values("bridge", kind="stable")
    there = harmless(there[["model", "trust", "folder", *numbers]]).reset_index(drop=True)
    last = max(len(there), 2)
    ends = pd.DataFrame({"place within": [1, last], "place across": [1, last]})
    look = {
        "scale": {"domain": [last + 1, 0], "nice": False},
        "axis": {"values": [1, *range(25, last + 1, 25)], "grid": True},
    }
    axes = {
        "x": number_of("place within", title="place within languages (mono)", **look),
        "y": number_of("place across", title="place across English (pivot)", **look),
    }
    formats = dict(zip(numbers, (".3f", ".3f", ".1~f", ".1~f", "+.1~f"), strict=True))
    tips = [name_of("model"), name_of("trust"), *(number_of(name, format=form) for name, form in formats.items())]
    levels = [level for level in TRUST_INKS if level in set(there["trust"])]
    scale = {"domain": levels, "range": [TRUST_INKS[level] for level in levels]}
    colour = name_of("trust", scale=scale, legend={"orient": "top", "title": None} if len(levels) > 1 else None)
    order = dict.fromkeys([*range(min(NAMED, len(there))), *reversed(range(len(there))[-NAMED:])])
    across, up = (1 - there[name].to_numpy(float) / (last + 1) for name in ("place within", "place across"))
    names, named = name_layers(there, list(order), across, up, axes, narrow, marked=range(len(there)))
    layers = [
        {**data("ends"), **mark("line", strokeDash=[4, 3], color=GREY, strokeWidth=1.5, clip=True), "encoding": axes},
        {
            **data("models"),
            **mark("point", filled=True, size=60, opacity=0.85),
            "encoding": {**axes, "tooltip": tips, "color": colour},
            "params": [ZOOM],
        },
        *names,
    ]
    tables = {"models": there, "ends": ends, "named": named}
    return Chart({"layer": layers, **EXACT}, tables)
