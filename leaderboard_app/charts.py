"""From tables to charts; nothing here knows Streamlit."""

from __future__ import annotations

import altair as alt
import pandas as pd


def quality_against_bias(table: pd.DataFrame) -> alt.LayerChart:
    """Each model by its score in the pool of all languages and the bias it has there; down and right is better."""
    base = alt.Chart(table).encode(
        x=alt.X("multi:Q", title="quality: multi", scale=alt.Scale(padding=40)),
        y=alt.Y("normalised_rank_distance:Q", title="normalised rank distance", scale=alt.Scale(padding=30)),
        tooltip=["model", "balance", "mono", "cross", "multi", "normalised_rank_distance"],
    )
    points = base.mark_circle(size=140, opacity=0.85, color="#21918c")
    names = base.mark_text(dy=-14, limit=160).encode(text="model:N")
    return (points + names).properties(height=340)


def heat_map(table: pd.DataFrame) -> alt.LayerChart:
    """The language × language grid, query languages down."""
    order = list(dict.fromkeys(table["query"]))
    base = alt.Chart(table).encode(
        x=alt.X("candidate:N", sort=order, title="candidate language", axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("query:N", sort=order, title="query language"),
    )
    cells = base.mark_rect().encode(color=alt.Color("score:Q", scale=alt.Scale(scheme="viridis"), title=None))
    middle = float(table["score"].min() + 0.6 * (table["score"].max() - table["score"].min()))
    ink = alt.condition(alt.datum.score > middle, alt.value("black"), alt.value("white"))
    return (cells + base.mark_text(fontSize=11).encode(text=alt.Text("score:Q", format=".2f"), color=ink)).properties(
        height=36 * len(order)
    )
