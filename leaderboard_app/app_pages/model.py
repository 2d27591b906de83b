"""One model on one task: what it is, how it scores, which languages it favours, where the numbers come from."""

from __future__ import annotations

import streamlit as st

from leaderboard_app import board
from leaderboard_app.access import evidence_of, result_of, result_path, scores_of
from leaderboard_app.charts import deviation_map, dots, heat_map, lines
from leaderboard_app.exports import plain
from leaderboard_app.model_tables import card_table, curve_table, mix_table, provenance_table, reading_table
from leaderboard_app.pools import rank_curve
from leaderboard_app.widgets import (
    SENTENCES,
    entries_on,
    fold_table,
    notices,
    open_board,
    pick_metric,
    pick_model,
    pick_task,
    score_metrics,
    show_chart,
    show_files,
    tell_divided,
    text_table,
)
from suite.errors import BadResult

index = open_board("Model", "One model on one task: scores, languages, provenance.")
left, middle, right = st.columns([2, 3, 2])
with left:
    task = pick_task(index)
entries = entries_on(index, task)
with middle:
    entry = pick_model(index, entries)
with right:
    metric = pick_metric(entry.headline)
notices(index)

scores = scores_of(index, [task], [metric, *board.BIAS])
scores = scores[scores["result"] == entry.id]
row = board.values(scores, metric).get(entry.id, {})
st.header(plain(entry.name), anchor=False)
score_metrics(row)
text_table(card_table(entry))
divided = tell_divided({entry.id: row})
name = f"{entry.folder} {task} {metric}"

grid = board.pairs(scores, metric, entry.languages)
if grid["candidate"].nunique() > 1 and not divided:
    st.subheader("Every pair of languages", anchor=False)
    show_chart(heat_map(grid), f"{name} pairs", f"{metric} × 100 of every query and candidate language.")
    st.caption(f"{plain(metric)} × 100, queries down, candidates across; the diagonal is mono.")
    fold_table(grid, f"{name} pairs")

st.subheader("Every query language", anchor=False)
by_language = board.language_scores(scores, metric, entry.languages)
long = board.long_form(by_language, ("mono", "cross", "multi"))
if long.empty:
    st.info("Nothing is stated of single languages.")
else:
    show_chart(dots(long, "language", "setting", metric), f"{name} languages", f"{metric} by query language.")
    fold_table(by_language, f"{name} languages")

if entry.trust == "published":
    st.info("These numbers are printed in a paper. There is no result file, and no evidence to look into.")
    st.stop()
try:
    result = result_of(index, entry)
    evidence = evidence_of(index, entry) if entry.evidence else None
except BadResult as error:
    st.warning(plain(str(error)))
    st.stop()

if evidence is not None and (evidence.sizes > 0).sum() > 1 and not divided:
    st.subheader("What the top 10 is made of", anchor=False)
    mix = mix_table(result, evidence.sizes.tolist())
    about = "Share of each language in the top 10 over its share of the pool."
    show_chart(deviation_map(mix, 0, 4, "log2 of the ratio"), f"{name} mix", about)
    st.caption(f"{about} 1 is language-blind; purple is too much, orange too little. Queries down, candidates across.")
    fold_table(mix[["query", "candidate", "share", "of the pool", "ratio"]], f"{name} mix")

if evidence is not None:
    st.subheader("Where the answers stand", anchor=False)
    curve = rank_curve(evidence)
    of = "the query's language" if divided else "all languages"
    about = f"Share of the relevant candidates at a rank or better, in the pool of {of}."
    show_chart(
        lines(curve, "rank", "share", "relevant", ("rank", "share at it or better"), True), f"{name} ranks", about
    )
    st.caption(about)

if result.curve:
    st.subheader("Fewer dimensions, fewer bits", anchor=False)
    points = curve_table(result)
    said = points[points["score"].isin(["mono", "cross", "multi", board.DISTANCE])]
    picked = st.segmented_control(
        "Score", list(dict.fromkeys(said["score"])), default=said["score"].iloc[0], required=True, key="score"
    )
    shown = said[said["score"] == picked]
    show_chart(lines(shown, "dimension", "value", "form", ("dimension", picked), True), f"{name} curve", "Curve.")
    st.caption("The same vectors, cut and rounded. This part of a result does not follow from the evidence.")
    fold_table(points, f"{name} curve")

reading = reading_table(result)
if not reading.empty:
    st.subheader("How it reads", anchor=False)
    fold_table(reading, f"{name} reading")
st.subheader("Provenance and files", anchor=False)
text_table(provenance_table(result))
show_files(result_path(index, entry))
with st.expander("What the numbers mean"):
    for term, sentence in SENTENCES.items():
        st.markdown(f"**{plain(term)}** {plain(sentence)}")
