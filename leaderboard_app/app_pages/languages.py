"""Models by language: which languages are hard, for whom, and in which script."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.charts.grids import heat_map, language_map
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.field_store import scored_on
from leaderboard_app.store.store import scores_of
from leaderboard_app.tables.board import ids_of, names_of
from leaderboard_app.tables.field import languages_of, link_of
from leaderboard_app.tables.languages import (
    GROUPS,
    MEANINGS,
    ORDERS,
    ByLanguage,
    cells_by_language,
    grid_of,
    group_table,
    hardest,
    mean_pairs,
    scores_by_language,
    spread_table,
)
from leaderboard_app.tables.links import model_link
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import notices
from leaderboard_app.widgets.pickers import KNOWN, counts_of, entries_on, open_board, task_label, task_pixels
from leaderboard_app.widgets.widgets import LINK, fold_table, number_columns, show_chart, show_table
from panglot.interop.field import METRICS
from panglot.languages import language_name
from panglot.numbers import count
from panglot.score.metrics import NAMES

MOST_DRAWN, MOST_ON_PHONE = 25, 4
"""Models in the chart."""


def _counts(entry: Entry) -> bool:
    """Whether the means of the page include it: anybody can hand in scores without evidence."""
    return entry.ranked or entry.trust == "published"


class Read(NamedTuple):
    """Models by name: their scores by language, where all of each is shown, and their whole ids."""

    scores: dict[str, ByLanguage]
    links: dict[str, str]
    ids: dict[str, str]


def measured_on(index: Index, task: str, metric: str, kind: str) -> Read:
    """The models with verified evidence or from papers; floors are left out."""
    entries = [entry for entry in entries_on(index, task) if _counts(entry)]
    if not entries:
        return Read({}, {}, {})
    found = scores_by_language(scores_of(index, [task], [metric], entries=entries), metric, kind)
    named = {name: entry for name, entry in zip(names_of(entries), entries, strict=True) if entry.id in found}
    links = {name: model_link(task, entry.folder) for name, entry in named.items()}
    return Read({name: found[entry.id] for name, entry in named.items()}, links, ids_of(entries))


def reported_on(index: Index, task: str, metric: str, kind: str) -> Read:
    """The models of the field that have every language."""
    models = [model for model in scored_on(index, task, metric) if model.is_reported]
    languages = languages_of(models, task)
    found: dict[str, ByLanguage] = {}
    links: dict[str, str] = {}
    ids: dict[str, str] = {}
    for model in models:
        name = model.name if model.name not in found else model.id
        found[name], links[name] = cells_by_language(model, languages, kind), link_of(model, task)
        ids[name] = f"{model.identity}@{model.facts['revision']}"
    most = max(map(len, found.values()), default=0)
    return Read({name: values for name, values in found.items() if values and len(values) == most}, links, ids)


def show_models(read: Read, order: str, name: str, metric: str) -> None:
    """The heat map, the hardest languages in words, and what each model's best and worst languages are."""
    models = read.scores
    most = MOST_ON_PHONE if on_phone() else MOST_DRAWN
    worst = ", ".join(f"{language_name(code)} ({mean:.3f})" for code, mean in hardest(models))
    st.markdown(f"**Hardest:** {literal(worst)}. Means over {count(len(models), 'model')}.")
    grid = grid_of(models, order, most)
    show_chart(
        language_map(grid, GROUPS.get(order)), f"{name} languages", f"{metric} × 100 of each model in each language."
    )
    said = f"{metric} × 100. Rows: languages; columns: models, the best first."
    if most < len(models):
        said += f" The best {most} of {len(models):,} models, and how hard languages are for all; the table has all."
    st.caption(literal(said))
    if order in GROUPS:
        st.subheader(f"By {order}", anchor=False)
        groups = group_table(models, order)
        show_table(groups, f"{name} by {order}", "groups", number_columns(("mean", "worst"), "mono"))
    st.subheader("Best and worst languages", anchor=False)
    table = spread_table(models)
    table[LINK], table["id"] = table["model"].map(read.links), table["model"].map(read.ids)
    show_table(table, f"{name} spread", "rows", number_columns(("mean", "worst", "best", "best − worst"), "mono"))


def show_pairs(index: Index, task: str, metric: str, name: str) -> None:
    """The mean over models of every pair of languages."""
    entries = [entry for entry in entries_on(index, task) if entry.ranked]
    if not entries:
        return
    pairs = mean_pairs(scores_of(index, [task], [metric], entries=entries[:MOST_DRAWN]), metric, entries[0].languages)
    if pairs["value"][pairs["query"] != pairs["candidate"]].isna().all():
        return
    st.subheader("Every pair of languages", anchor=False)
    about = f"{metric} × 100 of every query and candidate language, mean over {min(len(entries), MOST_DRAWN)} models."
    show_chart(heat_map(pairs, tips=("value",)), f"{name} pairs", about)
    st.caption(literal(f"{about} Rows: query language; columns: candidate language."))
    fold_table(pairs, f"{name} pairs", "pairs", number_columns(["value"]))


def main() -> None:
    """The page."""
    index = open_board("Languages", "Which languages are hard, and for which models.")
    counts = counts_of(index)
    tasks = [*(name for name in KNOWN if name in counts), *sorted(set(counts) - set(KNOWN))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=task_pixels()):
            task = address.select("Task", tasks, "task", tasks[0], format_func=lambda name: task_label(name, counts))
        here = entries_on(index, task)
        own = any(map(_counts, here))
        with st.container(width=120):
            metrics = list(NAMES) if own else list(METRICS)
            metric = address.select("Metric", metrics, "metric", here[0].headline if own else metrics[0])
        with st.container(width=150):
            order = address.select("Languages by", list(ORDERS), "order", ORDERS[0], fixed=True)
    settings = ["mono", "cross", "multi"] if own else ["mono", "from English", "to English"]
    read = measured_on if own else reported_on
    there = {kind: models for kind in settings if (models := read(index, task, metric, kind)).scores}
    if not there:
        st.info("There are no scores of single languages on this task.")
        return
    kind = address.segments("Setting", list(there), "setting", next(iter(there)), fixed=False)
    st.caption(MEANINGS[kind] + ("" if own else " Reported by others, without evidence."))
    name = f"panglot {task} {metric} {kind}"
    show_models(there[kind], order, name, metric)
    if own:
        show_pairs(index, task, metric, name)
        notices(index, task)


main()
