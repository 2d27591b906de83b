"""Submit results: they are verified, kept for the maintainers to review, and previewed to nobody else."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from leaderboard_app.index.entries import Found
from leaderboard_app.index.names import known_models, mark_imitations
from leaderboard_app.store.store import read_board, scores_of, submissions
from leaderboard_app.tables import board
from leaderboard_app.uploads.inbox import Inbox
from leaderboard_app.uploads.upload import Outcome, place_in_words, preview, receive
from leaderboard_app.widgets.notices import tell_imitations
from leaderboard_app.widgets.pickers import entries_on
from leaderboard_app.widgets.widgets import number_columns, show_table

MOST_UPLOADS = 20  # in one session


def check_upload(upload: memoryview) -> Outcome:
    """Receive an upload, with a bar."""
    bar = st.progress(0.0, "Waiting for its turn …")
    inbox = Inbox(Path(sys.argv[2] if len(sys.argv) > 2 else "inbox"), submissions())
    outcome = receive(upload, inbox, lambda done, total: bar.progress(done / total, f"Verified {done} of {total} …"))
    bar.empty()
    return outcome


def forget() -> None:
    """The next file has no outcome yet."""
    st.session_state.pop("outcome", None)


def show(outcome: Outcome) -> None:
    """The verdict in words of ours, and the report as plain text."""
    if outcome.not_taken:
        st.warning(outcome.not_taken, icon=":material/inbox:")
    elif outcome.kept:
        words = f"All checks passed. A maintainer will review it; in the inbox it is {outcome.kept}."
        st.success(words, icon=":material/check_circle:")
    else:
        st.error("The submission was refused, and nothing was kept.", icon=":material/block:")
    lines = outcome.report.lines()
    if lines:
        st.code("\n".join(lines), language=None, wrap_lines=True)


def show_preview(found: Found) -> None:
    """The board as it would be; from this session's memory alone."""
    st.subheader("Your preview of the board", anchor=False)
    st.caption("Only you can see it, and only until you reload or close this page.")
    headlines = {entry.task: entry.headline for entry in found.entries}
    task = st.selectbox("Task", list(headlines), key="preview")
    index = read_board()
    marked = mark_imitations([*index.entries, *found.entries], known_models())
    found = found._replace(entries=marked[len(index.entries) :])
    entries = entries_on(index, task)
    scores = [scores_of(index, [task], [headlines[task], *board.BIAS], overall=True)] if entries else []
    table = preview(entries, scores, found, task)
    st.write(place_in_words(table))
    tell_imitations(found.entries)
    show_table(table, f"panglot preview {task}", "preview", number_columns((*board.SCORES, *board.BIAS)))


st.title("Submit")
st.caption(
    "Every score is recomputed from its evidence. Submissions that pass go to an inbox, never straight onto the board."
)
st.subheader("1. Measure", anchor=False)
st.code("panglot run MODEL --tasks xquad-r", None, wrap_lines=True)
st.subheader("2. Pack the folder that this wrote", anchor=False)
st.code(
    "panglot submit submissions/MODEL@REVISION --licence Apache-2.0 --training xquad-r=zero-shot", None, wrap_lines=True
)
st.caption(
    "State the licence of the weights, and for each task whether the model was trained on its data: trained, parent "
    "(on the data that the task was made from), zero-shot or unknown."
)
st.subheader("3. Upload the zip", anchor=False)
upload = st.file_uploader("Zip file", type="zip", on_change=forget)
count = st.session_state.get("uploads", 0)
if count >= MOST_UPLOADS:
    st.warning(f"You have reached the limit of {MOST_UPLOADS} uploads. Come back later, or send a pull request.")
if st.button("Check", type="primary", disabled=upload is None or count >= MOST_UPLOADS) and upload is not None:
    st.session_state["uploads"] = count + 1
    st.session_state["outcome"] = check_upload(upload.getbuffer())
st.subheader("4. Read the verdict", anchor=False)
st.caption("It appears here, with a preview of the board. A maintainer then reviews what passed.")

outcome: Outcome | None = st.session_state.get("outcome")
if outcome:
    show(outcome)
    if outcome.found and outcome.found.entries:
        show_preview(outcome.found)
