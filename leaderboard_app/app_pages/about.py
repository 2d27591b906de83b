"""What the numbers mean, how to reproduce them, where the data is from, and how to cite."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.tables.definitions import (
    COMMANDS,
    RULES,
    SUBSET,
    bias_measures,
    bibtex,
    data,
    metrics,
    task_table,
)
from leaderboard_app.widgets.widgets import COLUMN, show_table
from panglot.data.catalogue import all_tasks
from panglot.score.settings import MEANINGS
from panglot.trust import levels

WIDTH = 860  # pixels; longer lines are hard to read


def listed(meanings: Mapping[str, str]) -> None:
    """Names and what they mean."""
    st.markdown("\n".join(f"- **{literal(name)}**: {literal(meaning)}" for name, meaning in meanings.items()))


SECTIONS = {
    "tasks": "Tasks",
    "settings": "Settings",
    "metrics": "Metrics",
    "bias": "Language bias",
    "rules": "Rules",
    "trust": "Trust",
    "reproduce": "Reproduce a number",
    "data": "Data and licences",
    "cite": "Cite",
}
"""Headings, by their anchors."""


def head(anchor: str) -> None:
    """The heading of a section."""
    st.header(SECTIONS[anchor], anchor=anchor)


st.title("About")
st.caption("What the numbers mean, and how to reproduce and cite them.")
st.markdown(" · ".join(f"[{title}](#{anchor})" for anchor, title in SECTIONS.items()))

head("tasks")
tasks = task_table(all_tasks())
config = {
    "task": COLUMN.TextColumn(width=170),
    "what": COLUMN.TextColumn(width=500),
    **{name: COLUMN.NumberColumn(format="localized") for name in ("languages", "queries", "candidates")},
}
show_table(tasks, "panglot tasks", "tasks", config)

with st.container(width=WIDTH):
    head("settings")
    listed(MEANINGS)

    head("metrics")
    listed(metrics())

    head("bias")
    st.write("In the pool of all languages, each beside the value that a language-blind ranker gets.")
    listed(bias_measures())

    head("rules")
    for subject, text in RULES.items():
        st.subheader(subject, anchor=False)
        st.markdown(text)

    head("trust")
    st.write(
        "Determined from the files whenever they change, whatever a submission claims: on this machine, or, where a "
        "level is marked as recorded, by the maintainers of these submissions."
    )
    listed(levels.MEANINGS)

    head("reproduce")
    for what, command in COMMANDS.items():
        st.write(f"{what}:")
        st.code(command, language=None, wrap_lines=True)
    st.write("Scores in a pool of chosen languages:")
    st.code(SUBSET, language=None)

    head("data")
    listed(data(all_tasks()))

    head("cite")
    st.write("The suite, and the data of the tasks that you report:")
    st.code(bibtex(all_tasks()), language=None, wrap_lines=True)
