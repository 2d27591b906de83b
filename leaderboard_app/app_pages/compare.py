"""Two to four models: paired differences with their marks, down to the queries on which they disagree most."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from leaderboard_app.charts.charts import dots, histogram
from leaderboard_app.charts.exports import literal
from leaderboard_app.charts.grids import deviation_map
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.store import comparison_of, contributions_of, evidence_of, scores_of, texts_of
from leaderboard_app.tables import board
from leaderboard_app.tables.columns import headed
from leaderboard_app.tables.comparison import (
    SIZES_HELP,
    in_words,
    language_table,
    pair_table,
    query_differences,
    question_histogram,
    sensible_pair,
    setting_table,
)
from leaderboard_app.tables.formats import column_format, shortened
from leaderboard_app.tables.side_by_side import side_by_side
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import failures_shown, notices
from leaderboard_app.widgets.overview_table import MOST_COMPARED, why_no_evidence
from leaderboard_app.widgets.pickers import (
    EVERY,
    entries_on,
    open_board,
    pick_language,
    pick_metric,
    pick_task,
    tell_divided,
)
from leaderboard_app.widgets.widgets import COLUMN, fold_table, link_to, number_columns, show_chart, show_table
from panglot.errors import BadResult
from panglot.score.comparison.comparison import Comparison

MOST_QUERIES = 200
SCORES = number_columns(("value", "low", "high"))
DIFFERENCES = ("difference", "low", "high", "smallest detectable", "B − A")


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
    pair = sensible_pair(board.best_first(with_evidence.values(), rows))
    names = dict(zip(with_evidence, board.names_of(list(with_evidence.values())), strict=True))
    folders = address.select_many(
        f"Models, 2 to {MOST_COMPARED}",
        sorted(with_evidence),
        "models",
        [entry.folder for entry in pair],
        why={entry.folder: why_no_evidence(entry) for entry in entries},
        max_selections=MOST_COMPARED,
        format_func=names.__getitem__,
    )
    notices(index, task)
    if len(folders) < 2:
        st.info("Choose at least two models.")
    return [with_evidence[folder] for folder in folders]


def show_scores(index: Index, task: str, chosen: list[Entry], metric: str) -> bool:
    """The scores of the chosen models; gives whether the task has no pool of all languages."""
    rows = board.values(scores_of(index, [task], [metric, *board.BIAS], overall=True, entries=chosen), metric)
    divided = tell_divided({entry.id: rows.get(entry.id, {}) for entry in chosen})
    names = [shortened(name, 36 if on_phone() else 84) for name in board.names_of(chosen)]
    st.html(side_by_side(chosen, rows, names))
    st.caption(f"{literal(metric)}; ± is half of a 95 % interval. In bold: the best. ↑: higher is better; ↓: lower is.")
    long = board.model_scores(chosen, rows, board.SCORES)
    name = f"panglot {task} {metric}"
    title = headed("score", metric)
    show_chart(
        dots(long, "setting", "model", title, narrow=on_phone()), f"{name} scores", "Scores with 95 % intervals."
    )
    whole = long.assign(id=long["model"].map(board.ids_of(chosen)))
    fold_table(whole, f"{name} scores", "scores", SCORES)
    return divided


class Pair(NamedTuple):
    """The two models that are tested, and how they are called."""

    one: Entry
    other: Entry
    names: tuple[str, str]

    @property
    def columns(self) -> dict[str, object]:
        """Columns of two scores, headed by the models' names, of their difference and of p."""
        scores = {
            column: COLUMN.NumberColumn(shortened(name, 18 if on_phone() else 40), format=column_format(column))
            for column, name in zip("AB", self.names, strict=True)
        }
        return scores | number_columns(("p (Holm)",)) | number_columns(DIFFERENCES, of="difference")


def pick_pair(chosen: list[Entry]) -> Pair:
    """The first model, and the one it is tested against."""
    others = {entry.folder: entry for entry in chosen[1:]}
    called = dict(zip((entry.folder for entry in chosen), board.names_of(chosen), strict=True))
    against = next(iter(others))
    if len(others) > 1:
        against = address.segments(
            f"Test {literal(chosen[0].shown)} against", list(others), "other", against, fixed=False, named=called
        )
    pair = [chosen[0], others[against]]
    names = board.names_of(pair)
    return Pair(pair[0], pair[1], (names[0], names[1]))


