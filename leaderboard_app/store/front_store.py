"""What pages read from the first page's tables, remembered like all of `store`."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.field_store import field_of, stamp_of_field
from leaderboard_app.store.store import scores_of, standings_of
from leaderboard_app.tables import board
from leaderboard_app.tables.front import Front, front_of_entries, front_of_field, usual_setting
from panglot.data.catalogue import suite_tasks


def fronts_of(index: Index) -> dict[str, Front]:
    """The models of each section."""
    return _fronts(index, index.stamp, stamp_of_field(index))


def front_here(index: Index, entries: Sequence[Entry]) -> Front:
    """The models of some entries on whole tasks, with their ranks where they have verified evidence."""
    there = {entry.task: entry.headline for entry in entries}
    order = {name: place for place, name in enumerate(suite_tasks())}
    whole = [task for task in there if task in order or "." not in task]
    tasks = sorted(whole, key=lambda name: order.get(name, len(order)))
    table = scores_of(index, tasks, sorted({there[task] for task in tasks}), overall=True)
    kept = {entry.id for entry in entries}
    scores, standings = {}, {}
    for task in tasks:
        rows = board.values(table[table["task"] == task], there[task])
        scores[task] = {id_: row for id_, row in rows.items() if id_ in kept}
        same = [entry for entry in index.entries if entry.task == task]
        standings[task] = standings_of(index, same, there[task], usual_setting(scores[task].values())).models
    return front_of_entries(entries, scores, standings)


@st.cache_resource(max_entries=2, show_spinner=False)
def _fronts(_index: Index, stamp: str, field_stamp: str) -> dict[str, Front]:
    """The models of each section."""
    own = [entry for entry in _index.entries if not entry.floor]
    return {
        "verified": front_here(_index, [entry for entry in own if entry.ranked]),
        "unverified": front_here(_index, [entry for entry in own if not entry.source and not entry.ranked]),
        "reported": front_of_field(field_of(_index)),
        "published": front_here(_index, [entry for entry in own if entry.source]),
    }
