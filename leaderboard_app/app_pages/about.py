"""What the numbers mean, how to reproduce them, where the data is from, and how to cite."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from leaderboard_app.definitions import (
    COMMANDS,
    RULES,
    SUBSET,
    bias_measures,
    bibtex,
    data,
    metrics,
)
from leaderboard_app.exports import literal
from panglot.data.catalogue import all_tasks
from panglot.score.settings import MEANINGS
from panglot.trust import levels

WIDTH = 860  # pixels; longer lines are hard to read


def listed(meanings: Mapping[str, str]) -> None:
    """Names and what they mean."""
    st.markdown("\n".join(f"- **{literal(name)}**: {literal(meaning)}" for name, meaning in meanings.items()))


with st.container(width=WIDTH):
    st.title("About")
    st.caption("Generated from the code that computes the numbers.")

    st.header("Settings", anchor="settings")
    listed(MEANINGS)

    st.header("Metrics", anchor="metrics")
    listed(metrics())

    st.header("Language bias", anchor="bias")
    st.write("In the pool of all languages, each beside the value that a language-blind ranker gets.")
    listed(bias_measures())

    st.header("Rules", anchor="rules")
    for subject, text in RULES.items():
        st.subheader(subject, anchor=False)
        st.markdown(text)

    st.header("Trust", anchor="trust")
    st.write(
        "Determined from the files whenever they change, whatever a submission claims: on this machine, or, where a "
        "level is marked as recorded, by the keepers of these submissions."
    )
    listed(levels.MEANINGS)

    st.header("Reproduce a number", anchor="reproduce")
    for what, command in COMMANDS.items():
        st.write(f"{what}:")
        st.code(command, language=None, wrap_lines=True)
    st.write("Scores in a pool of chosen languages:")
    st.code(SUBSET, language=None)

    st.header("Data and licences", anchor="data")
    listed(data(all_tasks()))

    st.header("Cite", anchor="cite")
    st.write("The suite, and the data of the tasks that you report:")
    st.code(bibtex(all_tasks()), language=None, wrap_lines=True)
