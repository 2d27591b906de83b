"""What a page says about results that it does not show, does not rank, or has still to verify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.evidence_store import Ranked
from leaderboard_app.index.index import Index
from leaderboard_app.index.strangers import contained
from leaderboard_app.store.store import verify_pending
from leaderboard_app.widgets.pickers import KNOWN
from leaderboard_app.widgets.widgets import text_table
from panglot.data.image import IMAGES
from panglot.numbers import count

MOST_TOLD = 5
"""Models that a warning names."""


@contextmanager
def failures_shown(entry: Entry) -> Iterator[None]:
    """Whatever goes wrong with the files of one result is said in its place, and the page goes on."""
    odd: dict[str, str] = {}
    with contained(entry.id, odd):
        yield
    for why in odd.values():
        st.warning(literal(f"{entry.id}: {why}"))


def notices(index: Index, name: str) -> None:
    """What of a task is not shown and why, and what is still being verified."""
    if index.waiting:
        st.session_state["waiting"] = index.waiting
        _waiting()
    if index.recorded:
        sample = "." if index.pending else "; this machine verified a sample of them."
        whose = f"the maintainers of {literal(index.folder.resolve().name)}"
        st.caption(f"The trust levels of {count(index.recorded, 'result')} were recorded by {whose}{sample}")
    if index.refused:
        with st.expander(f"{count(len(index.refused), 'file is', 'files are')} not shown", icon=":material/report:"):
            text_table(pd.DataFrame(list(index.refused.items()), columns=["file", "why"]))
    task = KNOWN.get(name)
    if task and task.note:
        st.caption(f":material/info: {literal(task.note)}")
    tell_imitations(entry for entry in index.entries if name in ("", entry.task))
    if task and IMAGES in task.languages:
        st.caption(f"{IMAGES} is the code of images, which have no language.")


def tell_imitations(entries: Iterable[Entry]) -> None:
    """Say so where models could be taken for others."""
    alike = dict.fromkeys((entry.identity, entry.imitates) for entry in entries if entry.imitates)
    lines = [
        literal(f"{identity} is named like {other} but has another id: it may be a different model.")
        for identity, other in alike
    ]
    if len(lines) > MOST_TOLD:
        lines[MOST_TOLD:] = [f"{count(len(lines) - MOST_TOLD, 'more has such a name', 'more have such names')}."]
    if lines:
        st.warning("  \n".join(lines))


def tell_ranked(ranked: Ranked, entries: Sequence[Entry]) -> None:
    """Who is ranked, and of those who are not why."""
    waiting = sum(entry.trust == "not checked" for entry in entries)
    if ranked.models and waiting:
        rest = count(waiting, "is", "are")
        st.caption(f"Ranks are among the {len(ranked.models)} verified so far; {rest} not verified yet.")
    if ranked.odd:
        with st.expander(f"{count(len(ranked.odd), 'model is', 'models are')} not ranked", icon=":material/report:"):
            text_table(pd.DataFrame(list(ranked.odd.items()), columns=["result", "why"]))


@st.fragment(run_every="3s")
def _waiting() -> None:
    """How many results are still to be verified; the page is drawn again when half of what was left is done."""
    left = verify_pending().waiting
    before = st.session_state["waiting"]
    if left > before or left <= before // 2 < before:
        st.rerun()
    rest = count(left, "result is", "results are")
    st.caption(f":material/hourglass_top: {rest} still being verified, and marked *not checked* until then.")
