"""What several pages show alike: pickers that live in the URL, tables and charts with their downloads.

A picker's key is its name in the URL. Streamlit compares what the URL says with the options that are there and drops
the rest, so nothing from a URL reaches a path or a query.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import altair as alt
import pandas as pd
import streamlit as st

from leaderboard_app.board import BIAS, DISTANCE, OWN_LANGUAGE, SETTINGS, Row
from leaderboard_app.definitions import TRUST
from leaderboard_app.entries import Entry
from leaderboard_app.exports import FORMATS, NOTHING, as_png, as_svg, harmless, number, plain
from leaderboard_app.index import Index
from leaderboard_app.store import best_of, read_board, submissions
from leaderboard_app.strangers import is_regular, read_regular
from panglot.data.catalogue import suite_tasks
from panglot.data.image import IMAGES
from panglot.languages import language_label
from panglot.results.evidence_file import EVIDENCE_FILES, evidence_file
from panglot.results.result_record import DIVIDED
from panglot.retrieve.evidence import is_narrow
from panglot.score.bias import MEASURES
from panglot.score.metrics import NAMES, parse_metric
from panglot.trust.submission import CARD

URL = "query-params"
KNOWN = suite_tasks()
COLUMN = st.column_config
MOST_COMPARED = 4
ROW_PIXELS = 35
MOST_ROWS = 18
"""That a table shows at once; longer ones scroll."""

SENTENCES = {
    "balance": "Harmonic mean of mono, cross and multi.",
    "mono": "Queries and candidates in one language, mean over languages.",
    "cross": "Candidates in another language than the query, mean over ordered pairs.",
    "multi": "Candidates of all languages in one pool, mean over query languages.",
    "cross to it": "Queries in the other languages, candidates in this one.",
    "image-text": "Mean of multi over the text-to-image tasks that the model has.",
    **{measure.name: measure.sentence for measure in MEASURES},
    "language_spread": "Best minus worst language of the headline metric in the pool of all languages.",
    "language_deviation": "Standard deviation over the languages of the headline metric in the pool of all languages.",
}
"""What each number means."""

SHORT = {DISTANCE: "rank distance", OWN_LANGUAGE: "own language"}
"""How long names are headed."""

FACTS_STYLE = """<style>
table.facts { border-collapse: collapse; width: 100%; font-size: .875rem; }
table.facts th { text-align: left; font-weight: 400; opacity: .65; padding: .15rem 1rem .15rem 0; vertical-align: top; }
table.facts td { overflow-wrap: anywhere; padding: .15rem 0; }
table.facts th { width: 11rem; }
@media (max-width: 640px) { table.facts th { width: 8rem; } }
</style>"""

TRUST_HELP = "  \n".join(f"**{level}** {plain(sentence)}" for level, sentence in reversed(TRUST.items()))


def open_board(title: str, sentence: str) -> Index:
    """The head of a page, and the index; stops the page where there is nothing to show."""
    st.title(title)
    st.caption(sentence)
    index = read_board()
    if not index.entries:
        st.info("There are no results yet. Make some with:")
        st.code(f"panglot run use-multilingual --tasks xquad-r --out {submissions()}", language="sh")
        st.stop()
    return index


def pick_task(index: Index) -> str:
    """The task, measured ones first, in the order of the suite; it stays chosen from page to page."""
    there = {entry.task for entry in index.entries}
    measured = {entry.task for entry in index.entries if entry.trust != "published"}
    order = [name for name in KNOWN if name in there]
    options = [*order, *sorted(there - set(order))]
    options.sort(key=lambda name: name not in measured)
    # What came with the address is forgotten when its page is left for the first time, unless it is set by hand.
    kept = st.session_state.get("task", options[0])
    if kept != options[0] and kept in there and "task" not in st.query_params:
        st.query_params["task"] = st.session_state["task"] = kept
    task: str = st.selectbox("Task", options, key="task", bind=URL, help=_tasks_help(options))
    return task


def entries_on(index: Index, task: str) -> list[Entry]:
    """All that there is on one task."""
    return [entry for entry in index.entries if entry.task == task]


def tell_divided(rows: Mapping[str, Row]) -> bool:
    """Say so where the scores, by result, are of a task that has no pool of all languages."""
    divided = bool(rows) and all(set(row) == {"mono"} for row in rows.values())
    if divided:
        st.info(DIVIDED)
    return divided


def pick_metric(headline: str) -> str:
    """A metric; the task's headline unless chosen otherwise."""
    metric: str = st.selectbox(
        "Metric",
        NAMES,
        index=NAMES.index(headline) if headline in NAMES else 0,
        key="metric",
        bind=URL,
        help="  \n".join(f"**{plain(name)}** {plain(parse_metric(name).sentence)}" for name in NAMES),
    )
    return metric


