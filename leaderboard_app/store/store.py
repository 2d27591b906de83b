"""What pages read, and what is remembered of it between runs and visitors.

Frames, evidence and contributions are shared by all visitors and never changed (`cache_resource`). Every key holds a
stamp of the files, so nothing outlives a change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import streamlit as st

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.evidence_store import (
    NOBODY,
    Ranked,
    has_answers,
    rank_comparable,
    stored_answers,
    stored_contributions,
    stored_evidence,
    stored_standings,
)
from leaderboard_app.index.folder import home_of
from leaderboard_app.index.index import Index, is_current, read_index, read_scores, stamp_of_index, update
from leaderboard_app.index.strangers import check_regular, contained
from leaderboard_app.index.verification import start_checks
from leaderboard_app.tables.board import Row, best_first, bias_values, image_text, is_text_to_image, values
from leaderboard_app.tables.recompute import Recomputed, recompute
from leaderboard_app.tables.remedies import Answers
from leaderboard_app.tables.texts import Texts, read_texts
from panglot.errors import BadResult
from panglot.progress import Advance
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.contributions import Contributions
from panglot.score.comparison.paired import compare_contributions
from panglot.score.summary import BIAS_NAMES

LOOK_AGAIN = "20s"
"""How long a change of the files may go unseen."""


def submissions() -> Path:
    """The folder that the board was opened on."""
    return Path(sys.argv[1] if len(sys.argv) > 1 else "submissions")


def read_board() -> Index:
    """The index of the submissions, brought up to date."""
    folder = submissions()
    home = home_of(folder)
    if not _is_current(str(folder), str(home)):
        update(folder, _bar)
        _is_current.clear()
    return _index(str(folder), stamp_of_index(home))


def verify_pending() -> Index:
    """The same; what is not verified yet is verified in another process, so this comes after what a page shows."""
    index = read_board()
    if index.pending:
        start_checks(index)
    return index


def scores_of(
    index: Index,
    tasks: Sequence[str],
    metrics: Sequence[str],
    overall: bool = False,
    entries: Sequence[Entry] = (),
) -> pd.DataFrame:
    """Rows of the index: `result, task, metric, setting, query, candidate, value, low, high`; never changed.

    `overall` leaves out single languages; named `entries` leave out all others.
    """
    results = tuple(entry.id for entry in entries)
    return _scores(str(index.home), index.stamp, tuple(tasks), tuple(metrics), overall, results)


def bias_of(index: Index, task: str) -> Mapping[str, Row]:
    """Of each result on a task, its bias measures over all languages; shared by all visitors, so never changed."""
    return _bias(index, index.stamp, task)


def best_entry(index: Index, entries: Sequence[Entry]) -> Entry:
    """The entry of a task that a page opens on."""
    task, headline = entries[0].task, entries[0].headline
    return best_first(entries, values(scores_of(index, [task], [headline], overall=True), headline))[0]


def result_of(index: Index, entry: Entry) -> ResultRecord:
    """The result file of an entry that was measured here.

    :raises BadResult: it has gone or changed into something else.
    """
    path = result_path(index, entry)
    check_regular(path)
    return read_result_record(path)


def result_path(index: Index, entry: Entry) -> Path:
    """Where the result file of an entry is."""
    return index.folder / f"{entry.id}.json"


def evidence_of(index: Index, entry: Entry) -> Evidence:
    """The evidence of an entry that has some.

    :raises BadResult: it cannot be read.
    """
    return _evidence(str(index.home), str(result_path(index, entry)), index.stamp)


def contributions_of(index: Index, entry: Entry, metric: str) -> Contributions:
    """What each question adds to the scores of an entry in the pool of all languages.

    :raises BadResult: the evidence cannot be read.
    """
    return _contributions(str(index.home), str(result_path(index, entry)), index.stamp, metric)


def standings_of(
    index: Index, entries: Sequence[Entry], metric: str, setting: str, languages: tuple[str, ...] | None = None
) -> Ranked:
    """Ranks, their intervals and letters of the entries with verified evidence, in the pool of some or all languages.

    Nobody is ranked where the setting gives no order.
    """
    ids = tuple(entry.id for entry in entries if entry.ranked)
    compared = tuple(entry.id for entry in entries if entry.ranked and entry.compared)
    try:
        return _standings(index, index.stamp, ids, compared, metric, setting, languages) if ids else NOBODY
    except BadResult:
        return NOBODY


def comparison_of(index: Index, one: Entry, other: Entry, metric: str) -> Comparison:
    """The paired tests of two entries that have evidence.

    :raises BadResult: the two do not hold the same queries.
    """
    return _comparison(index, index.stamp, one.id, other.id, metric)


def answers_of(index: Index, entry: Entry, policies: Sequence[str]) -> Answers:
    """What each policy would give, of an entry that has evidence.

    :raises BadResult: the evidence cannot be read, or none of the policies can be answered from it.
    """
    return stored_answers(index.home, result_path(index, entry), policies)


def is_answered(index: Index, entry: Entry, policies: Sequence[str]) -> bool:
    """Whether `answers_of` has nothing left to compute."""
    return has_answers(index.home, result_path(index, entry), policies)


@st.cache_resource(max_entries=4, show_spinner="Reading the texts …")
def texts_of(task: str, languages: tuple[str, ...]) -> Texts:
    """What the items of a task say, where its data is here."""
    return read_texts(task, languages)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Advance]:
    """A progress bar of the page that is being drawn; it leaves no trace."""
    bar, done = st.progress(0.0, f"{label} …"), 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        bar.progress(min(done / max(total, 1), 1.0), f"{label} … {done:,} of {total:,}")

    yield advance
    bar.empty()


@st.cache_data(ttl=LOOK_AGAIN, show_spinner=False)
def _is_current(folder: str, home: str) -> bool:
    return is_current(Path(folder), Path(home))


@st.cache_resource(max_entries=2, show_spinner=False)
def _index(folder: str, stamp: str) -> Index:
    return read_index(Path(folder))


@st.cache_resource(max_entries=64, show_spinner=False)
def _scores(
    home: str, stamp: str, tasks: tuple[str, ...], metrics: tuple[str, ...], overall: bool, results: tuple[str, ...]
) -> pd.DataFrame:
    return read_scores(Path(home), tasks, metrics, overall, results).to_pandas()


@st.cache_resource(max_entries=16, show_spinner=False)
def _bias(_index: Index, stamp: str, task: str) -> Mapping[str, Row]:
    return bias_values(scores_of(_index, [task], BIAS_NAMES, overall=True))


@st.cache_resource(max_entries=16, show_spinner="Reading the evidence …")
def _evidence(home: str, path: str, stamp: str) -> Evidence:
    return stored_evidence(Path(home), Path(path))


@st.cache_resource(max_entries=128, show_spinner=False)
def _contributions(home: str, path: str, stamp: str, metric: str) -> Contributions:
    return stored_contributions(Path(home), Path(path), metric)


@st.cache_data(max_entries=64, show_spinner="Ranking …")
def _standings(
    _index: Index,
    stamp: str,
    ids: tuple[str, ...],
    compared: tuple[str, ...],
    metric: str,
    setting: str,
    languages: tuple[str, ...] | None,
) -> Ranked:
    home, paths = _index.home, {id_: _index.folder / f"{id_}.json" for id_ in ids}
    if languages is None:
        return stored_standings(home, paths, metric, setting, compared)
    odd: dict[str, str] = {}
    added = {}
    for id_, path in paths.items():
        with contained(id_, odd):
            added[id_] = _recomputed(str(home), str(path), stamp, metric, languages).added
    return rank_comparable(added, odd, metric, setting, compared)


def recomputed(index: Index, entries: Sequence[Entry], metric: str, languages: tuple[str, ...]) -> dict[str, Row]:
    """Scores in the pool of these languages of every entry whose evidence holds."""
    chosen = [entry for entry in entries if entry.verified]
    home = str(index.home)
    rows = {}
    with _bar("Recomputing from the evidence", len(chosen)) as advance:
        for entry in chosen:
            with contained(entry.id, {}):
                rows[entry.id] = _recomputed(home, str(result_path(index, entry)), index.stamp, metric, languages).row
            advance(1)
    return rows


def image_text_of(index: Index) -> dict[str, float]:
    """For each model's folder, its mean over the text-to-image tasks that it has."""
    entries = [entry for entry in index.entries if is_text_to_image(entry.task)]
    if not entries:
        return {}
    tasks, metrics = {entry.task for entry in entries}, {entry.headline for entry in entries}
    return image_text(scores_of(index, sorted(tasks), sorted(metrics), overall=True), entries)


@st.cache_data(max_entries=64, show_spinner="Testing every pair of languages …")
def _comparison(_index: Index, stamp: str, one: str, other: str, metric: str) -> Comparison:
    by_id = {entry.id: entry for entry in _index.entries}
    first, second = (contributions_of(_index, by_id[id_], metric) for id_ in (one, other))
    return compare_contributions(first, second, metric)


@st.cache_resource(max_entries=128, show_spinner=False)
def _recomputed(home: str, path: str, stamp: str, metric: str, languages: tuple[str, ...]) -> Recomputed:
    return recompute(stored_evidence(Path(home), Path(path)), metric, languages)