def show_tests(comparison: Comparison, pair: Pair, name: str, divided: bool) -> None:
    """The paired tests of two models, by setting, pair of languages and query language."""
    one, other = map(literal, pair.names)
    st.markdown(f"**{literal(in_words(comparison, pair.names))}**")
    table = setting_table(comparison).dropna(subset=["A"])
    order = ["setting", "A", "B", "difference", "in words", "p (Holm)", "smallest detectable"]
    show_table(table, f"{name} settings", "settings", pair.columns, order)
    st.caption(
        f"difference: {other} minus {one}; ± is half of its 95 % bootstrap interval. found: significant at 5 % in a "
        f"paired permutation test over clusters of questions ({comparison.clusters:,}), Holm-corrected over the table. "
        f"{literal(SIZES_HELP)} smallest detectable: the difference that one such test finds in 80 % of samples."
    )
    pairs = pair_table(comparison)
    if not divided and pairs["candidate"].nunique() > 1:
        st.subheader("Every pair of languages", anchor=False)
        chart = deviation_map(pairs, 0, float(pairs["value"].abs().max()) or 1.0, "difference × 100")
        show_chart(
            chart, f"{name} pairs", f"{pair.other.folder} minus {pair.one.folder} × 100, every pair of languages"
        )
        st.caption(
            f"Difference × 100. **Purple: {other} is better; orange: {one} is.** A star marks a significant one."
        )
        fold_table(pairs.drop(columns=["value", "shown", "note"]), f"{name} pairs", "pairs", pair.columns)

    st.subheader("Every query language", anchor=False)
    languages = language_table(comparison)
    spread = languages.rename(columns={"difference": "value"})[["language", "setting", "value", "low", "high"]].dropna()
    title = f"← {pair.names[0]} is better · {pair.names[1]} is better →"
    chart = dots(spread, "language", "setting", title, ("no difference", 0.0))
    show_chart(chart, f"{name} languages", f"{pair.other.folder} minus {pair.one.folder} by query language")
    fold_table(languages.dropna(subset=["difference"]), f"{name} languages", "languages", pair.columns)


def show_disagreements(index: Index, task: str, pair: Pair, comparison: Comparison, metric: str, name: str) -> None:
    """The queries on which two models differ most."""
    st.subheader("Where they disagree most", anchor=False)
    entries = [pair.one, pair.other]
    evidence = [evidence_of(index, entry) for entry in entries]
    added = [contributions_of(index, entry, metric) for entry in entries]
    with st.container(horizontal=True):
        settings = ["mono"] if evidence[0].divided else list(comparison.language_settings)
        setting = address.segments("Setting", settings, "setting", settings[-1])
        language = pick_language("Query language", [EVERY, *comparison.query_languages], width=200)
    title = f"← {pair.names[0]} is better in {setting} · {pair.names[1]} is better →"
    spread = histogram(question_histogram(added[0], added[1], setting), title)
    show_chart(spread, f"{name} questions", f"How the difference in {setting} is spread over questions.")
    differing = query_differences(evidence[0], evidence[1], metric, setting, None if language == EVERY else language)
    texts = texts_of(pair.one.task, pair.one.languages).queries
    shown = differing.head(MOST_QUERIES)
    if texts:
        shown = shown.assign(text=pd.Series([texts.get(id_, "") for id_ in shown["query"]], dtype=object))
    config = pair.columns | {"B − A": COLUMN.NumberColumn("difference", format="%.4f")}
    picked = show_table(shown, f"{name} queries", "rows", config, ids="query", mode="single-row")
    st.caption(
        f"The {len(shown):,} of {len(differing):,} queries with the largest differences. Tick one to see its results."
    )
    if picked:
        asked_in = str(shown.loc[shown["query"] == picked[0], "language"].iloc[0])
        link_queries(task, entries, picked[0], asked_in)


def show_pair(index: Index, task: str, pair: Pair, metric: str, divided: bool) -> None:
    """Two models tested against each other."""
    st.header(literal(f"{pair.names[0]} against {pair.names[1]}"), anchor=False)
    readable = 0
    for entry in (pair.one, pair.other):
        with failures_shown(entry):
            contributions_of(index, entry, metric)
            evidence_of(index, entry)
            readable += 1
    if readable < 2:
        return
    try:
        comparison = comparison_of(index, pair.one, pair.other, metric)
    except BadResult as error:
        st.warning(literal(str(error)))
        return
    name = f"panglot {task} {metric} {pair.one.folder} {pair.other.folder}"
    show_tests(comparison, pair, name, divided)
    show_disagreements(index, task, pair, comparison, metric, name)


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
