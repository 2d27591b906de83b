"""Names that can be confused with another model's; nothing here knows Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard_app.entries import Entry
from panglot.lookalikes import skeleton


def mark_imitations(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, each with the model that it could be taken for by its name.

    A model that is called by its own id is not blamed for one that is not; where both are, both are marked. Rows of
    papers are left out: they name no model that could be had.
    """
    known: dict[str, dict[str, bool]] = {}
    for entry in entries:
        for name in _names(entry):
            own = skeleton(_last(entry.identity)) == name
            known.setdefault(name, {})[entry.identity] = own
    return [entry.model_copy(update={"imitates": _imitated(entry, known)}) for entry in entries]


def _imitated(entry: Entry, known: dict[str, dict[str, bool]]) -> str:
    for name in _names(entry):
        own = known[name][entry.identity]
        others = [identity for identity, theirs in known[name].items() if identity != entry.identity]
        blamed = [identity for identity in others if known[name][identity] or not own]
        if blamed:
            return blamed[0]
    return ""


def _names(entry: Entry) -> set[str]:
    if entry.trust == "published":
        return set()
    return {skeleton(entry.name), skeleton(_last(entry.identity))} - {""}


def _last(identity: str) -> str:
    return identity.rpartition("/")[2]