def pick_model(index: Index, entries: Sequence[Entry]) -> Entry:
    """One of the entries of a task, named in the URL by its folder; the best of them unless chosen otherwise."""
    by_folder = {entry.folder: entry for entry in entries}
    first = list(by_folder).index(best_of(index, entries).folder)
    return by_folder[st.selectbox("Model", list(by_folder), index=first, key="model", bind=URL)]


def pick_language(
    label: str, languages: Sequence[str], key: str = "query", width: int | Literal["stretch"] = "stretch"
) -> str:
    """A language by its name; the URL may hold its code."""
    linked = st.query_params.get(key)
    if key not in st.session_state and linked in languages:  # Streamlit itself knows an option only as it is shown
        st.session_state[key] = linked
    return st.selectbox(label, languages, format_func=language_label, key=key, bind=URL, width=width)


def pick_pool(languages: Sequence[str]) -> tuple[str, ...]:
    """The languages of the pool, in their order; all of them unless chosen otherwise. Images stay in any pool."""
    if is_narrow(len(languages)):
        st.caption(f"The pool is that of all {len(languages)} languages: of so many, no other follows.")
        return tuple(languages)
    spoken = [language for language in languages if language != IMAGES]
    linked = [language for language in spoken if language in st.query_params.get_all("pool")]
    if "pool" not in st.session_state and linked:
        st.session_state["pool"] = linked
    chosen = st.multiselect(
        "Choose the languages in the pool",
        spoken,
        default=spoken,
        format_func=language_label,
        key="pool",
        bind=URL,
        help="Scores and bias are computed again from the evidence, as if the pool held these languages alone.",
    )
    kept = tuple(language for language in languages if language in chosen or language == IMAGES)
    return kept if len(kept) > 1 else tuple(languages)


def show_table(
    table: pd.DataFrame,
    name: str,
    config: dict[str, object] | None = None,
    order: Sequence[str] | None = None,
    key: str | None = None,
    mode: str = "single-row",
    on_select: Callable[[], None] | str = "rerun",
) -> list[int]:
    """A table with its downloads; gives the rows that are selected in it, where it has a key."""
    options: dict[str, object] = {"key": key, "on_select": on_select, "selection_mode": mode} if key else {}
    options["height"] = "content" if len(table) <= MOST_ROWS else ROW_PIXELS * MOST_ROWS
    state = st.dataframe(
        harmless(table),
        hide_index=True,
        column_order=order,
        column_config=config,
        placeholder=NOTHING,
        alt=name,
        **options,
    )
    downloads(table[list(order)] if order else table, name)
    return list(state.selection.rows) if key else []


def fold_table(table: pd.DataFrame, name: str, config: dict[str, object] | None = None) -> None:
    """The numbers of a chart, folded away below it."""
    with st.expander("The numbers", icon=":material/table:"):
        show_table(table, name, config)


def downloads(table: pd.DataFrame, name: str) -> None:
    """Three small buttons; the text is made when one is pressed."""
    with st.container(horizontal=True, gap="small"):
        for label, (ending, kind, write) in FORMATS.items():
            _download(label, f"{name}.{ending}", kind, partial(write, table))


def _download(label: str, file: str, kind: str, make: Callable[[], str | bytes]) -> None:
    icon = ":material/download:"
    st.download_button(label, make, file, kind, key=file, on_click="ignore", type="tertiary", icon=icon)


def show_chart(chart: alt.TopLevelMixin, name: str, about: str) -> None:
    """A chart with its downloads; `about` is what a screen reader says of it."""
    st.altair_chart(chart, alt=about)
    with st.container(horizontal=True, gap="small"):
        _download("SVG", f"{name}.svg", "image/svg+xml", partial(as_svg, chart))
        _download("PNG", f"{name}.png", "image/png", partial(as_png, chart))


