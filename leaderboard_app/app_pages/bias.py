"""All bias measures of all models beside what a language-blind ranker gets; and which languages win and lose."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from leaderboard_app import board
from leaderboard_app.charts import bars, deviation_map, dots
from leaderboard_app.exports import plain
from leaderboard_app.model_tables import bias_table, rank_table, standing_of_languages
from leaderboard_app.notices import notices, told
from leaderboard_app.store import result_of, scores_of
from leaderboard_app.widgets import (
    COLUMN,
    SENTENCES,
    URL,
    entries_on,
    fold_table,
    open_board,
    pick_model,
    pick_task,
    show_chart,
    show_table,
    text_table,
)
from panglot.score.summary import BIAS_NAMES

MOST_DRAWN = 40

index = open_board("Bias", "Which languages a model pushes up or down in the pool of all languages.")
task = pick_task(index)
entries = entries_on(index, task)
notices(index)
scores = scores_of(index, [task], BIAS_NAMES, overall=True)
rows = board.bias_values(scores)
named = [name for name in BIAS_NAMES if any(name in row for row in rows.values())]
if not named:
    st.info("No model on this task has a measure of bias: they need parallel candidates in several languages.")
    st.stop()
blind: dict[str, float] = {}
measured = [entry for entry in entries if entry.verified and entry.id in rows]
for entry in measured[:1]:
    with told(entry):
        blind = result_of(index, entry).blind

first = named.index(board.DISTANCE) if board.DISTANCE in named else 0
measure = st.selectbox("Measure", named, index=first, key="measure", bind=URL)
st.markdown(plain(SENTENCES[measure]))
there = [entry for entry in entries if measure in rows.get(entry.id, {})]
there.sort(key=lambda entry: rows[entry.id][measure].value)
drawn = board.model_scores(there[:MOST_DRAWN], rows, [measure])
show_chart(
    dots(drawn, "model", "setting", measure, blind.get(measure)),
    f"panglot {task} {measure}",
    f"{measure} of all models",
)
said = f"The dashed line is what a language-blind ranker gets: {blind[measure]:,.3f}." if measure in blind else ""
st.caption(f"{said} {f'The first {MOST_DRAWN} of {len(there):,} models.' if len(there) > MOST_DRAWN else ''}")

st.subheader("All measures", anchor=False)
config = {name: COLUMN.NumberColumn(name.replace("_", " "), format="%.3f", help=SENTENCES[name]) for name in named}
config["model"] = COLUMN.TextColumn(pinned=True, width=190)
show_table(
    bias_table([*there, *(entry for entry in entries if measure not in rows.get(entry.id, {}))], rows, blind, named),
    f"panglot {task} bias",
    config,
)
with st.expander("What each measure means", icon=":material/menu_book:"):
    text_table(pd.DataFrame([(name, SENTENCES[name]) for name in named], columns=["measure", "meaning"]))

st.subheader("Winners and losers", anchor=False)
if not measured:
    st.info("No model on this task has evidence that holds.")
    st.stop()
entry = pick_model(index, measured)
with told(entry):
    result = result_of(index, entry)
    standing = standing_of_languages(result)
    name = f"{entry.folder} {task}"
    chart = bars(standing, "language", "pushed", "places above the middle")
    show_chart(chart, f"{name} winners", "Languages pushed up or down.")
    st.caption(
        "Among the parallel answers to one question, how many places above their middle a language's answer stands, "
        "mean over the query languages. A language-blind model gives 0 to all."
    )
    ranks = rank_table(result)
    show_chart(
        deviation_map(ranks, 0, float(ranks["value"].abs().max()) or 1.0, "places above the middle"),
        f"{name} ranks",
        "Places above the middle by query and candidate language.",
    )
    st.caption(
        "The same for each query language: queries down, candidates across; purple stands too high, orange too low."
    )
    fold_table(ranks.drop(columns=["shown"]), f"{name} ranks")
