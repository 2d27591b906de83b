"""All models on one task: a table, quality against bias, quality against cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import NamedTuple

import pandas as pd
import streamlit as st

from leaderboard_app.charts.charts import ZOOM_HELP, scatter
from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.evidence_store import NOBODY
from leaderboard_app.index.index import Index
from leaderboard_app.index.score_rows import ALL
from leaderboard_app.store.field_store import field_of
from leaderboard_app.store.store import image_text_of, recomputed, scores_of, standings_of
from leaderboard_app.tables import board
from leaderboard_app.tables.columns import headed
from leaderboard_app.widgets import address
from leaderboard_app.widgets.filtering import Filters, pick_filters, show_active
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import notices, tell_ranked
from leaderboard_app.widgets.overview_table import (
    overview_columns,
    spread_columns,
    why_no_comparison,
    why_no_queries,
    why_not_open,
)
from leaderboard_app.widgets.pickers import (
    EVERY,
    entries_on,
    open_board,
    pick_language,
    pick_metric,
    pick_pool,
    pick_task,
    task_pixels,
    tell_divided,
)
from leaderboard_app.widgets.widgets import link_to, show_chart, show_table

AGAINST = {"parameters": True, "texts per second": False, "dimension": True}
"""What a model costs, and whether less of it is better."""
READ = (
    "**Right and up is better.** The dashed line joins the models that no other beats in both. Named, where there is "
    "room, are the models that you searched for or ticked, the best ten, and those on the line; point at a mark for "
    "its name."
)


def show_actions(task: str, ticked: Sequence[str], entries: Sequence[Entry]) -> None:
    """What can be done with the selected rows; what cannot is disabled, with the reason."""
    by_folder = {entry.folder: entry for entry in entries}
    one: dict[str, str | Sequence[str]] = {"task": task, "model": ticked[0] if ticked else ""}
    several: dict[str, str | Sequence[str]] = {"task": task, "models": list(ticked)}
    whys = (why_not_open(ticked), why_no_queries(ticked, by_folder), why_no_comparison(ticked, by_folder))
    with st.container(horizontal=True):
        link_to("model", "Open the model", "open_in_full", one, whys[0])
        link_to("queries", "Look at its queries", "search", one, whys[1])
        link_to("compare", "Compare the selected models", "compare_arrows", several, whys[2])
    if ticked and any(whys):
        st.caption(literal(" ".join(dict.fromkeys(filter(None, whys)))))


def show_bias(table: pd.DataFrame, task: str, metric: str, sought: Collection[str]) -> None:
    """Quality against bias."""
    st.subheader("Quality against bias")
    if table[["multi", board.DISTANCE]].dropna().empty:
        st.info("No model here has both a score in the pool of all languages and a rank distance.")
        return
    titles = (headed(board.DISTANCE, "normalised rank distance"), headed("multi", f"{metric}, multi"))
    show_chart(
        scatter(table, board.DISTANCE, "multi", titles, x_falls=True, sought=sought, narrow=on_phone()),
        f"panglot {task} quality and bias",
        "Score in the pool of all languages against language bias; right and up is better.",
    )
    floors = "Floors, in grey, are for reference. " if table["floor"].any() else ""
    st.caption(f"{READ} {floors}{ZOOM_HELP}")


def show_cost(table: pd.DataFrame, task: str, metric: str, ranked_by: str, sought: Collection[str]) -> None:
    """Quality against what a model costs."""
    st.subheader("Quality against cost")
    against = address.segments("Against", list(AGAINST), "against", "parameters")
    falls = AGAINST[against]
    costly = table.dropna(subset=[against, ranked_by])
    if costly.empty:
        st.info(f"No model here states its {against}.")
        return
    titles = (f"{against} {'↓' if falls else '↑'}", headed(ranked_by, f"{metric}, {ranked_by}"))
    table = costly.astype({against: float})
    show_chart(
        scatter(table, against, ranked_by, titles, log_x=True, x_falls=falls, sought=sought, narrow=on_phone()),
        f"panglot {task} quality and {against}",
        f"{ranked_by} against {against}; right and up is better.",
    )
    st.caption(READ)


class Choices(NamedTuple):
    """What a reader chose for the table."""

    task: str
    metric: str
    view: board.View
    pool: tuple[str, ...] | None
    """None is the pool of all languages."""
    ranked_by: str
    intervals: bool
    filters: Filters


def pick(index: Index, overall: Callable[[str, str], dict[str, board.Row]]) -> Choices:
    """All pickers of the page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=task_pixels()):
            task = pick_task(index)
        entries = entries_on(index, task)
        with st.container(width=120):
            metric = pick_metric(entries[0].headline)
        with st.container(width=210):
            searched = address.text("Search", "search", 80, placeholder="model or organisation")
    languages = max((entry.languages for entry in entries), key=len)
    settings = [name for name in board.SCORES if any(name in row for row in overall(task, metric).values())]
    with st.expander("Filters, languages and columns", icon=":material/tune:"):
        one, two = st.columns([1, 2])
        with one:
            named = (
                pick_language("Query language", [EVERY, *languages]),
                pick_language("Candidate language", [EVERY, *languages], "candidate"),
            )
            ranked_by = address.select("Rank by", settings or list(board.SCORES), "by", (settings or ["balance"])[0])
            intervals = address.toggle("Show 95 % intervals", "intervals")
        with two:
            filters = pick_filters([entry.trust for entry in entries], searched)
        pool = pick_pool(languages)
    view = board.View(*(ALL if name == EVERY else name for name in named))
    return Choices(task, metric, view, None if pool == tuple(languages) else pool, ranked_by, intervals, filters)


