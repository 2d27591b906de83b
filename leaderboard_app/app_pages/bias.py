"""All bias measures of all models beside what a language-blind ranker gets; and which languages win and lose."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from leaderboard_app.charts.charts import dots
from leaderboard_app.charts.exports import literal
from leaderboard_app.charts.grids import deviation_map
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.store import bias_of, result_of
from leaderboard_app.tables import board
from leaderboard_app.tables.columns import BETTER, SAID, SENTENCES, badness, headed
from leaderboard_app.tables.formats import column_format, number
from leaderboard_app.tables.model_tables import bias_table, rank_table, standing_of_languages
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import failures_shown, notices
from leaderboard_app.widgets.pickers import entries_on, open_board, pick_model, pick_task
from leaderboard_app.widgets.widgets import COLUMN, fold_table, number_columns, show_chart, show_table, text_table
from panglot.languages import language_label
from panglot.results.result_record import ResultRecord
from panglot.score.summary import BIAS_NAMES

ALONE = "none"
MOST_DRAWN = 40
"""Models in the chart; floors are drawn below them."""


def best_by(
    measure: str, entries: list[Entry], rows: Mapping[str, board.Row], blind: Mapping[str, float]
) -> list[Entry]:
    """The entries that have a measure, best first: the verified ones, then those without evidence, papers, floors."""
    there = [entry for entry in entries if measure in rows.get(entry.id, {})]

    def order(entry: Entry) -> tuple[int, float]:
        return board.part_of(entry), badness(measure, rows[entry.id][measure].value, blind.get(measure))

    there.sort(key=order)
    return there


def show_measure(
    task: str, measure: str, there: list[Entry], rows: Mapping[str, board.Row], blind: Mapping[str, float]
) -> None:
    """One measure of all models beside what a language-blind ranker gets."""
    models, floors = [entry for entry in there if not entry.floor], [entry for entry in there if entry.floor]
    listed = [*models[:MOST_DRAWN], *floors]
    drawn = board.model_scores(listed, rows, [measure])
    reference = ("language-blind", blind[measure]) if measure in blind else None
    called = measure.replace("_", " ")
    title = headed(measure, called) if BETTER[measure] != "blind" else f"→ {called} ← nearer to the line is better"
    grey = board.names_of(listed)[len(listed) - len(floors) :]
    chart = dots(drawn, "model", "setting", title, reference, grey, on_phone())
    show_chart(chart, f"panglot {task} {measure}", f"{measure} of all models, best first")
    said = []
    if reference:
        said.append(f"The dashed line is what a language-blind ranker gets: {number(blind[measure], measure)}.")
    if len(models) > MOST_DRAWN:
        said.append(f"The best {MOST_DRAWN} of {len(models):,} models.")
    if len(set(map(board.part_of, models))) > 1:
        said.append("Verified models come first, then those without verified evidence, then published results.")
    if floors:
        said.append("Floors, in grey, are for reference.")
    st.caption(" ".join(said))


def show_measures(task: str, table: pd.DataFrame, named: list[str]) -> None:
    """All measures of all models, and what they mean."""
    st.subheader("All measures", anchor=False)
    config: dict[str, object] = {
        name: COLUMN.NumberColumn(name.replace("_", " "), format=column_format(name), help=SENTENCES[name])
        for name in named
    }
    show_table(table, f"panglot {task} bias", "rows", config, ["model", *named], spread=())
    with st.expander("What each measure means", icon=":material/menu_book:"):
        text_table(pd.DataFrame([(name, SENTENCES[name]) for name in named], columns=["measure", "meaning"]))


def pick_beside(entry: Entry, there: list[Entry]) -> Entry | None:
    """The model beside it: the best other one unless chosen otherwise."""
    others = {other.folder: other for other in there if other.folder != entry.folder}
    if not others:
        return None
    names = {ALONE: ALONE} | dict(zip(others, board.names_of(list(others.values())), strict=True))
    chosen = address.select("Beside it", list(names), "beside", next(iter(others)), format_func=names.__getitem__)
    return others.get(chosen)


def show_languages(chosen: list[Entry], results: list[ResultRecord], task: str) -> None:
    """Which languages one or two models push up or down: in one picture, then pair by pair, side by side."""
    names = board.names_of(chosen)
    pushed = pd.concat(
        [standing_of_languages(result).assign(model=name) for name, result in zip(names, results, strict=True)]
    )
    pushed = pushed.rename(columns={"pushed": "value"}).assign(low=float("nan"), high=float("nan"))
    first, *_, last = (literal(language_label(code)) for code in pushed["language"][pushed["model"] == names[0]])
    st.markdown(f"**{literal(names[0])} favours {first} most, and {last} least.**")
    title = "← ranked lower · mean of the answers · ranked higher →"
    name = f"panglot {task} {' '.join(entry.folder for entry in chosen)}"
    chart = dots(pushed, "language", "model", title, ("language-blind", 0.0), narrow=on_phone())
    show_chart(chart, f"{name} winners", f"Languages pushed up or down, {task}.")
    st.caption(
        "Among the parallel answers to one question, how many ranks above their mean a language's answer is, averaged "
        "over the query languages. A language-blind model gets 0 for every language."
    )
    tables = [rank_table(result) for result in results]
    largest = max(float(table["value"].abs().max()) for table in tables) or 1.0
    for column, entry, called, table in zip(st.columns(len(chosen)), chosen, names, tables, strict=True):
        with column:
            st.markdown(f"**{literal(called)}**")
            about = f"{entry.folder}: ranks above the mean by query and candidate language."
            chart = deviation_map(table, 0, largest, "ranks above the mean")
            show_chart(chart, f"panglot {task} {entry.folder} ranks", about)
            numbers = table.drop(columns=["shown"]).rename(columns={"value": "ranks above the mean"})
            columns = number_columns(["mean rank", "ranks above the mean"])
            fold_table(numbers, f"panglot {task} {entry.folder} ranks", f"ranks-{chosen.index(entry)}", columns)
    st.caption(
        "The same for each query language. Rows: query language; columns: candidate language; purple is ranked higher, "
        "orange lower."
    )


def show_bias(index: Index, task: str, entries: list[Entry], rows: Mapping[str, board.Row], named: list[str]) -> None:
    """Measures of all models, then the languages of one."""
    measured = [entry for entry in entries if entry.verified and entry.id in rows]
    blind: dict[str, float] = {}
    for entry in measured[:1]:
        with failures_shown(entry):
            blind = result_of(index, entry).blind
    first = board.DISTANCE if board.DISTANCE in named else named[0]
    measure = address.select("Measure", named, "measure", first, format_func=lambda name: name.replace("_", " "))
    st.markdown(literal(f"{SENTENCES[measure]} {SAID[BETTER[measure]]}"))
    there = best_by(measure, entries, rows, blind)
    show_measure(task, measure, there, rows, blind)
    others = [entry for entry in entries if measure not in rows.get(entry.id, {})]
    show_measures(task, bias_table([*there, *others], rows, blind, named), named)
    st.subheader("Winners and losers", anchor=False)
    if not measured:
        st.info("No model on this task has verified evidence.")
        return
    left, right = st.columns(2)
    with left:
        entry = pick_model(index, measured)
    with right:
        beside = pick_beside(entry, [other for other in there if other.verified])
    chosen, results = [], []
    for each in filter(None, (entry, beside)):
        with failures_shown(each):
            results.append(result_of(index, each))
            chosen.append(each)
    if chosen:
        show_languages(chosen, results, task)


def main() -> None:
    """The page."""
    index = open_board("Bias", "Which languages a model pushes up or down.")
    task = pick_task(index)
    notices(index, task)
    rows = bias_of(index, task)
    named = [name for name in BIAS_NAMES if any(name in row for row in rows.values())]
    if named:
        show_bias(index, task, entries_on(index, task), rows, named)
    else:
        st.info("No model on this task has a bias measure: they need parallel candidates in several languages.")


main()
