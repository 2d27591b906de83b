"""Charts of the field; nothing here knows Streamlit."""

from __future__ import annotations

import altair as alt
import pandas as pd

from leaderboard_app.charts import GREY, TRUST_INKS, apart
from leaderboard_app.exports import harmless

NAMED = 4
"""Models at either end that the chart names; the others by pointing."""


def islands_and_bridges(table: pd.DataFrame) -> alt.LayerChart:
    """The place of each model within languages and across English; on the line both are the same."""
    there = harmless(table.dropna(subset=["bridge"]).sort_values("bridge", kind="stable"))
    last = max(len(there), 2)
    ends = pd.DataFrame({"place within": [1, last], "place across": [1, last]})
    scale = alt.Scale(domain=[last + 1, 0], nice=False)
    axis = alt.Axis(values=[1, *range(25, last + 1, 25)], grid=True)
    encoded = {
        "x": alt.X("place within:Q", title="place within languages (mono)", scale=scale, axis=axis),
        "y": alt.Y("place across:Q", title="place across English (pivot)", scale=scale, axis=axis),
    }
    tips = [
        alt.Tooltip("model:N"),
        alt.Tooltip("trust:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("mono", "English pivot")),
        *(alt.Tooltip(f"{name}:Q", format=".1~f") for name in ("place within", "place across")),
        alt.Tooltip("bridge:Q", format="+.1~f"),
    ]
    levels = [level for level in TRUST_INKS if level in set(there["trust"])]
    scale_of_trust = alt.Scale(domain=levels, range=[TRUST_INKS[level] for level in levels])
    legend = alt.Legend(orient="top", title=None) if len(levels) > 1 else None
    named = pd.concat([there.head(NAMED), there.tail(NAMED)]).drop_duplicates("folder")
    named = named[apart(named, "place within", "place across")]
    left = named["place within"] > last / 2
    line = alt.Chart(ends).mark_line(strokeDash=[4, 3], color=GREY, strokeWidth=1.5)
    points = alt.Chart(there).mark_point(filled=True, size=60, opacity=0.85)
    text = {"fontSize": 11, "limit": 260, "dy": 12}
    return alt.layer(
        line.encode(**encoded),
        points.encode(**encoded, tooltip=tips, color=alt.Color("trust:N", scale=scale_of_trust, legend=legend)),
        *(
            alt.Chart(rows).mark_text(align=align, **text).encode(**encoded, text="model:N").properties(name=name)
            for name, align, rows in (("bridges", "left", named[left]), ("islands", "right", named[~left]))
        ),
    ).properties(height=440)
