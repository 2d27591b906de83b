"""All models on one task: a table, quality against bias, quality against size."""

from __future__ import annotations

import streamlit as st

from leaderboard_app import board
from leaderboard_app.charts import scatter
from leaderboard_app.definitions import TRUST
from leaderboard_app.entries import ALL
from leaderboard_app.evidence_store import NOBODY
from leaderboard_app.notices import notices, tell_ranked
from leaderboard_app.store import image_text_of, recomputed, scores_of, standings_of
from leaderboard_app.widgets import (
    URL,
    entries_on,
    model_links,
    open_board,
    overview_columns,
    pick_language,
    pick_metric,
    pick_pool,
    pick_task,
    show_chart,
    show_table,
    tell_divided,
)

EVERY = "every"
SIZES = {"any": None, "50 M": 5e7, "150 M": 1.5e8, "600 M": 6e8, "2 B": 2e9, "10 B": 1e10}
AGAINST = {
    "parameters": ("parameters", True),
    "texts per second": ("texts per second", False),
    "dimension": ("dimension", True),
}

index = open_board("Leaderboard", "Retrieval within, across and over all languages, and which of them a model favours.")
left, middle, right = st.columns([3, 2, 3])
with left:
    task = pick_task(index)
entries = entries_on(index, task)
headline = entries[0].headline
languages = max((entry.languages for entry in entries), key=len)
with middle:
    metric = pick_metric(headline)
with right:
    searched = st.text_input("Search", key="search", bind=URL, placeholder="model or organisation", max_chars=80)

overall = board.values(scores_of(index, [task], [metric, *board.BIAS], overall=True), metric)
settings = [name for name in board.SETTINGS if any(name in row for row in overall.values())] or board.SETTINGS
with st.expander("Filters, languages, columns", icon=":material/tune:"):
    one, two, three = st.columns(3)
    with one:
        query = pick_language("Query language", [EVERY, *languages])
        candidate = pick_language("Candidate language", [EVERY, *languages], "candidate")
        ranked_by = st.selectbox("Rank by", settings, key="by", bind=URL)
    with two:
        levels = [level for level in reversed(TRUST) if level in {entry.trust for entry in entries}]
        trusts = st.multiselect("Trust", levels, key="trust", bind=URL)
        seen = st.multiselect("Task's data", list(board.SEEN.values()), key="data", bind=URL)
        weights = st.multiselect("Weights", ["open", "closed", "unknown"], key="weights", bind=URL)
    with three:
        size = st.selectbox("Parameters, at most", list(SIZES), key="size", bind=URL)
        modalities = st.multiselect("Modality", ["text", "image"], key="modality", bind=URL)
        intervals = st.toggle("Show 95 % intervals", key="intervals", bind=URL)
    pool = pick_pool(languages)
notices(index)
divided = tell_divided(overall)

view = board.View(*(ALL if name == EVERY else name for name in (query, candidate)))
whole = pool == tuple(languages)
if whole and not any(view):
    rows = overall
elif whole:
    rows = board.values(scores_of(index, [task], [metric, *board.BIAS]), metric, view)
else:
    rows = recomputed(index, entries, metric, pool)
    st.info(f"Computed again from the evidence, in the pool of {', '.join(pool)}. Without evidence there is no score.")
ranked = NOBODY
if not (whole and any(view)):
    ranked = standings_of(index, entries, metric, ranked_by, None if whole else pool)
tell_ranked(ranked, entries)
table = board.overview(entries, rows, ranked.models, image_text_of(index), ranked_by)

kept = table[[*board.SETTINGS, *board.BIAS]].notna().any(axis=1)
for column, chosen in (("trust", trusts), ("data", seen), ("weights", weights)):
    if chosen:
        kept &= table[column].isin(chosen)
for modality in modalities:
    kept &= table["modalities"].str.contains(modality, regex=False)
if SIZES[size] is not None:
    kept &= table["parameters"].fillna(1e18) <= SIZES[size]
if searched:
    names = table["model"] + " " + table["organisation"] + " " + table["folder"]
    kept &= names.str.contains(searched, case=False, regex=False)
table = table[kept].reset_index(drop=True)

if table.empty:
    st.info("No model is left. Loosen a filter, or clear the search.")
    st.stop()
order, config = overview_columns(table, intervals)
chosen = show_table(table, f"panglot {task} {metric}", config, order, key="rows", mode="multi-row")
model_links(task, [table["folder"][place] for place in chosen])
st.caption(
    "Ranks and their 95 % intervals are over all models whose evidence holds, whatever is filtered. Models that share "
    "a letter cannot be told apart (paired permutation tests, Holm-corrected). Select rows to open or compare."
)

if not divided:
    st.subheader("Quality against bias")
both = table[["multi", board.DISTANCE]].dropna()
if both.empty and not divided:
    st.info("No model here has both a score in the pool of all languages and a rank distance.")
if not both.empty:
    show_chart(
        scatter(table, "multi", board.DISTANCE, (f"{metric}, multi", "normalised rank distance"), y_falls=True),
        f"panglot {task} quality and bias",
        "Score in the pool of all languages against normalised rank distance; right and down is better.",
    )
    st.caption("Right and down is better. The dashed line joins the models that no other beats in both.")

st.subheader("Quality against cost")
against = st.segmented_control("Against", list(AGAINST), default="parameters", required=True, key="against", bind=URL)
column, falls = AGAINST[against]
costly = table.dropna(subset=[column, ranked_by])
if costly.empty:
    st.info(f"No model here states its {column}.")
else:
    show_chart(
        scatter(
            costly.astype({column: float}),
            column,
            ranked_by,
            (against, f"{metric}, {ranked_by}"),
            log_x=True,
            x_falls=falls,
        ),
        f"panglot {task} quality and {against}",
        f"{ranked_by} against {against}.",
    )
