"""The index of a folder of submissions: facts of each result, one row for each score, and what verification found.

It lives in the user's cache, in a folder named after the submissions' path, and is only ever a copy: what a file's
size and time say has changed is read and verified again. `scores.parquet` is sorted by task and metric, so that a page
reads the few row groups that it shows.

    python -m leaderboard_app.index [--json] [FOLDER]     what `panglot index` runs
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock
from pydantic import BaseModel

from leaderboard_app.board import SETTINGS
from leaderboard_app.entries import SCHEMA, Entry, Found, Trust, published, read_folder
from leaderboard_app.evidence_store import drop_others, stored_contributions, stored_standings
from suite.errors import BadResult
from suite.progress import Progress, silent
from suite.results.record import write_whole
from suite.results.result import read_result
from suite.trust.verify import Verdict, known_tasks, verify_folder

FORM = f"1 {version('panglot')}"
"""An index of another form is built anew."""

ROW_GROUP = 1 << 16


class Known(BaseModel, frozen=True):
    """What the files say: `stamps` of the folders as they were read, and the entries in them."""

    form: str = FORM
    stamps: dict[str, str] = {}
    entries: tuple[Entry, ...] = ()
    refused: dict[str, str] = {}


class Checked(BaseModel, frozen=True):
    """What verification found of one folder as it was at `stamp`: levels by file name, and what is wrong."""

    stamp: str
    levels: dict[str, Trust] = {}
    findings: dict[str, tuple[str, ...]] = {}


class Checks(BaseModel, frozen=True):
    """All that was verified, by folder."""

    form: str = FORM
    folders: dict[str, Checked] = {}


AnyRecord = TypeVar("AnyRecord", Known, Checks)


@dataclass(frozen=True)
class Index:
    """What the board shows. `refused` says of files why they are not shown; `waiting` counts unverified results."""

    folder: Path
    entries: tuple[Entry, ...]
    refused: dict[str, str]
    waiting: int
    stamp: str
    """Changes with anything that is shown."""


def update(folder: Path, progress: Progress = silent) -> None:
    """Read what is new or changed below a folder of submissions."""
    home = home_of(folder)
    with FileLock(home / ".lock"):
        stamps = dict(_stamps(folder))
        known = _load(home / "entries.json", Known)
        if _is_whole(home, known) and known.stamps == stamps:
            return
        same = {name for name, stamp in stamps.items() if known.stamps.get(name) == stamp}
        kept = Found(
            [entry for entry in known.entries if entry.folder in same],
            [],
            {file: why for file, why in known.refused.items() if file.partition("/")[0] in same},
        )
        parts = [kept, published(), *_read_folders(folder, sorted(set(stamps) - same), progress)]
        _write_scores(home / "scores.parquet", [entry.id for entry in kept.entries], parts)
        entries = tuple(entry for part in parts for entry in part.entries)
        refused = {file: why for part in parts for file, why in part.refused.items()}
        _save(home / "entries.json", Known(stamps=stamps, entries=entries, refused=refused))


def check(folder: Path, progress: Progress = silent) -> None:
    """Verify what has changed since it was verified, one folder at a time; what is found is kept at once.

    Evidence that holds is put into the store, so that the first visitor does not wait for it.
    """
    home = home_of(folder)
    with FileLock(home / ".check.lock"):
        stamps = dict(_stamps(folder))
        checks = _load(home / "checks.json", Checks)
        done = {name: found for name, found in checks.folders.items() if stamps.get(name) == found.stamp}
        left = sorted(set(stamps) - set(done))
        with progress("verifying submissions", len(left)) as advance:
            for name in left:
                done[name] = _checked(stamps[name], _verified(folder / name, home))
                _save(home / "checks.json", Checks(folders=done))
                advance(1)
        if left or len(done) < len(checks.folders):
            drop_others(home, (path for name in stamps for path in (folder / name).glob("*.json")))
            _rank(read_index(folder), progress)


def read_index(folder: Path) -> Index:
    """The index as it stands; results that do not hold, or cannot be compared, are left out and named in `refused`."""
    home = home_of(folder)
    known, checks = _load(home / "entries.json", Known), _load(home / "checks.json", Checks)
    refused = dict(known.refused)
    entries = []
    for entry in known.entries:
        found = checks.folders.get(entry.folder)
        if found and found.stamp == known.stamps.get(entry.folder):
            stem = Path(entry.id).name
            entry = entry.model_copy(update={"trust": found.levels.get(stem, entry.trust)})
            refused |= {f"{entry.id}.json": " ".join(found.findings[stem])} if entry.trust == "failed" else {}
        entries.append(entry)
    shown = [entry for entry in entries if entry.trust != "failed"]
    fingerprints = _fingerprints(shown)
    for entry in shown:
        if entry.fingerprint not in (None, fingerprints.get(entry.task)):
            refused[f"{entry.id}.json"] = "It is on other content than the task, so it cannot be compared."
    shown = [entry for entry in shown if f"{entry.id}.json" not in refused]
    waiting = sum(entry.trust == "not checked" for entry in shown)
    files = (home / "entries.json", home / "checks.json", home / "scores.parquet")
    stamp = " ".join(_stamp_of(path) for path in files if path.exists())
    told = {file: why.replace(f"{folder}/", "") for file, why in refused.items()}  # where we keep them is our business
    return Index(folder, tuple(shown), told, waiting, stamp)


def _fingerprints(entries: Sequence[Entry]) -> dict[str, str]:
    """The content that each task is about: what the suite says, else what most results were measured on."""
    counted: dict[str, Counter[str]] = {}
    for entry in entries:
        if entry.fingerprint:
            counted.setdefault(entry.task, Counter())[entry.fingerprint] += 1
    known = {name: task.fingerprint for name, task in known_tasks().items() if task.fingerprint}
    return {name: counter.most_common(1)[0][0] for name, counter in counted.items()} | known


def read_scores(folder: Path, tasks: Sequence[str], metrics: Sequence[str], overall: bool = False) -> pa.Table:
    """Rows of some metrics on some tasks, as `entries.SCHEMA` has them; `overall` leaves out single languages."""
    wanted = (pc.field("task").isin(list(tasks))) & (pc.field("metric").isin(list(metrics)))
    if overall:
        wanted = wanted & (pc.field("query") == "") & (pc.field("candidate") == "")
    texts = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
    return pq.read_table(home_of(folder) / "scores.parquet", filters=wanted, read_dictionary=texts)


def is_current(folder: Path) -> bool:
    """Whether the index has read all that is there now."""
    home = home_of(folder)
    known = _load(home / "entries.json", Known)
    return _is_whole(home, known) and known.stamps == dict(_stamps(folder))


def _is_whole(home: Path, known: Known) -> bool:
    return bool(known.entries) and (home / "scores.parquet").exists()


def home_of(folder: Path) -> Path:
    """Where the index of a folder of submissions lives, in the user's cache."""
    import pooch

    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    home = Path(pooch.os_cache("panglot")) / "board" / name
    home.mkdir(parents=True, exist_ok=True)
    return home


