"""What becomes of an upload: a report, a place in the inbox, a preview of the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leaderboard_app.index.entries import Entry, Found, read_folder
from leaderboard_app.tables import board
from leaderboard_app.uploads.inbox import Inbox, NotTaken
from leaderboard_app.uploads.sandbox import LIMITS, PLACED, Limits, OnProgress, Report, check_upload
from panglot.trust.submission import pack

CHECKED = "checked.zip"
"""Packed from the files that were verified: what came around them in the upload is not kept."""

PREVIEW = ("yours", "rank", "model", *board.SCORES, *board.BIAS, "trust", "date")
"""Columns of a preview."""
YOURS = "▶"
"""What marks the upload."""


@dataclass(frozen=True)
class Outcome:
    """What was found about an upload, and where nothing is wrong: its scores and its name in the inbox."""

    report: Report
    found: Found | None = None
    kept: str = ""
    not_taken: str = ""
    """Why the inbox did not take it, whatever was found."""


def receive(upload: bytes | memoryview, inbox: Inbox, on_progress: OnProgress, limits: Limits = LIMITS) -> Outcome:
    """Verify an upload, and keep it in the inbox if it passes."""
    report = Report()
    try:
        with inbox.incoming(upload) as own:
            report = check_upload(own, on_progress, limits)
            if not report.folder:
                return Outcome(report)
            found = _trusted(read_folder(own / PLACED / report.folder), report)
            checked = pack(own / PLACED / report.folder, own / CHECKED)
            return Outcome(report, found, inbox.keep(checked, report.folder).name)
    except NotTaken as error:
        return Outcome(report, not_taken=str(error))


def _trusted(found: Found, report: Report) -> Found:
    """The same with the levels that verification found."""
    levels = {Path(file.name).stem: file.level for file in report.files}
    return found._replace(
        entries=[entry.model_copy(update={"trust": levels[Path(entry.id).name]}) for entry in found.entries]
    )


def preview(entries: Sequence[Entry], scores: Sequence[pd.DataFrame], found: Found, task: str) -> pd.DataFrame:
    """The overview of a task as it would be with the upload in it: the upload first, then its order.

    Only results with verified evidence have a rank, and no floors, as on the board. `entries` and `scores` are the
    board's on this task, of its headline metric and `board.BIAS`; there may be none.
    """
    own = next(entry for entry in found.entries if entry.task == task)
    rows = pd.concat([*scores, *(table.to_pandas() for table in found.rows)], ignore_index=True)
    table = board.overview([*entries, own], board.values(rows, own.headline))
    ranked = {entry.folder for entry in (*entries, own) if entry.ranked}
    balance = table["balance"].where(table["folder"].isin(ranked))
    table["rank"] = balance.rank(ascending=False, method="min").astype("Int64")
    table["yours"] = (table["folder"] == own.folder).map({True: YOURS, False: ""})
    return table.sort_values("yours", ascending=False, kind="stable", ignore_index=True)[list(PREVIEW)]


def place_in_words(table: pd.DataFrame) -> str:
    """The place of the upload in its preview."""
    place, models = table.loc[table["yours"] == YOURS, "rank"].item(), table["rank"].notna().sum()
    if pd.isna(place):
        return "This result is not ranked: a rank needs a balance and verified evidence, and floors have none."
    return f"Place {place} of {models} by balance."
