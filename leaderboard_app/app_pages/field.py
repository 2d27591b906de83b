"""The field: what others reported on cells of Panglot's tasks, beside what was measured here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from leaderboard_app.charts.charts import ZOOM_HELP, scatter
from leaderboard_app.charts.exports import literal
from leaderboard_app.charts.field_charts import islands_and_bridges
from leaderboard_app.index.index import Index
from leaderboard_app.store.field_store import field_fault, field_of, scored_on, standing_on
from leaderboard_app.tables.columns import headed
from leaderboard_app.tables.field import (
    MEANS,
    Scored,
    Standing,
    difference_summary,
    differences,
    entries_of,
    language_means,
    languages_of,
    origin_table,
    shared_languages,
)
from leaderboard_app.tables.formats import column_format
from leaderboard_app.widgets import address
from leaderboard_app.widgets.filtering import Filters, pick_filters, show_active
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import tell_imitations
from leaderboard_app.widgets.overview_table import TRUST_HELP
from leaderboard_app.widgets.pickers import KNOWN, counts_of, open_board, task_label, task_pixels
from leaderboard_app.widgets.widgets import (
    COLUMN,
    fold_table,
    link_to,
    number_columns,
    show_chart,
    show_table,
    text_table,
)
from panglot.interop.field import METRICS
from panglot.interop.mteb_cells import mteb_cells
from panglot.languages import language_label
from panglot.numbers import percent
from panglot.score.pivot import BRIDGE, COMPETENT, MEANINGS

PLACE_HELP = "Place among the models here that have both means, whoever measured them. It is not a rank with evidence."


LEAST_DRAWN = 3
"""Models of a chart of places."""


class Choices(NamedTuple):
    """What a reader chose."""

    task: str
    metric: str
    languages: list[str]
    filters: Filters


def pick(index: Index) -> tuple[Choices, list[Scored]]:
    """All pickers of the page, and the models on the task."""
    reported, counts = field_of(index).models(), counts_of(index)
    tasks = [name for name in KNOWN if name in reported]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=task_pixels()):
            task = address.select("Task", tasks, "on", tasks[0], format_func=lambda name: task_label(name, counts))
        with st.container(width=120):
            metric = address.select("Metric", list(METRICS), "by", next(iter(METRICS)))
        with st.container(width=210):
            searched = address.text("Search", "search", 80, placeholder="model or organisation")
    models = scored_on(index, task, metric)
    languages = languages_of(models, task)
    with st.expander("Filters and languages", icon=":material/tune:"):
        filters = pick_filters({model.trust for model in models}, searched)
        chosen = address.select_many(
            "Languages of the means", languages, "languages", format_func=language_label, placeholder="all languages"
        )
    shared = shared_languages(models, languages)
    if len(shared) < len(languages) and address.toggle("Only languages that every model measured here has", "shared"):
        chosen = [language for language in shared if not chosen or language in chosen]
    return Choices(task, metric, chosen or languages, filters), models


def field_columns(table: pd.DataFrame) -> tuple[list[str], dict[str, object]]:
    """The columns in their order, those without any value left out, and how each is shown."""
    means = [name for name in MEANS if table[name].notna().any()]
    places = ["place within", "place across", "bridge"] if table["bridge"].notna().any() else []
    order = ["model", *means, *places, "trust", "organisation", "parameters", "dimension", "max_length"]
    order += [
        "weights",
        "licence",
        "data",
        "released",
        "languages",
        "revision",
        "mteb_version",
        "data_revision",
        "date",
    ]
    config: dict[str, object] = {
        name: COLUMN.NumberColumn(
            name, format=column_format(name), help=MEANINGS[name], width=105 if " " in name else 70
        )
        for name in means
    }
    for name in places:
        meaning = MEANINGS["bridge"] if name == "bridge" else PLACE_HELP
        config[name] = COLUMN.NumberColumn(name, format="%.5g", width=90, help=meaning)
    return order, config | {
        "trust": COLUMN.TextColumn("trust", help=TRUST_HELP, width=95),
        "parameters": COLUMN.NumberColumn("parameters", format="compact", width=85),
        "dimension": COLUMN.NumberColumn("dim", format="localized", width=60, help="Dimension of its vectors."),
        "max_length": COLUMN.NumberColumn("max tokens", format="localized", width=85),
        "data": COLUMN.TextColumn("task's data", help="Whether the model was trained on this task's data.", width=105),
        "mteb_version": COLUMN.TextColumn("mteb", width=80),
        "data_revision": COLUMN.TextColumn("data revision", width=110),
        "revision": COLUMN.TextColumn("revision", width=110),
        "date": COLUMN.TextColumn("date", width=90),
    }


def show_models(table: pd.DataFrame, chosen: Choices, models: Sequence[Scored]) -> None:
    """The table, and what is known about a selected model."""
    order, config = field_columns(table)
    ticked = show_table(
        table, f"panglot field {chosen.task} {chosen.metric}", "rows", config, order, "folder", "single-row"
    )
    by_id = {model.id: model for model in models}
    for id_ in ticked[:1]:
        show_model(by_id[id_], chosen)


def show_model(model: Scored, chosen: Choices) -> None:
    """Facts and languages of one model."""
    st.subheader(literal(model.name), anchor=False)
    if not model.is_reported:
        where = {"task": model.facts["task"], "model": model.facts["folder"]}
        link_to("model", "Open the model", "open_in_full", where)
    text_table(origin_table(model))
    cells = language_means(model, chosen.languages, chosen.task)
    show_table(cells, f"{model.name} {chosen.task} languages", "cells", number_columns(list(cells)[1:], "mono"))


def show_differences(models: Sequence[Scored], task: str) -> None:
    """Where a model was measured here and reported by others, how far the two are apart."""
    st.subheader("Measured here and reported by others", anchor=False)
    cells = differences(models, task)
    if cells.empty:
        measured = sum(not model.is_reported for model in models)
        who = f"No model was measured on {task} here yet."
        if measured:
            who = f"Of the {measured} models measured here, none has a name under which others reported scores."
        st.info(f"{who} Where both exist for one model, this section shows the difference in each cell.")
        return
    digits = number_columns(("measured", "reported"), "mono")
    apart = number_columns(("difference", "largest difference"), "difference")
    show_table(difference_summary(cells), f"panglot {task} measured and reported", "both", digits | apart)
    fold_table(cells, f"panglot {task} differences", "differences", digits | apart)
    st.caption(
        "Measured minus reported, on cells that are the same. Software, precision and prompts can differ, and mteb "
        "breaks ties by id where Panglot counts them against the model."
    )


def show_bridges(found: Standing, task: str) -> None:
    """Islands and bridges: who is better across languages than within them."""
    if found.whole < LEAST_DRAWN:
        return
    st.subheader("Islands and bridges", anchor=False)
    about = "Place within languages against place across English; below the line are islands, above it bridges."
    show_chart(islands_and_bridges(found.table, on_phone()), f"panglot {task} islands and bridges", about)
    said = (
        f"{found.whole} models with both means; Spearman's correlation of the two orders is {found.correlation:.3f}. "
        f"{BRIDGE}"
    )
    if found.able:
        said += (
            " English questions retrieve passages in another language better than questions in that language do in "
            f"{percent(found.english_better)} of cases (languages × the {found.able} models with a mono of at least "
            f"{COMPETENT})."
        )
    st.caption(literal(said))


def show_size(table: pd.DataFrame, chosen: Choices, sought: Collection[str]) -> None:
    """Quality against size."""
    by = "English pivot" if table["English pivot"].notna().any() else "mono"
    sized = table.dropna(subset=["parameters", by])
    if sized.empty:
        return
    st.subheader("Quality against size", anchor=False)
    titles = ("parameters ↓", headed(by, f"{chosen.metric}, {by}"))
    sized = sized.astype({"parameters": float})
    chart = scatter(sized, "parameters", by, titles, log_x=True, x_falls=True, sought=sought, narrow=on_phone())
    show_chart(chart, f"panglot field {chosen.task} size", f"{by} against parameters; right and up is better.")
    st.caption(
        "**Right and up is better.** The dashed line joins the models that no other beats in both. Named, where there "
        "is room, are the models that you searched for, the best ten, and those on the line; point at a mark for its "
        f"name. {ZOOM_HELP}"
    )


def main() -> None:
    """The page."""
    about = "What others reported on the same tasks: many models, no evidence."
    index = open_board("The field", about)
    chosen, models = pick(index)
    show_active(chosen.filters)
    if fault := field_fault(index):
        st.warning(literal(f"The imported rows are not shown. {fault}"))
    found = standing_on(index, chosen.task, chosen.metric, chosen.languages)
    table = found.table
    everyone = chosen.filters._replace(search="").keep(table, MEANS)
    shown = chosen.filters.keep(everyone, MEANS) if chosen.filters.search else everyone
    if shown.empty:
        st.info(
            "No model has all cells of the chosen languages and matches. Remove a filter or choose other languages."
        )
    else:
        tell_imitations(entries_of(index.entries, chosen.task))
        show_models(shown, chosen, models)
    fewer = int((table["mono"].isna() & table["English pivot"].isna()).sum())
    st.caption(
        f"{len(shown)} models. Means are over {len(chosen.languages)} languages"
        + (f"; {fewer} models that lack one of them are not shown" if fewer else "")
        + ". Reported rows have no evidence and no rank; models verified here are ranked in By task."
    )
    same = mteb_cells().of(chosen.task)
    st.caption(f":material/info: {literal(KNOWN[chosen.task].title)}. {literal(same.remark) if same else ''}")
    show_bridges(found, chosen.task)
    show_size(everyone, chosen, set(shown["folder"]) if chosen.filters.search else ())
    show_differences(models, chosen.task)
    with st.expander("What the numbers mean, and where they are from", icon=":material/menu_book:"):
        for term, sentence in MEANINGS.items():
            st.markdown(f"**{literal(term)}** {literal(sentence.replace('`', ''))}")
        st.markdown(literal(f"Reported rows: {field_of(index).source}"))


main()
