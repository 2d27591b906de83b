"""The overview's table: how its columns look, and what can be done with a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.board import BIAS, SCORES
from leaderboard_app.tables.columns import SENTENCES, SHORT
from leaderboard_app.tables.formats import column_format
from panglot.trust.levels import MEANINGS

COLUMN = st.column_config
MOST_COMPARED = 4
TRUST_HELP = "  \n".join(f"**{level}** {literal(sentence)}" for level, sentence in reversed(MEANINGS.items()))


def overview_columns(table: pd.DataFrame, intervals: bool) -> tuple[list[str], dict[str, object]]:
    """The columns in their order, those without any value left out, and how each is shown."""
    scores = [name for name in (*SCORES, *BIAS, "image-text") if table[name].notna().any()]
    order = ["rank", "model"]
    order += scores
    order += ["rank 95 %", "group", "parameters", "dimension", "trust", "data", "date", "organisation"]
    config: dict[str, object] = {
        name: COLUMN.NumberColumn(
            SHORT.get(name, name),
            format=column_format(name),
            help=SENTENCES.get(name),
            width=74 if name in SCORES else 130 if name in SHORT else 96,
        )
        for name in scores
    }
    for name in spread_columns(table) if intervals else ():
        about = f"{SENTENCES.get(name, '')} ± is half of the 95 % interval."
        config[name] = COLUMN.TextColumn(SHORT.get(name, name), help=about, width=110, alignment="right")
    return [name for name in order if name in table], config | {
        "rank": COLUMN.NumberColumn("rank", width=46, help="Place among all models with verified evidence."),
        "rank 95 %": COLUMN.TextColumn(
            "rank 95 %", width=76, help="95 % interval of the rank, from bootstrap draws, or why there is none."
        ),
        "group": COLUMN.TextColumn("group", width=60, help="Models that share a letter cannot be told apart."),
        "parameters": COLUMN.NumberColumn("parameters", format="compact", width=80),
        "dimension": COLUMN.NumberColumn("dim", format="localized", width=55, help="Dimension of its vectors."),
        "trust": COLUMN.TextColumn("trust", help=TRUST_HELP, width=105),
        "data": COLUMN.TextColumn("task's data", help="Whether the model was trained on this task's data.", width=100),
        "date": COLUMN.TextColumn("date", width=90),
    }


def spread_columns(table: pd.DataFrame) -> list[str]:
    """The columns of scores that have intervals."""
    names = (*SCORES, *BIAS)
    return [name for name in names if f"{name} low" in table and table[f"{name} low"].notna().any()]


def why_no_evidence(entry: Entry) -> str:
    """Why there is no evidence of a result to look into; empty where there is."""
    if entry.source:
        return f"{entry.shown} has {entry.trust} scores only, without evidence to look into or compare."
    if not entry.evidence:
        return f"{entry.shown} was submitted without evidence to look into or compare."
    return "" if entry.verified else f"The evidence of {entry.shown} is not verified yet."


def why_not_open(ticked: Sequence[str]) -> str:
    """Why no single model can be opened; empty where one can."""
    return "" if len(ticked) == 1 else "Select exactly one row to open it."


def why_no_queries(ticked: Sequence[str], entries: Mapping[str, Entry]) -> str:
    """Why the queries of what is selected cannot be shown; empty where they can."""
    return why_not_open(ticked) or _no_evidence(ticked, entries)


def why_no_comparison(ticked: Sequence[str], entries: Mapping[str, Entry]) -> str:
    """Why what is selected cannot be compared; empty where it can."""
    if not 2 <= len(ticked) <= MOST_COMPARED:
        return f"Select 2 to {MOST_COMPARED} rows to compare them."
    return _no_evidence(ticked, entries)


def _no_evidence(ticked: Sequence[str], entries: Mapping[str, Entry]) -> str:
    return next((why for folder in ticked if (why := why_no_evidence(entries[folder]))), "")
