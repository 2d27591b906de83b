"""The first page: how good which model is on which task, apart by who says so."""

from __future__ import annotations

import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.store.field_store import field_fault
from leaderboard_app.store.front_store import fronts_of
from leaderboard_app.tables.front import ORDER, Front, as_html, found_in
from leaderboard_app.widgets import address
from leaderboard_app.widgets.notices import notices
from leaderboard_app.widgets.pickers import open_board
from panglot.numbers import count

FIRST = 10
"""Models of a section that are shown unless a reader asks for all."""
MOST = 500
"""Models of a section that are shown at most."""


SECTIONS = {
    "verified": (
        "Verified",
        "Scores recomputed from the evidence that was handed in, with 95 % intervals; ranks are among the models "
        "verified on the task.",
    ),
    "unverified": (
        "Measured, not verified",
        "Handed in without evidence, or with evidence that is still to be verified.",
    ),
    "reported": (
        "Reported by others",
        "Public results of mteb on the same questions and passages, within languages. They come without evidence, so "
        "they have no rank.",
    ),
    "published": ("Published in papers", "Printed numbers, without evidence or intervals."),
}


def show_section(key: str, front: Front, whole: bool) -> None:
    """One table, and how to see more of it."""
    title, about = SECTIONS[key]
    st.subheader(title, anchor=key)
    st.caption(literal(about))
    shown = min(len(front.lines), MOST if whole else FIRST)
    st.html(as_html(front, title, shown))
    if shown < len(front.lines):
        st.caption(f"The first {shown} of {count(len(front.lines), 'model')}.")


def main() -> None:
    """The page."""
    about = "How well models find answers in many languages, and which of these they favour."
    index = open_board("Panglot", about)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=260):
            searched = address.text("Search", "search", 80, placeholder="model or organisation")
        whole = address.toggle("Show all models", "all")
    if fault := field_fault(index):
        st.warning(literal(f"The imported rows are not shown. {fault}"))
    found = fronts_of(index)
    there = {key: found_in(front, searched) for key, front in found.items()}
    for key, front in there.items():
        if front.lines:
            show_section(key, front, whole or bool(searched))
        elif key == "verified" and found["unverified"].lines and not searched:
            st.info("No model has verified evidence yet.")
    if not any(front.lines for front in there.values()):
        st.info("No model matches. Clear the search.")
    st.caption(
        f"{ORDER} In bold: the best of a task. ± is half of a 95 % interval. ↑: higher is better. The name of a task "
        "leads to all of its models in depth."
    )
    notices(index, "")


main()
