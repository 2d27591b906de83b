"""The choices that several pages share: task, metric, model, language, pool. All of them live in the address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.field_store import field_of
from leaderboard_app.store.store import best_entry, read_board, submissions
from leaderboard_app.tables.board import Row, names_of
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from panglot.data.catalogue import suite_tasks
from panglot.data.image import IMAGES
from panglot.languages import language_label
from panglot.numbers import count
from panglot.results.result_record import DIVIDED
from panglot.retrieve.evidence import is_narrow
from panglot.score.metrics import NAMES, parse_metric

KNOWN = suite_tasks()
EVERY = "every"


def open_board(title: str, sentence: str) -> Index:
    """The head of a page, and the index; stops the page where there is nothing to show."""
    st.title(title)
    st.caption(sentence)
    address.show_notes_here()
    index = read_board()
    if all(entry.source for entry in index.entries):
        st.info("No results measured here yet: everything shown was published elsewhere. To measure a model, run:")
        st.code(f"panglot run use-multilingual --tasks xquad-r --out {submissions()}", language=None, wrap_lines=True)
    if not index.entries:
        st.stop()
    return index


def task_pixels() -> int:
    """The width of a picker of tasks: with its counts, and on a phone with the metric beside it."""
    return 222 if on_phone() else 330


def pick_task(index: Index) -> str:
    """The task, measured ones first, in the order of the suite."""
    there = {entry.task for entry in index.entries}
    measured = {entry.task for entry in index.entries if entry.trust != "published"}
    order = [name for name in KNOWN if name in there]
    options = [*order, *sorted(there - set(order))]
    options.sort(key=lambda name: name not in measured)
    counts = counts_of(index)
    why = {name: f"No model was measured on {name} yet; see the field for what others reported." for name in counts}
    return address.select(
        "Task",
        options,
        "task",
        options[0],
        why=why,
        format_func=lambda name: task_label(name, counts),
        help=_tasks_help(options),
    )


class Count(NamedTuple):
    """How many models a task has."""

    measured: int
    published: int
    reported: int


def counts_of(index: Index) -> dict[str, Count]:
    """How many models were measured here, published in papers and reported by others, by task; floors count too.

    A task on which others reported also counts results in some of its languages: they have its cells.
    """
    reported = field_of(index).models()
    measured = Counter(entry.task for entry in index.entries if not entry.source)
    measured.update(
        base for entry in index.entries if (base := entry.task.partition(".")[0]) != entry.task and base in reported
    )
    published = Counter(entry.task for entry in index.entries if entry.source)
    names = {*measured, *published, *reported}
    return {name: Count(measured[name], published[name], reported.get(name, 0)) for name in names}


def task_label(name: str, counts: Mapping[str, Count]) -> str:
    """A task with the numbers of its models: `belebele · 2 measured, 236 reported`; on a phone, of all of them."""
    if on_phone():
        return f"{name} · {count(sum(counts[name]), 'model')}"
    there = [f"{number:,} {kind}" for kind, number in counts[name]._asdict().items() if number]
    return f"{name} · {', '.join(there)}"


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
    names = NAMES if headline in NAMES else (headline, *NAMES)
    sentences = "  \n".join(f"**{literal(name)}** {literal(parse_metric(name).sentence)}" for name in names)
    return address.select("Metric", names, "metric", headline, help=sentences)


def pick_model(
    index: Index,
    entries: Sequence[Entry],
    why: Mapping[str, str] = MappingProxyType({}),
    first: Sequence[Entry] = (),
) -> Entry:
    """One of the entries of a task, named in the address by its folder.

    :param first: of which the best is chosen unless a reader chooses otherwise; of all unless given
    """
    by_folder = {entry.folder: entry for entry in entries}
    names = dict(zip(by_folder, names_of(list(by_folder.values())), strict=True))
    best = best_entry(index, first or entries).folder
    chosen = address.select("Model", list(by_folder), "model", best, why=why, format_func=names.__getitem__)
    return by_folder[chosen]


def pick_language(
    label: str, languages: Sequence[str], key: str = "query", width: int | Literal["stretch"] = "stretch"
) -> str:
    """A language, shown by its name and in the address by its code; `EVERY` or the first unless chosen otherwise."""
    return address.select(
        label, languages, key, languages[0], fixed=languages[0] == EVERY, format_func=language_label, width=width
    )


def pick_pool(languages: Sequence[str]) -> tuple[str, ...]:
    """The languages of the pool, in their order; all of them unless chosen otherwise. Images stay in any pool."""
    if is_narrow(len(languages)):
        st.caption(f"With {len(languages)} languages, scores cannot be recomputed for a smaller pool.")
        return tuple(languages)
    spoken = [language for language in languages if language != IMAGES]
    chosen = address.select_many(
        "Languages in the pool",
        spoken,
        "pool",
        spoken,
        format_func=language_label,
        help="Scores and bias are recomputed from the evidence as if the pool held only these languages.",
    )
    if len(chosen) < 2:
        st.caption("A pool needs at least two languages; the scores are those of all languages.")
        return tuple(languages)
    return tuple(language for language in languages if language in chosen or language == IMAGES)


def _tasks_help(names: Sequence[str]) -> str:
    return "  \n".join(f"**{literal(name)}** {literal(KNOWN[name].title)}" for name in names if name in KNOWN)
