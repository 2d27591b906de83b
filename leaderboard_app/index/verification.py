"""Verification of submissions, in a process of its own: `panglot index`, and what runs beside the board.

python -m leaderboard_app.index.verification [--json | --beside] FOLDER
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from leaderboard_app.index.evidence_store import (
    drop_others,
    drop_standings,
    put_evidence,
    standings_file,
    stored_contributions,
    stored_standings,
)
from leaderboard_app.index.folder import home_of, save, stamps_of
from leaderboard_app.index.index import Index, read_index, update
from leaderboard_app.index.strangers import contained
from leaderboard_app.index.verified import FILE, LOCK, Checked, Checks, digest_of_record, load_checks
from panglot.cli.interruption import end_plainly, on_interrupt
from panglot.errors import BadResult
from panglot.files import data_variable
from panglot.numbers import count
from panglot.progress import Progress, silent
from panglot.results.naming import RECORD
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.settings import SCORES
from panglot.trust.levels import HOLDS
from panglot.trust.recorded import read_verification, standing_holds
from panglot.trust.submission import FILE_NAME
from panglot.trust.verify import verify
from panglot.trust.verify_folder import verify_folder

SAMPLE = 2
"""Recorded results that are verified again, of each new record; and one ranking is computed again."""

_running: dict[Path, tuple[str, subprocess.Popen[bytes]]] = {}


def start_checks(index: Index) -> None:
    """Verify in a process of its own, unless one is at it or has just been."""
    stamp, process = _running.get(index.folder, ("", None))
    if process is None or (process.poll() is not None and stamp != index.stamp):
        command = [sys.executable, "-m", __name__, "--beside", str(index.folder)]
        _running[index.folder] = (
            index.stamp,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, env=os.environ | data_variable()),
        )


def verify_new(folder: Path, progress: Progress = silent) -> str:
    """Verify what is not known, one folder at a time, and a sample of what is recorded; what is found is kept at once.

    Evidence that holds is put into the store, so that the first visitor does not wait for it. Gives what there is to
    say about the sample.
    """
    home = home_of(folder)
    with FileLock(home / LOCK):
        stamps = dict(stamps_of(folder))
        before = load_checks(home)
        checks, message = _sampled(folder, home, before)
        done = {name: found for name, found in checks.folders.items() if stamps.get(name) == found.stamp}
        left = sorted(name for name in stamps if name not in done or not done[name].whole)
        with progress("verifying submissions", len(left)) as advance:
            for name in left:
                done[name] = _checked(stamps[name], folder / name, home)
                save(home / FILE, checks.model_copy(update={"folders": dict(done)}))
                advance(1)
        if left or len(done) < len(checks.folders):
            kept = _rank(read_index(folder), progress)
            drop_others(home, (path for name in stamps for path in (folder / name).glob("*.json")), kept)
        return message


def _sampled(folder: Path, home: Path, checks: Checks) -> tuple[Checks, str]:
    """What is known once a sample of the record was verified; all of it is forgotten if any of that does not hold."""
    digest = digest_of_record(folder)
    if not checks.recorded or checks.sampled == digest:
        return checks, ""
    drawn = random.SystemRandom()
    chosen = drawn.sample(checks.recorded, min(SAMPLE, len(checks.recorded)))
    verified = f"{len(chosen)} of {count(len(checks.recorded), 'result')}"
    message = f"{verified} in {RECORD} {'was' if len(chosen) == 1 else 'were'} verified again ({', '.join(chosen)})"
    wrong = {name: why for name in chosen if (why := _contradiction(folder, name, checks))}
    if ranked := _standings(folder, checks):
        task, setting = drawn.choice(ranked)
        message += f", and 1 of {count(len(ranked), 'ranking')} was computed again ({task}, {setting})"
        wrong |= _wrong_ranking(folder, task, setting)
    if not wrong:
        checks = checks.model_copy(update={"sampled": digest})
        message = f"{message}: no difference was found."
    else:
        own = {name: checked for name, checked in checks.folders.items() if not checked.recorded}
        checks = checks.model_copy(update={"folders": own, "distrusted": digest})
        drop_standings(home)
        reasons = " ".join(f"{name}: {why}" for name, why in wrong.items())
        message = f"{message}, and not all hold. {RECORD} is ignored, and everything is verified here. {reasons}"
    save(home / FILE, checks)
    return checks, message


def _standings(folder: Path, checks: Checks) -> list[tuple[str, str]]:
    """The task and setting of each recorded ranking whose results all have their recorded level."""
    record, taken = read_verification(folder), set(checks.recorded)
    return [
        (task, setting)
        for task, settings in (record.standings if record else {}).items()
        for setting, places in settings.items()
        if places and {place.result for place in places} <= taken
    ]


def _wrong_ranking(folder: Path, task: str, setting: str) -> dict[str, str]:
    """Why a recorded ranking does not hold, if it does not."""
    name, found = f"{task}, {setting}", dict[str, str]()
    with contained(name, found):
        record = read_verification(folder)
        if record is None or not standing_holds(folder, record, task, setting):
            found[name] = "The ranks do not follow from the evidence."
    return found


def _contradiction(folder: Path, name: str, checks: Checks) -> str:
    """How a recorded level differs from what is found now.

    Where the evidence holds, the levels may differ: the task's data, or an attestation, is on one machine only.
    """
    inner, _, stem = name.rpartition("/")
    recorded = checks.folders[inner].levels[stem]
    found: dict[str, str] = {}
    with contained(name, found):
        verdict = verify(folder / f"{name}.json")
        if verdict.level != recorded and not {recorded, verdict.level} <= set(HOLDS):
            found[name] = " ".join(verdict.findings) or f"It is {verdict.level}, not {recorded}."
    return found.get(name, "")


def _checked(stamp: str, folder: Path, home: Path) -> Checked:
    """What is found about one folder; evidence that holds is put into the store."""
    odd: dict[str, str] = {}
    with contained(folder.name, odd):
        found = verify_folder(folder, use=lambda path, result, evidence: _store(home, path, result, evidence))
        verdicts = [verdict for verdict in found if FILE_NAME.fullmatch(verdict.path.name)]
        return Checked(
            stamp=stamp,
            levels={verdict.path.stem: verdict.level for verdict in verdicts if verdict.path.suffix == ".json"},
            findings={verdict.path.stem: verdict.findings for verdict in verdicts if verdict.findings},
        )
    results = [path.stem for path in folder.glob("*.json") if FILE_NAME.fullmatch(path.name)]
    findings = dict.fromkeys(results, (odd[folder.name],))
    return Checked(stamp=stamp, levels=dict.fromkeys(results, "failed"), findings=findings)


def _store(home: Path, path: Path, result: ResultRecord, evidence: Evidence) -> None:
    """Put into the store what pages will ask for first."""
    put_evidence(home, path, evidence)
    stored_contributions(home, path, result.task.headline)


def _rank(index: Index, progress: Progress) -> list[Path]:
    """Put into the store how the models stand on each task, as the overview shows it first; gives what stands there."""
    entries = [entry for entry in index.entries if entry.ranked]
    tasks = list(dict.fromkeys(entry.task for entry in entries))
    home, kept = index.home, []
    with progress("ranking", len(tasks)) as advance:
        for task in tasks:
            there = [entry for entry in entries if entry.task == task]
            paths = {entry.id: index.folder / f"{entry.id}.json" for entry in there}
            compared = {entry.id for entry in there if entry.compared}
            for setting in SCORES:
                with suppress(BadResult):  # pools with images have no mono
                    stored_standings(home, paths, there[0].headline, setting, compared)
                    kept.append(standings_file(home, paths, there[0].headline, setting, compared))
            advance(1)
    return kept


def shown(index: Index) -> str:
    """How many results are shown and how many files are not; published ones come with the package."""
    published, refused = sum(entry.trust == "published" for entry in index.entries), len(index.refused)
    own = count(len(index.entries) - published, "result is", "results are")
    also = f" The board also shows {count(published, 'published result')} that ship with Panglot." if published else ""
    return f"{own} shown, {refused} {'is' if refused == 1 else 'are'} not.{also}"


def trusted(index: Index) -> str:
    """How far what is shown was verified, and where."""
    here = sum(entry.trust not in ("not checked", "published") for entry in index.entries) - index.recorded
    counts = {
        f"as recorded by the maintainers of {index.folder.resolve().name}": index.recorded,
        "verified here": here,
        "still to be verified": index.waiting,
    }
    return f"Results: {', '.join(f'{count} {what}' for what, count in counts.items() if count) or 'none'}."


def main(arguments: Sequence[str]) -> None:
    """Bring the index of a folder up to date, and say what is not shown; beside the board, only about the sample."""
    from panglot.cli.output import echo, print_json
    from panglot.cli.view.console import PlainConsole
    from panglot.cli.view.terminal import progress_bar
    from panglot.plain import plain

    folder = Path(arguments[-1])
    if "--beside" in arguments:
        os.nice(10)
        message = verify_new(folder)
        if message:
            echo(message, aside=True)
        return
    update(folder, progress_bar)
    message = verify_new(folder, progress_bar)
    index = read_index(folder)
    if "--json" in arguments:
        print_json({"shown": len(index.entries), "refused": index.refused})
        return
    console = PlainConsole()
    for line in filter(None, (shown(index), trusted(index), message)):
        console.print(plain(line), soft_wrap=True)
    for file, why in index.refused.items():
        console.print(f"  {file}: {why}", soft_wrap=True)


if __name__ == "__main__":
    on_interrupt("What was verified is kept; the same command goes on from there.")
    end_plainly(lambda: main(sys.argv[1:]))
