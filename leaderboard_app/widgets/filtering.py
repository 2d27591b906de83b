"""What a reader filters tables of models by, and which rows that keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.tables.board import BIAS, SCORES, SEEN
from leaderboard_app.widgets import address
from panglot.trust.levels import MEANINGS

SIZES = {"any": None, "50 M": 5e7, "150 M": 1.5e8, "600 M": 6e8, "2 B": 2e9, "10 B": 1e10}


class Filters(NamedTuple):
    """What a reader filters by; nothing chosen keeps all."""

    search: str = ""
    trust: Sequence[str] = ()
    data: Sequence[str] = ()
    weights: Sequence[str] = ()
    modality: Sequence[str] = ()
    size: str = "any"

    def active(self) -> dict[str, str]:
        """The filters that are set, in words, by their name in the address."""
        words = {
            "search": self.search and f"search “{self.search}”",
            "trust": self.trust and f"trust: {', '.join(self.trust)}",
            "data": self.data and f"task's data: {', '.join(self.data)}",
            "weights": self.weights and f"weights: {', '.join(self.weights)}",
            "modality": self.modality and f"modality: {', '.join(self.modality)}",
            "size": self.size != "any" and f"at most {self.size} parameters, or size unknown",
        }
        return {name: str(word) for name, word in words.items() if word}

    def keep(self, table: pd.DataFrame, scores: Sequence[str] = (*SCORES, *BIAS)) -> pd.DataFrame:
        """The rows that have one of the scores and pass; a model of unknown size passes any size."""
        kept = table[list(scores)].notna().any(axis=1)
        for column, chosen in (("trust", self.trust), ("data", self.data), ("weights", self.weights)):
            if chosen:
                kept &= table[column].isin(chosen)
        for modality in self.modality:
            kept &= table["modalities"].str.contains(modality, regex=False)
        most = SIZES[self.size]
        if most is not None:
            kept &= table["parameters"].isna() | (table["parameters"].fillna(0) <= most)
        if self.search:
            names = table["model"] + " " + table["organisation"] + " " + table["folder"]
            kept &= names.str.contains(self.search, case=False, regex=False)
        return table[kept].reset_index(drop=True)


def pick_filters(there: Collection[str], search: str) -> Filters:
    """What a reader filters by, in two columns; `there` are the levels of trust to choose from."""
    left, right = st.columns(2)
    levels = [level for level in reversed(MEANINGS) if level in there]
    with left:
        trust = address.select_many("Trust", levels, "trust")
        data = address.select_many("Task's data", list(SEEN.values()), "data")
        weights = address.select_many("Weights", ["open", "closed", "unknown"], "weights")
    with right:
        modality = address.select_many("Modality", ["text", "image"], "modality")
        size = address.select("Parameters, at most", list(SIZES), "size", "any", fixed=True)
    return Filters(search, trust, data, weights, modality, size)


def show_active(filters: Filters) -> None:
    """The filters that are set, in view whether or not their pickers are."""
    active = filters.active()
    if active:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"Filtered by {literal(' · '.join(active.values()))}", width="content")
            st.button("Clear filters", on_click=address.clear, args=(list(active),), icon=":material/filter_alt_off:")
