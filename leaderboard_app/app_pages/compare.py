"""Two to four models: paired differences with their marks, down to the queries on which they disagree most."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from leaderboard_app import address, board
from leaderboard_app.charts import dots, histogram
from leaderboard_app.comparison import (
    language_table,
    pair_table,
    query_differences,
    question_histogram,
    setting_table,
)
from leaderboard_app.entries import Entry
from leaderboard_app.exports import literal
from leaderboard_app.grids import deviation_map
from leaderboard_app.index import Index
from leaderboard_app.notices import failures_shown, notices
from leaderboard_app.overview_table import MOST_COMPARED, why_no_evidence
from leaderboard_app.pickers import (
    EVERY,
    entries_on,
    open_board,
    pick_language,
    pick_metric,
    pick_task,
    tell_divided,
)
from leaderboard_app.store import comparison_of, contributions_of, evidence_of, scores_of, texts_of
from leaderboard_app.widgets import fold_table, link_to, number_columns, show_chart, show_table
from panglot.errors import BadResult
from panglot.score.comparison.comparison import Comparison

MOST_QUERIES = 200
SCORES = number_columns(("value", "low", "high"))
TESTS = number_columns(("A", "B", "p (Holm)")) | number_columns(
    ("difference", "low", "high", "smallest detectable", "B − A"), of="difference"
)


def link_queries(task: str, entries: list[Entry], query: str, language: str) -> None:
    """Links to one query as each model answered it."""
    with st.container(horizontal=True):
        for entry in entries:
            where = {"task": task, "model": entry.folder, "query": language, "id": query}
            link_to("queries", f"Results of {literal(entry.shown)}", "search", where)


def pick_models(index: Index, task: str, entries: list[Entry], metric: str) -> list[Entry]:
    """The models to compare; fewer than two where that many cannot be or are not chosen, which is said."""
    with_evidence = {entry.folder: entry for entry in entries if entry.verified}
    if len(with_evidence) < 2:
        notices(index, task)
        st.info("A comparison needs two models with verified evidence; this task does not have them yet.")
        return []
    rows = board.values(scores_of(index, [task], [metric], overall=True), metric)
    best = [entry.folder for entry in board.best_first(with_evidence.values(), rows)]
    folders = address.select_many(
        f"Models, at most {MOST_COMPARED}; the first is A",
        sorted(with_evidence),
        "models",
        best[:2],
        why={entry.folder: why_no_evidence(entry) for entry in entries},
        max_selections=MOST_COMPARED,
    )
    notices(index, task)
    if len(folders) < 2:
        st.info("Choose at least two models.")
    return [with_evidence[folder] for folder in folders]


def show_scores(index: Index, task: str, chosen: list[Entry], metric: str) -> bool:
    """The scores of the chosen models; gives whether the task has no pool of all languages."""
    rows = board.values(scores_of(index, [task], [metric, *board.BIAS], overall=True, entries=chosen), metric)
    divided = tell_divided({entry.id: rows.get(entry.id, {}) for entry in chosen})
    st.subheader("Scores", anchor=False)
    long = board.model_scores(chosen, rows, board.SCORES)
    name = f"panglot {task} {metric}"
    show_chart(dots(long, "setting", "model", metric), f"{name} scores", "Scores with 95 % intervals.")
    fold_table(long, f"{name} scores", "scores", SCORES)
    return divided


def pick_pair(chosen: list[Entry]) -> tuple[Entry, Entry]:
    """The first model, and the one it is tested against."""
    others = {entry.folder: entry for entry in chosen[1:]}
    against = next(iter(others))
    if len(others) > 1:
        against = address.segments("Against A", list(others), "other", against, fixed=False)
    return chosen[0], others[against]


def show_tests(comparison: Comparison, name: str, divided: bool) -> None:
    """The paired tests of two models, by setting, pair of languages and query language."""
    st.markdown(f"**{literal(comparison.sentence)}**")
    show_table(setting_table(comparison).dropna(subset=["A"]), f"{name} settings", "settings", TESTS)
    st.caption(
        "difference: B − A with its 95 % bootstrap interval. found: significant at 5 % in a paired permutation test "
        f"over clusters of questions ({comparison.clusters:,}), Holm-corrected over the table. smallest detectable: "
        "the difference that one such test finds in 80 % of samples."
    )
    if not divided:
        st.subheader("Every pair of languages", anchor=False)
        pairs = pair_table(comparison)
        chart = deviation_map(pairs, 0, float(pairs["value"].abs().max()) or 1.0, "B − A, × 100")
        show_chart(chart, f"{name} pairs", "Difference of every pair of languages.")
        st.caption("B − A, × 100. Purple: B is better; orange: A is better. A star marks a significant difference.")
        fold_table(pairs.drop(columns=["value", "shown", "note"]), f"{name} pairs", "pairs", TESTS)

    st.subheader("Every query language", anchor=False)
    languages = language_table(comparison)
    spread = languages.rename(columns={"difference": "value"})[["language", "setting", "value", "low", "high"]].dropna()
    chart = dots(spread, "language", "setting", "B − A", ("no difference", 0.0))
    show_chart(chart, f"{name} languages", "Differences by query language.")
    fold_table(languages.dropna(subset=["difference"]), f"{name} languages", "languages", TESTS)


def show_disagreements(index: Index, task: str, pair: tuple[Entry, Entry], comparison: Comparison, metric: str) -> None:
    """The queries on which two models differ most."""
    st.subheader("Where they disagree most", anchor=False)
    evidence = [evidence_of(index, entry) for entry in pair]
    added = [contributions_of(index, entry, metric) for entry in pair]
    with st.container(horizontal=True):
        settings = ["mono"] if evidence[0].divided else list(comparison.language_settings)
        setting = address.segments("Setting", settings, "setting", settings[-1])
        language = pick_language("Query language", [EVERY, *comparison.query_languages], width=200)
    spread = histogram(question_histogram(added[0], added[1], setting), f"B − A in {setting}")
    name = f"panglot {task} {metric}"
    show_chart(spread, f"{name} questions", f"How the difference in {setting} is spread over questions.")
    differing = query_differences(evidence[0], evidence[1], metric, setting, None if language == EVERY else language)
    texts = texts_of(pair[0].task, pair[0].languages).queries
    shown = differing.head(MOST_QUERIES)
    if texts:
        shown = shown.assign(text=pd.Series([texts.get(id_, "") for id_ in shown["query"]], dtype=object))
    picked = show_table(shown, f"{name} queries", "rows", TESTS, ids="query", mode="single-row")
    st.caption(
        f"The {len(shown):,} of {len(differing):,} queries with the largest differences. Select one to see its results."
    )
    if picked:
        asked_in = str(shown.loc[shown["query"] == picked[0], "language"].iloc[0])
        link_queries(task, list(pair), picked[0], asked_in)


def show_pair(index: Index, task: str, pair: tuple[Entry, Entry], metric: str, divided: bool) -> None:
    """Two models side by side."""
    st.header(literal(f"A {pair[0].folder}  ·  B {pair[1].folder}"), anchor=False)
    readable = 0
    for entry in pair:
        with failures_shown(entry):
            contributions_of(index, entry, metric)
            evidence_of(index, entry)
            readable += 1
    if readable < len(pair):
        return
    try:
        comparison = comparison_of(index, *pair, metric)
    except BadResult as error:
        st.warning(literal(str(error)))
        return
    show_tests(comparison, f"panglot {task} {metric}", divided)
    show_disagreements(index, task, pair, comparison, metric)


def main() -> None:
    """The page."""
    index = open_board("Compare", "Two to four models on the same questions, tested in pairs.")
    left, right = st.columns(2)
    with left:
        task = pick_task(index)
    with right:
        entries = entries_on(index, task)
        metric = pick_metric(entries[0].headline)
    chosen = pick_models(index, task, entries, metric)
    if len(chosen) >= 2:
        divided = show_scores(index, task, chosen, metric)
        show_pair(index, task, pick_pair(chosen), metric, divided)


main()
