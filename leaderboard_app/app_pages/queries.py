"""The queries of one language: which ones a model fails, the ranks of the answers, and what is ranked above them."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.store import evidence_of, texts_of
from leaderboard_app.tables.recompute import best_candidates, query_table, relevants_of
from leaderboard_app.tables.texts import Texts, cell, texts_table
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import failures_shown, notices
from leaderboard_app.widgets.overview_table import why_no_evidence
from leaderboard_app.widgets.pickers import entries_on, open_board, pick_language, pick_model, pick_task
from leaderboard_app.widgets.widgets import COLUMN, number_columns, show_table
from panglot.languages import language_label
from panglot.results.result_record import DIVIDED
from panglot.retrieve.evidence import Evidence

LONGEST = 90
"""Letters of a query by which it is picked."""
IN_VIEW = 8
"""Queries of the table that are in view at once, so that the one that is looked at is not far below."""
ORDERS = {
    "largest rank distance": ("rank distance", False),
    "smallest rank distance": ("rank distance", True),
    "lowest average precision": ("average precision", True),
    "highest average precision": ("average precision", False),
}


def found_in(table: pd.DataFrame, texts: Texts, searched: str) -> pd.DataFrame:
    """The queries whose text or id holds what a reader searches for."""
    wanted = searched.casefold()
    there = [wanted in f"{texts.of_query(id_)} {id_}".casefold() for id_ in table["query"]]
    return table[there].reset_index(drop=True) if searched else table


def pick_query(task: str, entry: Entry, evidence: Evidence, texts: Texts) -> str:
    """The queries of one language in a table, and which of them is looked at; empty where none is found."""
    asking = [name for place, name in enumerate(evidence.languages) if (evidence.query_language == place).any()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        language = pick_language("Query language", asking, width=125 if on_phone() else 220)
        table = query_table(evidence, language)
        orders = [name for name, (column, _) in ORDERS.items() if table[column].any()] or list(ORDERS)
        order = address.select("Order", orders, "order", orders[0], width=217 if on_phone() else 260)
        searched = address.text("Search", "search", 80, placeholder="words of a query, or its id")
    column, rising = ORDERS[order]
    table = table.sort_values(column, ascending=rising, kind="stable", ignore_index=True)
    table = found_in(table, texts, searched)
    if table.empty:
        st.info("No query matches. Clear the search.")
        return ""
    said = {id_: f"{texts.of_query(id_)[:LONGEST]} · {id_}" if texts.queries else id_ for id_ in table["query"]}
    query = address.select("Query", list(said), "id", table["query"][0], format_func=said.__getitem__)
    if texts.queries:
        table["text"] = pd.Series([texts.of_query(id_) for id_ in table["query"]], dtype=object)
    config = {
        **number_columns(["average precision"]),
        **{name: COLUMN.NumberColumn(format="localized") for name in ("best rank", "worst rank", "rank distance")},
        "text": COLUMN.TextColumn(width=170 if on_phone() else 480),
        "query": COLUMN.TextColumn("id", width=150),
    }
    numbers = list(table.columns.drop(["query", "text"], errors="ignore"))
    names = ["text", *numbers, "query"] if "text" in table else ["query", *numbers]
    name = f"{entry.folder} {task} {language} queries"
    show_table(table, name, "id", config, names, ids="query", mode="single-row", rows=IN_VIEW)
    return query


def show_query(evidence: Evidence, texts: Texts, query: str) -> None:
    """One query, its relevant candidates, and the model's best candidates."""

    def inside(id_: str, said: dict[str, str]) -> str:
        return cell(said, texts.images, id_, texts.labels.get(id_, ""))

    language = evidence.languages[evidence.query_language[evidence.query_ids.index(query)]]
    st.subheader("The query", anchor=False)
    asked = [language_label(language), inside(query, texts.queries)]
    if texts.queries:
        asked[1] += f'<small dir="ltr">{html.escape(query)}</small>'
    st.html(texts_table(["language", "query"], [asked], [False], 1))
    if not texts.queries:
        st.info("The task's data is not on this machine, so ids are shown instead of texts.")
    best = best_candidates(evidence, query)
    right = sum(item.relevant for item in best)
    for heading, listed, marked in (
        (f"The model's top 10: {right} relevant", best, True),
        (f"Relevant candidates{'' if evidence.divided else ' in all languages'}", relevants_of(evidence, query), False),
    ):
        st.subheader(heading, anchor=False)
        rows = [
            [f"{item.rank:,}", language_label(item.language), inside(item.candidate, texts.candidates)]
            for item in listed
        ]
        answers = [marked and item.relevant for item in listed]
        st.html(texts_table(["rank", "language", "text"], rows, answers, 2))
    st.caption(
        "Green, with ✓: relevant. Ranks are those in the pool of "
        f"{'its language' if evidence.divided else 'all languages'}; ties count against the model."
    )


def show_queries(index: Index, task: str, entry: Entry) -> None:
    """The queries of one language in a table, and one of them with its candidates."""
    evidence = evidence_of(index, entry)
    if evidence.divided:
        st.info(DIVIDED)
    texts = texts_of(entry.task, entry.languages)
    query = pick_query(task, entry, evidence, texts)
    if query:
        show_query(evidence, texts, query)


def main() -> None:
    """The page."""
    about = "What a model finds for a single query, and where it fails."
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