def overview_columns(table: pd.DataFrame, intervals: bool) -> tuple[list[str], dict[str, object]]:
    """The columns of the overview in their order, those without any value left out, and how each is shown."""
    scores = [name for name in (*SETTINGS, *BIAS, "image-text") if table[name].notna().any()]
    order = ["rank", "rank 95 %", "alike", "model", "parameters", "dimension"]
    for name in scores:
        ends = (f"{name} low", f"{name} high") if intervals else ()
        order += [name, *(end for end in ends if end in table and table[end].notna().any())]
    order += ["trust", "data", "date", "organisation"]
    config: dict[str, object] = {
        name: COLUMN.NumberColumn(
            SHORT.get(name, name), format="%.3f", help=SENTENCES.get(name), width=70 if name in SETTINGS else 96
        )
        for name in scores
    }
    for name in scores:
        for end in ("low", "high"):
            config[f"{name} {end}"] = COLUMN.NumberColumn(end, format="%.3f", width=60, help=f"95 % interval of {name}")
    config |= {
        "rank": COLUMN.NumberColumn("rank", width=50, help="Place among all models with evidence on this task."),
        "rank 95 %": COLUMN.TextColumn("95 %", width=60, help="95 % interval of the rank, from bootstrap draws."),
        "alike": COLUMN.TextColumn("ties", width=50, help="Models that share a letter cannot be told apart."),
        "model": COLUMN.TextColumn("model", pinned=True, width=200),
        "parameters": COLUMN.NumberColumn("parameters", format="compact", width=80),
        "dimension": COLUMN.NumberColumn("dim", format="%d", width=55, help="Dimension of its vectors."),
        "trust": COLUMN.TextColumn("trust", help=TRUST_HELP, width=105),
        "data": COLUMN.TextColumn("task's data", help="Whether the model was trained on this task's data.", width=100),
        "date": COLUMN.TextColumn("date", width=90),
    }
    return [name for name in order if name in table], config


def model_links(task: str, folders: Sequence[str]) -> None:
    """Links to the page of one selected model, or to the comparison of two to four."""
    with st.container(horizontal=True):
        if len(folders) == 1:
            here: dict[str, object] = {"task": task, "model": folders[0]}
            _link("model", "Open the model", "open_in_full", here)
            _link("queries", "Look at its queries", "search", here)
        elif 2 <= len(folders) <= MOST_COMPARED:
            _link("compare", f"Compare these {len(folders)}", "compare_arrows", {"task": task, "models": list(folders)})
        elif folders:
            st.caption(f"At most {MOST_COMPARED} can be compared.")


def query_links(task: str, entries: Sequence[Entry], language: str, query: str) -> None:
    """Links to one query as several models answered it."""
    with st.container(horizontal=True):
        for entry in entries:
            where: dict[str, object] = {
                "task": task,
                "model": entry.folder,
                "query": language_label(language),
                "id": query,
            }
            _link("queries", f"As {plain(entry.folder)} answers it", "search", where)


def _link(page: str, label: str, icon: str, query: dict[str, object]) -> None:
    st.page_link(f"app_pages/{page}.py", label=label, icon=f":material/{icon}:", query_params=query)


def score_metrics(row: Row) -> None:
    """The headlines of one model as large numbers, each with its interval."""
    with st.container(horizontal=True, gap="medium"):
        for name in (*SETTINGS, *BIAS):
            if name in row:
                score = row[name]
                ends = [end for end in score[1:] if end is not None and not math.isnan(end)]
                with st.container(width=130, gap=None):
                    st.metric(SHORT.get(name, name), number(score.value), help=SENTENCES[name])
                    st.caption(" – ".join(map(number, ends)) or "no interval")


def text_table(table: pd.DataFrame) -> None:
    """Facts in two columns that wrap; text of strangers stays text."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(fact)}</th><td dir="auto">{html.escape(value)}</td></tr>'
        for fact, value in table.itertuples(index=False)
    )
    st.html(f'{FACTS_STYLE}<table class="facts">{rows}</table>')


def show_files(path: Path) -> None:
    """The files of one result, to download; `path` comes from the index, never from a visitor."""
    files = [path, *(evidence_file(path, name) for name in EVIDENCE_FILES), path.with_name(CARD)]
    with st.container(horizontal=True, gap="small"):
        for file in filter(is_regular, files):
            read = partial(read_regular, file)
            st.download_button(file.name, read, file.name, key=file.name, on_click="ignore", icon=":material/download:")


def _tasks_help(names: Sequence[str]) -> str:
    return "  \n".join(f"**{plain(name)}** {plain(KNOWN[name].title)}" for name in names if name in KNOWN)
