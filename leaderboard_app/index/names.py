"""Names that can be confused with another model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache

import pyarrow as pa

from leaderboard_app.index.entries import Entry
from panglot.encode.registry import EMBEDDED
from panglot.interop.field import shipped_field
from panglot.lookalikes import skeleton


@cache
def known_models() -> frozenset[str]:
    """Ids that are taken, whether or not their models are on the board: those built in, and those of the field."""
    return EMBEDDED | frozenset(shipped_field().rows["model"].cast(pa.string()).unique().to_pylist())


def mark_imitations(entries: Sequence[Entry], taken: AbstractSet[str] = frozenset()) -> list[Entry]:
    """The entries, those marked that could be taken for another model by their name.

    A model that is called by its own id is not blamed for one that is not; where both are, both are marked, unless the
    id of one is `taken`. An id without an organisation is that of a copy, which only models on the board contest. Rows
    of papers are left out: they name no model that could be had.
    """
    known: dict[str, dict[str, bool]] = {}
    for identity in sorted(taken):
        for name in _of_id(identity):
            known.setdefault(name, {})[identity] = True
    here = {entry.identity for entry in entries if entry.trust != "published"}
    for entry in entries:
        for name in _names(entry):
            known.setdefault(name, {})[entry.identity] = name in _of_id(entry.identity)
    return [_marked(entry, _imitated(entry, known, taken, here)) for entry in entries]


def _marked(entry: Entry, imitated: str) -> Entry:
    """The entry with what it imitates, if anything, and without an organisation that only its card claims."""
    if not imitated:
        return entry
    own = entry.identity.startswith(f"{entry.organisation}/")
    return entry.model_copy(update={"imitates": imitated, "organisation": entry.organisation if own else ""})


def _imitated(
    entry: Entry, known: Mapping[str, Mapping[str, bool]], taken: AbstractSet[str], here: AbstractSet[str]
) -> str:
    for name in sorted(_names(entry)):
        own = known[name][entry.identity]
        rivals = [identity for identity, theirs in known[name].items() if theirs or not own]
        if own and entry.identity in taken:
            continue
        if own and "/" not in entry.identity:
            rivals = [identity for identity in rivals if identity in here]
        if others := [identity for identity in rivals if identity != entry.identity]:
            return others[0]
    return ""


def _names(entry: Entry) -> set[str]:
    if entry.trust == "published":
        return set()
    return {skeleton(entry.name), *_of_id(entry.identity)} - {""}


def _of_id(identity: str) -> tuple[str, str]:
    """What a reader may take an id for: that without its organisation, and all of it."""
    return skeleton(identity.rpartition("/")[2]), skeleton(identity)
