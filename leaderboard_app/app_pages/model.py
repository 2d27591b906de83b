"""One model on one task: what it is, how it scores, which languages it favours, where the numbers come from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from leaderboard_app.charts.charts import dots, lines
from leaderboard_app.charts.exports import literal
from leaderboard_app.charts.grids import deviation_map, heat_map
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.front_store import front_here
from leaderboard_app.store.store import evidence_of, result_of, result_path, scores_of, standings_of
from leaderboard_app.tables import board
from leaderboard_app.tables.columns import SENTENCES, headed
from leaderboard_app.tables.front import Task, place_html, tasks_html, usual_setting
from leaderboard_app.tables.links import model_link
from leaderboard_app.tables.model_tables import card_table, curve_table, mix_table, provenance_table, reading_table
from leaderboard_app.tables.recompute import rank_curve
from leaderboard_app.widgets import address
from leaderboard_app.widgets.notices import failures_shown, notices
from leaderboard_app.widgets.pickers import entries_on, open_board, pick_metric, pick_model, pick_task, tell_divided
from leaderboard_app.widgets.widgets import (
    fold_table,
    number_columns,
    score_metrics,
    show_chart,
    show_files,
    text_table,
)
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence

ENDS = ("value", "low", "high")


def show_place(index: Index, entry: Entry) -> None:
    """Where the model stands on this task, who is next to it, and what it scores on its other tasks."""
    if entry.ranked:
        same = entries_on(index, entry.task)
        row = board.values(scores_of(index, [entry.task], [entry.headline], True, [entry]), entry.headline)
        setting = usual_setting(row.values())
        ranked = standings_of(index, same, entry.headline, setting).models
        st.html(place_html(entry.id, setting, ranked, {each.id: each for each in same}))
    if entry.link.startswith("https://"):
        st.link_button(f"Open {literal(entry.link)}", entry.link, icon=":material/open_in_new:", type="tertiary")
    front = front_here(index, [each for each in index.entries if each.folder == entry.folder])
    if len(front.tasks) > 1:
        with st.expander(f"Its {len(front.tasks)} tasks", icon=":material/list:"):
            links = {
                task.name: Task(task.name, task.about, model_link(task.name, entry.folder)) for task in front.tasks
            }
            st.html(tasks_html(front.lines[0], list(links.values())))


def show_scores(entry: Entry, scores: pd.DataFrame, metric: str, name: str) -> None:
    """What the index holds: headline scores, language pairs, query languages."""
    row = board.values(scores, metric).get(entry.id, {})
    score_metrics(row)
    text_table(card_table(entry))
    divided = tell_divided({entry.id: row})
    grid = board.pairs(scores, metric, entry.languages)
    if grid.loc[grid["query"] != grid["candidate"], "value"].notna().any() and not divided:
        st.subheader("Every pair of languages", anchor=False)
        show_chart(heat_map(grid), f"{name} pairs", f"{metric} × 100 of every query and candidate language.")
        st.caption(f"{literal(metric)} × 100. Rows: query language; columns: candidate language; the diagonal is mono.")
        fold_table(grid, f"{name} pairs", "pairs", number_columns(ENDS))
    st.subheader("Every query language", anchor=False)
    by_language = board.language_scores(scores, metric, entry.languages)
    long = board.long_form(by_language, ("mono", "cross", "multi"))
    if long.empty:
        st.info("There are no scores of single languages.")
        return
    show_chart(
        dots(long, "language", "setting", headed("score", metric)), f"{name} languages", f"{metric} by query language."
    )
    fold_table(by_language, f"{name} languages", "languages", number_columns(list(by_language)[1:]))


def show_evidence(result: ResultRecord, evidence: Evidence, name: str) -> None:
    """What follows from the evidence alone: the languages of the top 10, and the ranks of the answers."""
    if (evidence.sizes > 0).sum() > 1 and not evidence.divided:
        st.subheader("Languages in the top 10", anchor=False)
        mix = mix_table(result, evidence.sizes.tolist())
        about = "Share of each language in the top 10 over its share of the pool."
        show_chart(deviation_map(mix, 0, 4, "log2 of the ratio"), f"{name} mix", about)
        st.caption(
            f"{about} A language-blind model gets 1 everywhere; purple is above, orange below. Rows: query language; "
            "columns: candidate language."
        )
        shares = ["share", "of the pool", "ratio"]
        fold_table(mix[["query", "candidate", *shares]], f"{name} mix", "mix", number_columns(shares))
    st.subheader("Ranks of the answers", anchor=False)
    curve = rank_curve(evidence)
    of = "the query's language" if evidence.divided else "all languages"
    about = f"Share of the relevant candidates at this rank or better, in the pool of {of}."
    titles = ("rank", "share at this rank or better")
    show_chart(lines(curve, "rank", "share", "relevant", titles, True), f"{name} ranks", about)
    st.caption(about)


def show_curve(result: ResultRecord, name: str) -> None:
    """Scores of the same vectors with fewer dimensions or bits."""
    points = curve_table(result)
    said = points[points["score"].isin(["mono", "cross", "multi", board.DISTANCE])]
    if said.empty:
        return
    st.subheader("Fewer dimensions, fewer bits", anchor=False)
    names = list(dict.fromkeys(said["score"]))
    picked = address.segments("Score", names, "score", names[0])
    shown = said[said["score"] == picked]
    about = f"{picked} by dimension."
    show_chart(lines(shown, "dimension", "value", "form", ("dimension", picked), True), f"{name} curve", about)
    st.caption("The same vectors, truncated and quantised. This part of a result cannot be verified from the evidence.")
    fold_table(points, f"{name} curve", "curve", number_columns(["value"]))


def show_origin(path: Path, result: ResultRecord, name: str) -> None:
    """How the model tokenizes, where the numbers come from, and the files."""
    reading = reading_table(result)
    if not reading.empty:
        st.subheader("Tokenization", anchor=False)
        fold_table(reading, f"{name} tokenization", "tokenization", number_columns(list(reading)[1:]))
    st.subheader("Provenance and files", anchor=False)
    text_table(provenance_table(result))
    show_files(path)


def show_files_of(index: Index, entry: Entry, name: str) -> None:
    """What the files of a result hold beyond the index."""
    result = result_of(index, entry)
    if entry.verified:
        with failures_shown(entry):
            show_evidence(result, evidence_of(index, entry), name)
    elif entry.evidence:
        st.info("The evidence is being verified. What can be computed from it will be shown afterwards.")
    with failures_shown(entry):
        show_curve(result, name)
    show_origin(result_path(index, entry), result, name)


def main() -> None:
    """The page."""
    index = open_board("Model", "One model on one task: scores, languages, provenance.")
    left, middle, right = st.columns([2, 3, 2])
    with left:
        task = pick_task(index)
    with middle:
        entry = pick_model(index, entries_on(index, task))
    with right:
        metric = pick_metric(entry.headline)
    notices(index, task)
    name = f"{entry.folder} {task} {metric}"
    scores = scores_of(index, [task], [metric, *board.BIAS], entries=[entry])

    st.header(literal(entry.shown), anchor=False)
    show_place(index, entry)
    with failures_shown(entry):
        show_scores(entry, scores, metric, name)
    if entry.source:
        st.info("These numbers were reported elsewhere. There is no result file and no evidence to look into.")
    else:
        with failures_shown(entry):
            show_files_of(index, entry, name)
    with st.expander("What the numbers mean", icon=":material/menu_book:"):
        for term, sentence in SENTENCES.items():
            st.markdown(f"**{literal(term)}** {literal(sentence)}")


main()
