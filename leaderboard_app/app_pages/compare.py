"""Two to four models: paired differences with their marks, down to the queries on which they disagree most."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from leaderboard_app import board
from leaderboard_app.charts import deviation_map, dots, histogram
from leaderboard_app.comparison import (
    language_table,
    pair_table,
    query_differences,
    question_histogram,
    setting_table,
)
from leaderboard_app.exports import plain
from leaderboard_app.notices import notices, told
from leaderboard_app.store import comparison_of, contributions_of, evidence_of, scores_of, texts_of
from leaderboard_app.widgets import (
    COLUMN,
    MOST_COMPARED,
    URL,
    entries_on,
    fold_table,
    open_board,
    pick_language,
    pick_metric,
    pick_task,
    query_links,
    show_chart,
    show_table,
    tell_divided,
)
from panglot.cli.view.comparison import sentence
from panglot.errors import BadResult

EVERY = "every"
MOST_QUERIES = 200

index = open_board("Compare", "Two to four models on the same questions, tested in pairs.")
left, right = st.columns(2)
with left:
    task = pick_task(index)
with right:
    entries = entries_on(index, task)
    metric = pick_metric(entries[0].headline)
with_evidence = {entry.folder: entry for entry in entries if entry.verified}
if len(with_evidence) < 2:
    notices(index)
    st.info("Two models whose evidence holds are needed on this task; there are not as many yet.")
    st.stop()
scores = scores_of(index, [task], [metric, *board.BIAS])
rows = board.values(scores, metric)
best = [entry.folder for entry in board.best_first(with_evidence.values(), rows)]
label = f"Models, at most {MOST_COMPARED}; the first is A"
options = sorted(with_evidence)
folders = st.multiselect(label, options, default=best[:2], max_selections=MOST_COMPARED, key="models", bind=URL)
notices(index)
if len(folders) < 2:
    st.info("Choose two models or more.")
    st.stop()
chosen = [with_evidence[folder] for folder in folders]
divided = tell_divided({entry.id: rows.get(entry.id, {}) for entry in chosen})
name = f"panglot {task} {metric}"

st.subheader("Scores", anchor=False)
long = board.model_scores(chosen, rows, board.SETTINGS)
show_chart(dots(long, "setting", "model", metric), f"{name} scores", "Scores with 95 % intervals.")
fold_table(long, f"{name} scores")

one = chosen[0]
others = {entry.folder: entry for entry in chosen[1:]}
against = next(iter(others))
if len(others) > 1:
    against = st.segmented_control("Against A", list(others), default=against, required=True, key="against", bind=URL)
other = others[against]
st.header(plain(f"A {one.folder}  ·  B {other.folder}"), anchor=False)
evidence, added = [], []
for entry in (one, other):
    with told(entry):
        added.append(contributions_of(index, entry, metric))
        evidence.append(evidence_of(index, entry))
if len(evidence) < 2:
    st.stop()
try:
    comparison = comparison_of(index, one, other, metric)
except BadResult as error:
    st.warning(plain(str(error)))
    st.stop()
st.markdown(f"**{plain(sentence(comparison))}**")
number = COLUMN.NumberColumn(format="%.4f")
numbers = dict.fromkeys(("A", "B", "difference", "low", "high", "p (Holm)", "smallest detectable"), number)
show_table(setting_table(comparison).dropna(subset=["A"]), f"{name} settings", numbers)
st.caption(
    "difference: B − A with its 95 % bootstrap interval. found: at 5 % by a paired permutation test over clusters of "
    f"questions ({comparison.clusters:,}), Holm-corrected over the table. smallest detectable: what one such test "
    "finds in 80 % of samples."
)

if not divided:
    st.subheader("Every pair of languages", anchor=False)
    pairs = pair_table(comparison)
    largest = float(pairs["value"].abs().max())
    chart = deviation_map(pairs, 0, largest or 1.0, "B − A, × 100")
    show_chart(chart, f"{name} pairs", "Difference of every pair of languages.")
    st.caption("B − A × 100; purple: B is better, orange: A is better. A star marks a difference that was found.")
    fold_table(pairs.drop(columns=["value", "shown", "note"]), f"{name} pairs", numbers)

st.subheader("Every query language", anchor=False)
languages = language_table(comparison)
spread = languages.rename(columns={"difference": "value"})[["language", "setting", "value", "low", "high"]].dropna()
show_chart(dots(spread, "language", "setting", "B − A", 0.0), f"{name} languages", "Differences by query language.")
fold_table(languages.dropna(subset=["difference"]), f"{name} languages", numbers)

st.subheader("Where they disagree most", anchor=False)
with st.container(horizontal=True):
    settings = ["mono"] if divided else list(comparison.language_settings)
    setting = st.segmented_control("Setting", settings, default=settings[-1], required=True, key="setting", bind=URL)
    language = pick_language("Query language", [EVERY, *comparison.query_languages], width=200)
spread_of_questions = histogram(question_histogram(added[0], added[1], setting), f"B − A in {setting}")
show_chart(spread_of_questions, f"{name} questions", f"How the difference in {setting} is spread over questions.")
differing = query_differences(evidence[0], evidence[1], metric, setting, None if language == EVERY else language)
texts = texts_of(one.task, one.languages).queries
shown = differing.head(MOST_QUERIES)
if texts:
    shown = shown.assign(text=pd.Series([texts.get(id_, "") for id_ in shown["query"]], dtype=object))
picked = show_table(shown, f"{name} queries", numbers | {"B − A": number}, key="rows")
st.caption(
    f"The {len(shown):,} of {len(differing):,} queries with the largest differences. Select one to look into it."
)
if picked:
    query = shown.iloc[picked[0]]
    query_links(task, [one, other], str(query["language"]), str(query["query"]))