def rows_of(
    index: Index, entries: Sequence[Entry], chosen: Choices, overall: dict[str, board.Row]
) -> dict[str, board.Row]:
    """The scores that the table shows, and in words what they are about where that is not every language."""
    if chosen.pool:
        languages = ", ".join(chosen.pool)
        st.info(f"Recomputed from the evidence in the pool of {languages}. Models without evidence have no score.")
        return recomputed(index, entries, chosen.metric, chosen.pool)
    if not any(chosen.view):
        return overall
    ends = {"query": chosen.view.query, "candidate": chosen.view.candidate}
    st.info(f"Scores for {' and '.join(f'{end} language {name}' for end, name in ends.items() if name)}.")
    return board.values(scores_of(index, [chosen.task], [chosen.metric, *board.BIAS]), chosen.metric, chosen.view)


def show_models(table: pd.DataFrame, chosen: Choices, entries: Sequence[Entry]) -> list[str]:
    """The table, and what can be done with its rows; gives those that are ticked."""
    order, config = overview_columns(table, chosen.intervals)
    spread = spread_columns(table) if chosen.intervals else ()
    name = f"panglot {chosen.task} {chosen.metric}"
    above = st.container()
    ticked = show_table(table, name, "rows", config, order, ids="folder", spread=spread)
    with st.container() if on_phone() else above:  # on a phone a score has to be in view without scrolling
        show_actions(chosen.task, ticked, entries)
    st.caption(
        "Ranks and their 95 % intervals are among all models with verified evidence, whatever the filters. Models that "
        "share a letter under *group* cannot be told apart (paired permutation tests, Holm-corrected). Below the "
        "ranked models come those without verified evidence, published results, and floors, which ignore the text. "
        "Click a name to open the model, tick rows to compare them, click a heading to sort by it. With the keyboard, "
        "Shift+Space ticks a row and Ctrl+Space sorts by a column."
    )
    return ticked


def show_charts(everyone: pd.DataFrame, chosen: Choices, sought: Collection[str], divided: bool) -> None:
    """All models that the filters keep, those that a reader looks for named."""
    if not divided:
        show_bias(everyone, chosen.task, chosen.metric, sought)
    show_cost(everyone, chosen.task, chosen.metric, chosen.ranked_by, sought)


def main() -> None:
    """The page."""
    about = "All models on one task: how good, how biased, at what cost."
    index = open_board("By task", about)

    @cache
    def overall(task: str, metric: str) -> dict[str, board.Row]:
        return board.values(scores_of(index, [task], [metric, *board.BIAS], overall=True), metric)

    chosen = pick(index, overall)
    show_active(chosen.filters)
    notices(index, chosen.task)
    if reported := field_of(index).models().get(chosen.task):
        st.caption(f":material/groups: Others reported scores of {reported} models on these cells: see Field.")
    entries = entries_on(index, chosen.task)
    scores = overall(chosen.task, chosen.metric)
    divided = tell_divided(scores)
    rows = rows_of(index, entries, chosen, scores)
    ranked = NOBODY
    if chosen.pool or not any(chosen.view):
        ranked = standings_of(index, entries, chosen.metric, chosen.ranked_by, chosen.pool)
    tell_ranked(ranked, entries)
    filters = chosen.filters
    whole = board.overview(entries, rows, ranked.models, image_text_of(index), chosen.ranked_by)
    everyone = filters._replace(search="").keep(whole)
    table = filters.keep(everyone) if filters.search else everyone
    if table.empty:
        st.info("No model matches. Remove a filter or clear the search.")
        return
    ticked = show_models(table, chosen, entries)
    show_charts(everyone, chosen, {*ticked, *(table["folder"] if filters.search else ())}, divided)


main()
