"""All models on one task: a table, quality against bias, and the language pairs of one of them."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from leaderboard_app.board import overview, pairs, read_results, trust_levels
from leaderboard_app.charts import heat_map, quality_against_bias
from tasks import ALL

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "submissions")
st.title("Panglot")
st.caption("How encoders retrieve within, across and over all languages, and which of them they favour.")

results, refused = read_results(folder)
for message in refused:
    st.warning(message)
if not results:
    st.info(f"There are no results in {folder}. Make some with: panglot run use-multilingual --tasks xquad-r")
    st.stop()

known = sorted({result.task.name for result in results.values()})
asked = st.query_params.get("task", known[-1])
task = st.selectbox("Task", known, index=known.index(asked) if asked in known else len(known) - 1)
st.query_params["task"] = task

note = next((known_task.note for known_task in ALL if known_task.name == task), "")
if note:
    st.info(note)


@st.cache_data(show_spinner="Recomputing every score from its evidence …")
def checked(paths: tuple[str, ...], stamps: tuple[float, ...]) -> dict[str, str]:
    """Trust levels by path; computed again when a file changes."""
    return {str(path): level for path, level in trust_levels([Path(path) for path in paths]).items()}


chosen = {path: result for path, result in results.items() if result.task.name == task}
levels = checked(tuple(map(str, chosen)), tuple(path.stat().st_mtime for path in chosen))
table = overview(chosen, {path: levels[str(path)] for path in chosen}, task)
st.dataframe(
    table,
    hide_index=True,
    column_config={
        name: st.column_config.NumberColumn(name.replace("_", " "), format="%.3f")
        for name in table.select_dtypes("float").columns
    },
)
st.caption(
    "balance: harmonic mean of mono, cross and multi. normalised rank distance: 0 perfect, 1 random. same language "
    "ratio@10: 1 for a language-blind ranker. trust: recomputed means that every score follows from its evidence."
)

st.subheader("Quality against bias")
st.altair_chart(quality_against_bias(table.dropna(subset=["normalised_rank_distance"])))

st.subheader("Every pair of languages")
names = {f"{result.model.name}@{result.model.revision}": result for result in chosen.values()}
model = st.selectbox("Model", table["model"])
st.altair_chart(heat_map(pairs(names[model])))
