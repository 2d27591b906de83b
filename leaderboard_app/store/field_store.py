"""What pages read from the field: what others reported, beside what was measured here; kept like all of `store`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from leaderboard_app.index.folder import stamp_of
from leaderboard_app.index.index import Index
from leaderboard_app.index.strangers import check_regular, contained
from leaderboard_app.store.store import scores_of
from leaderboard_app.tables.field import (
    Scored,
    Standing,
    entries_of,
    metric_here,
    scored_by_others,
    scored_here,
    standing,
)
from panglot.interop.field import FILE, Field, read_fields, reported_on, shipped_field


class ReadField(NamedTuple):
    """The field of a board, and what is wrong with the part that was imported."""

    field: Field
    fault: str


def field_of(index: Index) -> Field:
    """What others reported: what ships with the package, and what was imported into the submissions."""
    return _field(str(index.folder), stamp_of_field(index)).field


def field_fault(index: Index) -> str:
    """What is wrong with the rows that were imported into the submissions; empty where nothing is."""
    return _field(str(index.folder), stamp_of_field(index)).fault


def stamp_of_field(index: Index) -> str:
    """Changes with the rows that were imported into the submissions."""
    return stamp_of(index.folder / FILE)


def scored_on(index: Index, task: str, metric: str) -> list[Scored]:
    """All models with scores on cells of a task, those measured here first."""
    return _scored(index, index.stamp, stamp_of_field(index), task, metric)


def standing_on(index: Index, task: str, metric: str, languages: Sequence[str]) -> Standing:
    """How the models on a task stand by their means over some languages."""
    return _standing(index, index.stamp, stamp_of_field(index), task, metric, tuple(languages))


@st.cache_resource(max_entries=2, show_spinner=False)
def _field(folder: str, stamp: str) -> ReadField:
    odd: dict[str, str] = {}
    with contained(FILE, odd):
        if stamp:
            check_regular(Path(folder, FILE))
        return ReadField(read_fields(Path(folder)), "")
    return ReadField(shipped_field(), odd[FILE])


@st.cache_resource(max_entries=16, show_spinner=False)
def _scored(_index: Index, stamp: str, field_stamp: str, task: str, metric: str) -> list[Scored]:
    entries = entries_of(_index.entries, task)
    here = metric_here(task, metric)
    names = sorted({entry.task for entry in entries})
    measured = scored_here(entries, scores_of(_index, names, [here]), here) if names else []
    return [*measured, *scored_by_others(reported_on(field_of(_index), task, metric))]


@st.cache_resource(max_entries=32, show_spinner=False)
def _standing(
    _index: Index, stamp: str, field_stamp: str, task: str, metric: str, languages: tuple[str, ...]
) -> Standing:
    return standing(scored_on(_index, task, metric), languages, task)
