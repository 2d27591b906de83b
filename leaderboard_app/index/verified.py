"""What is known about submissions from verification: found on this machine, or recorded beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, Field

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.evidence_store import put_standings, standings_file
from leaderboard_app.index.folder import Kept, load, save
from panglot.results.naming import RECORD
from panglot.score.comparison.standings import Standing
from panglot.trust.levels import COMPARED, Shown
from panglot.trust.recorded import VerificationRecord, read_verification

FILE = "checks.json"
LOCK = ".check.lock"


class Checked(BaseModel, frozen=True):
    """What was found about one folder as it was at `stamp`: levels by file name, and what is wrong.

    `recorded` names the files whose level was not found here. Where the folder is not `whole`, others are still to be
    verified.
    """

    stamp: str
    levels: dict[str, Shown] = {}
    findings: dict[str, tuple[str, ...]] = {}
    recorded: tuple[str, ...] = ()
    whole: bool = True


class Checks(Kept, frozen=True):
    """All that is known, by folder.

    `sampled` and `distrusted` are digests of records of which a sample was verified here: the last that held, and one
    that did not.
    """

    folders: dict[str, Checked] = Field(default_factory=dict)
    sampled: str = ""
    distrusted: str = ""

    @property
    def recorded(self) -> list[str]:
        """The results whose level was not found here."""
        return [f"{folder}/{stem}" for folder, checked in self.folders.items() for stem in checked.recorded]


def load_checks(home: Path) -> Checks:
    """What is known by now."""
    return load(home / FILE, Checks)


def digest_of_record(folder: Path) -> str:
    """What tells two records of a folder apart; empty where there is none."""
    path = folder / RECORD
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def take_recorded(folder: Path, home: Path, stamps: Mapping[str, str], entries: Sequence[Entry]) -> None:
    """Believe the record of a folder, where it has one, of the files that it is about.

    Nothing is taken while submissions are being verified.
    """
    record = read_verification(folder)
    if record is None:
        return
    with suppress(Timeout), FileLock(home / LOCK, timeout=0):
        checks = load_checks(home)
        if checks.distrusted == digest_of_record(folder):
            return
        folders = dict(checks.folders)
        for name, stamp in stamps.items():
            if name not in folders or folders[name].stamp != stamp:
                measured = [entry for entry in entries if entry.folder == name and entry.trust == "not checked"]
                levels: dict[str, Shown] = {
                    e.task: record.results[e.id].level for e in measured if record.covers(folder, e.id)
                }
                if levels:
                    whole = len(levels) == len(measured)
                    folders[name] = Checked(stamp=stamp, levels=levels, recorded=tuple(levels), whole=whole)
        checks = checks.model_copy(update={"folders": folders})
        save(home / FILE, checks)
        _take_standings(folder, home, record, {entry.id: entry.headline for entry in entries}, set(checks.recorded))


def _take_standings(
    folder: Path, home: Path, record: VerificationRecord, headlines: Mapping[str, str], taken: set[str]
) -> None:
    """Put into the store how results stand, where all that were ranked are as they were recorded."""
    for settings in record.standings.values():
        for setting, places in settings.items():
            paths = {place.result: folder / f"{place.result}.json" for place in places}
            if paths and set(paths) <= taken:
                compared = {name for name in paths if record.results[name].level in COMPARED}
                target = standings_file(home, paths, headlines[places[0].result], setting, compared)
                put_standings(target, tuple(Standing(*place) for place in places))
