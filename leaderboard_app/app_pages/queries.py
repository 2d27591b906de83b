"""The queries of one language: which ones a model fails, the ranks of the answers, and what is ranked above them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from leaderboard_app import address
from leaderboard_app.entries import Entry
from leaderboard_app.index import Index
from leaderboard_app.notices import failures_shown, notices
from leaderboard_app.overview_table import why_no_evidence
from leaderboard_app.pickers import entries_on, open_board, pick_language, pick_model, pick_task
from leaderboard_app.recompute import best_candidates, query_table, relevants_of
from leaderboard_app.store import evidence_of, texts_of
from leaderboard_app.texts import cell, texts_table
from leaderboard_app.widgets import COLUMN, number_columns, show_table
from panglot.results.result_record import DIVIDED

ORDERS = {
    "largest rank distance": ("rank distance", False),
    "smallest rank distance": ("rank distance", True),
    "lowest average precision": ("average precision", True),
    "highest average precision": ("average precision", False),
}


def show_queries(index: Index, task: str, entry: Entry) -> None:
    """The queries of one language in a table, and one of them with its relevant candidates."""
    evidence = evidence_of(index, entry)
    if evidence.divided:
        st.info(DIVIDED)
    asking = [name for place, name in enumerate(evidence.languages) if (evidence.query_language == place).any()]
    left, middle, right = st.columns(3)
    with left:
        language = pick_language("Query language", asking)
    table = query_table(evidence, language)
    orders = [name for name, (column, _) in ORDERS.items() if table[column].any()]
    with middle:
        orders = orders or list(ORDERS)
        order = address.select("Order", orders, "order", orders[0])
    column, rising = ORDERS[order]
    table = table.sort_values(column, ascending=rising, kind="stable", ignore_index=True)
    texts = texts_of(entry.task, entry.languages)
    if texts.queries:
        table["text"] = pd.Series([texts.queries.get(id_) or "image" for id_ in table["query"]], dtype=object)
    with right:
        query = address.select("Query", list(table["query"]), "id", table["query"][0])
    config = {
        **number_columns(["average precision"]),
        "text": COLUMN.TextColumn(width=480),
        "query": COLUMN.TextColumn(width=150),
    }
    names = ["query", *(["text"] if "text" in table else []), *table.columns.drop(["query", "text"], errors="ignore")]
    show_table(table, f"{entry.folder} {task} {language} queries", "id", config, names, ids="query", mode="single-row")

    st.subheader("The query", anchor=False)
    asked = cell(texts.queries, texts.images, query)
    st.html(texts_table(["id", "language", "query"], [[query, language, asked]], [False], 2))
    if not texts.queries:
        st.info("The task's data is not on this machine, so ids are shown instead of texts.")
    for heading, listed, marked in (
        (
            "Relevant candidates" if evidence.divided else "Relevant candidates in all languages",
            relevants_of(evidence, query),
            False,
        ),
        ("The model's top 10", best_candidates(evidence, query), True),
    ):
        st.subheader(heading, anchor=False)
        rows = [
            [str(item.rank), item.language, cell(texts.candidates, texts.images, item.candidate)] for item in listed
        ]
        answers = [marked and item.relevant for item in listed]
        st.html(texts_table(["rank", "language", "text"], rows, answers, 2))
    st.caption(
        "Relevant candidates in the top 10 are in bold. Ranks are those in the pool of "
        f"{'its language' if evidence.divided else 'all languages'}; ties count against the model."
    )


def main() -> None:
    """The page."""
    about = "Single queries, the ranks of their relevant candidates, and what is ranked above them."
    index = open_board("Queries", about)
    left, middle = st.columns(2)
    with left:
        task = pick_task(index)
    entries = entries_on(index, task)
    verified = [entry for entry in entries if entry.verified]
    if not verified:
        notices(index, task)
        st.info("No model on this task has verified evidence.")
        return
    with middle:
        entry = pick_model(index, verified, {other.folder: why_no_evidence(other) for other in entries})
    notices(index, task)
    with failures_shown(entry):
        show_queries(index, task, entry)


main()