def _stamps(folder: Path) -> Iterator[tuple[str, str]]:
    """Each submission's folder, with the size and time of every file in it."""
    for path in sorted(folder.glob("*@*")):
        if path.is_dir() and not path.is_symlink():
            files = (f"{file.name} {_stamp_of(file)}" for file in sorted(path.iterdir()))
            yield path.name, hashlib.sha256("\n".join(files).encode()).hexdigest()


def _stamp_of(path: Path) -> str:
    status = path.lstat()
    return f"{status.st_mtime_ns:x}.{status.st_size:x}"


def _read_folders(folder: Path, names: Sequence[str], progress: Progress) -> Iterator[Found]:
    with progress("reading submissions", len(names)) as advance:
        for name in names:
            yield read_folder(folder / name)
            advance(1)


def _write_scores(path: Path, kept: Sequence[str], parts: Sequence[Found]) -> None:
    tables = [table for part in parts for table in part.rows]
    if kept and path.exists():
        tables.append(pq.read_table(path, filters=pc.field("result").isin(kept)).cast(SCHEMA))
    rows = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    names = rows.select(["task", "metric"]).cast(pa.schema({"task": pa.string(), "metric": pa.string()}))
    rows = rows.take(pc.sort_indices(names, [("task", "ascending"), ("metric", "ascending")]))
    write_whole(path, lambda unfinished: pq.write_table(rows, unfinished, ROW_GROUP, compression="zstd"))


def _rank(index: Index, progress: Progress) -> None:
    """Put into the store how the models stand on each task, as the overview shows it first."""
    entries = [entry for entry in index.entries if entry.verified]
    tasks = list(dict.fromkeys(entry.task for entry in entries))
    home = home_of(index.folder)
    with progress("ranking", len(tasks)) as advance:
        for task in tasks:
            there = [entry for entry in entries if entry.task == task]
            paths = {entry.id: index.folder / f"{entry.id}.json" for entry in there}
            for setting in SETTINGS:
                with suppress(BadResult):  # pools with images have no mono
                    stored_standings(home, paths, there[0].headline, setting)
            advance(1)


def _verified(folder: Path, home: Path) -> Sequence[Verdict]:
    """What is found of one folder; its evidence is put into the store."""
    verdicts = verify_folder(folder)
    for verdict in verdicts:
        if verdict.level in ("consistent", "recomputed", "reproduced"):
            stored_contributions(home, verdict.path, read_result(verdict.path).task.headline)
    return verdicts


def _checked(stamp: str, verdicts: Sequence[Verdict]) -> Checked:
    return Checked(
        stamp=stamp,
        levels={verdict.path.stem: verdict.level for verdict in verdicts if verdict.path.suffix == ".json"},
        findings={verdict.path.stem: verdict.findings for verdict in verdicts if verdict.findings},
    )


def _load(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Our own file, or an empty one where there is none of this form."""
    try:
        record = kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return kind()
    return record if record.form == FORM else kind()


def _save(path: Path, record: BaseModel) -> None:
    write_whole(path, lambda unfinished: unfinished.write_text(record.model_dump_json(), encoding="utf-8"))


def main(arguments: Sequence[str]) -> None:
    """Bring the index of a folder up to date, and say what is not shown."""
    from suite.commands.output import print_json
    from suite.plain import plain
    from suite.view.console import PlainConsole
    from suite.view.terminal import progress_bar

    folder = Path(next((argument for argument in arguments if argument != "--json"), "submissions"))
    steps: tuple[Callable[[Path, Progress], None], ...] = (update, check)
    for step in steps:
        step(folder, progress_bar)
    index = read_index(folder)
    if "--json" in arguments:
        print_json({"shown": len(index.entries), "refused": index.refused})
        return
    console = PlainConsole()
    console.print(f"{len(index.entries)} results are shown, {len(index.refused)} are not.", soft_wrap=True)
    for file, why in index.refused.items():
        console.print(f"  {plain(file)}: {plain(why)}", soft_wrap=True)


if __name__ == "__main__":
    main(sys.argv[1:])
