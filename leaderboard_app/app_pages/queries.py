"""The queries of one language: which ones a model fails, where the answers stand, and what stands above them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from leaderboard_app.entries import Entry
from leaderboard_app.index import Index
from leaderboard_app.notices import notices, told
from leaderboard_app.recompute import best_of, query_table, relevants_of
from leaderboard_app.store import evidence_of, texts_of
from leaderboard_app.texts import cell, texts_table
from leaderboard_app.widgets import (
    COLUMN,
    URL,
    entries_on,
    open_board,
    pick_language,
    pick_model,
    pick_task,
    show_table,
)
from panglot.results.result_record import DIVIDED

ORDERS = {
    "largest rank distance": ("rank distance", False),
    "smallest rank distance": ("rank distance", True),
    "lowest average precision": ("average precision", True),
    "highest average precision": ("average precision", False),
}


def show_queries(index: Index, task: str, entry: Entry) -> None:
    """The queries of one language in a table, and one of them with its answers."""
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
        order = st.selectbox("Order", orders or list(ORDERS), key="order", bind=URL)
    column, rising = ORDERS[order]
    table = table.sort_values(column, ascending=rising, kind="stable", ignore_index=True)
    texts = texts_of(entry.task, entry.languages)
    if texts.queries:
        table["text"] = pd.Series([texts.queries.get(id_) or "image" for id_ in table["query"]], dtype=object)

    def open_selected() -> None:
        """Open the query that was selected in the table."""
        selected = st.session_state["rows"]["selection"]["rows"]
        if selected:
            st.session_state["id"] = table["query"].iloc[selected[0]]

    with right:
        query = st.selectbox("Query", list(table["query"]), key="id", bind=URL)
    config = {
        "average precision": COLUMN.NumberColumn(format="%.3f", width=110),
        "text": COLUMN.TextColumn(width=480),
        "query": COLUMN.TextColumn(width=150),
    }
    names = ["query", *(["text"] if "text" in table else []), *table.columns.drop(["query", "text"], errors="ignore")]
    show_table(table, f"{entry.folder} {task} {language} queries", config, names, key="rows", on_select=open_selected)

    st.subheader("The query", anchor=False)
    asked = cell(texts.queries, texts.images, query)
    st.html(texts_table(["id", "language", "query"], [[query, language, asked]], [False], 2))
    if not texts.queries:
        st.info("Texts are shown where the task's data is on this machine; ids stand here instead.")
    for heading, listed, marked in (
        ("Its answers" if evidence.divided else "Its answers in all languages", relevants_of(evidence, query), False),
        ("The model's top 10", best_of(evidence, query), True),
    ):
        st.subheader(heading, anchor=False)
        rows = [
            [str(item.rank), item.language, cell(texts.candidates, texts.images, item.candidate)] for item in listed
        ]
        answers = [marked and item.relevant for item in listed]
        st.html(texts_table(["rank", "language", "text"], rows, answers, 2))
    st.caption(
        "Answers in the top 10 are set in bold. Ranks are those in the "
        f"pool of {'its language' if evidence.divided else 'all languages'}; ties count against it."
    )


index = open_board("Queries", "Single queries, where their answers stand, and what stands above them.")
left, middle = st.columns(2)
with left:
    task = pick_task(index)
entries = [entry for entry in entries_on(index, task) if entry.verified]
if not entries:
    notices(index)
    st.info("No model on this task has evidence that was found to hold.")
    st.stop()
with middle:
    entry = pick_model(index, entries)
notices(index)
with told(entry):
    show_queries(index, task, entry)
