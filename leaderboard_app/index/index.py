"""The index of a folder of submissions: facts of each result, one row for each score, and what verification found.

`scores.parquet` is sorted, so that a page reads the few row groups that it shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock
from pydantic import Field

from leaderboard_app.index.entries import Entry, Found, published, read_folder
from leaderboard_app.index.folder import Kept, home_of, load, misnamed, save, stamp_of, stamps_of
from leaderboard_app.index.names import known_models, mark_imitations
from leaderboard_app.index.score_rows import SCHEMA
from leaderboard_app.index.verified import FILE, digest_of_record, load_checks, take_recorded
from panglot.data.catalogue import suite_tasks
from panglot.files import write_whole
from panglot.lookalikes import imitated
from panglot.plain import plain
from panglot.progress import Progress, silent
from panglot.results.naming import RECORD

ENTRIES, SCORES = "entries.json", "scores.parquet"
ROW_GROUP = 1 << 16
ORDER = ("task", "metric", "query")
"""How `scores.parquet` is sorted: the scores over all languages, which most pages read alone, stand together."""


class Known(Kept, frozen=True):
    """What the files say: `stamps` of the folders as they were read, and the entries in them."""

    stamps: dict[str, str] = Field(default_factory=dict)
    record: str = ""
    """Stamp of the record of verification."""
    entries: tuple[Entry, ...] = ()
    refused: dict[str, str] = Field(default_factory=dict)


class Content(NamedTuple):
    """What results must share to stand in one table."""

    fingerprint: str | None
    headline: str
    languages: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """What the board shows. `refused` says why files are not shown.

    `waiting` counts results that are still to be verified, `recorded` those whose level is the recorded one; `pending`
    says whether there is anything to verify, be it a sample of the latter.
    """

    folder: Path
    home: Path
    """Where the index lives, from `home_of`."""
    entries: tuple[Entry, ...]
    refused: dict[str, str]
    waiting: int
    recorded: int
    pending: bool
    stamp: str
    """Changes with anything that is shown."""


def update(folder: Path, progress: Progress = silent) -> None:
    """Read what is new or changed below a folder of submissions."""
    home = home_of(folder)
    with FileLock(home / ".lock"):
        stamps, record = dict(stamps_of(folder)), stamp_of(folder / RECORD)
        known = load(home / ENTRIES, Known)
        if _is_whole(home, known) and (known.stamps, known.record) == (stamps, record):
            return
        same = {name for name, stamp in stamps.items() if known.stamps.get(name) == stamp}
        kept = Found(
            [entry for entry in known.entries if entry.folder in same],
            [],
            {file: why for file, why in known.refused.items() if file.partition("/")[0] in same},
        )
        parts = [kept, published(), *_read_folders(folder, sorted(set(stamps) - same), progress)]
        _write_scores(home / SCORES, [entry.id for entry in kept.entries], parts)
        entries = tuple(entry for part in parts for entry in part.entries)
        refused = {file: why for part in parts for file, why in part.refused.items()}
        take_recorded(folder, home, stamps, entries)
        save(home / ENTRIES, Known(stamps=stamps, record=record, entries=entries, refused=refused))


def read_index(folder: Path) -> Index:
    """The index as it stands; results that do not hold, or cannot be compared, are left out and named in `refused`."""
    home = home_of(folder)
    known, checks = load(home / ENTRIES, Known), load_checks(home)
    refused, shown = known.refused | misnamed(folder), []
    for entry in known.entries:
        checked = checks.folders.get(entry.folder)
        if checked and checked.stamp == known.stamps.get(entry.folder):
            stem = Path(entry.id).name
            level, by_maintainers = checked.levels.get(stem, entry.trust), stem in checked.recorded
            entry = entry.model_copy(update={"trust": level, "recorded": by_maintainers})
            if entry.trust == "failed":
                refused[f"{entry.id}.json"] = " ".join(checked.findings.get(stem, ("Verification failed.",)))
                continue
        shown.append(entry)
    for entry in shown:
        name = entry.task.partition(".")[0]
        if other := imitated(name, suite_tasks()):
            refused[f"{entry.id}.json"] = f"The name of its task, {name}, can be mistaken for {other}."
    usual = _usual_content(shown)
    for entry in shown:
        if entry.fingerprint and _content(entry) != usual[entry.task]:
            refused[f"{entry.id}.json"] = "It was measured on other content than the task's, so it cannot be compared."
    shown = [entry for entry in shown if f"{entry.id}.json" not in refused]
    # where we keep them is our business
    refusals = {plain(file): plain(why.replace(f"{folder}/", "").replace(file, "It")) for file, why in refused.items()}
    waiting = sum(entry.trust == "not checked" for entry in shown)
    recorded = sum(entry.recorded for entry in shown)
    pending = waiting > 0 or (recorded > 0 and checks.sampled != digest_of_record(folder))
    marked = tuple(mark_imitations(shown, known_models()))
    return Index(folder, home, marked, refusals, waiting, recorded, pending, stamp_of_index(home))


def stamp_of_index(home: Path) -> str:
    """Changes with anything that the index in a home says."""
    return " ".join(stamp_of(home / name) for name in (ENTRIES, FILE, SCORES))


def _content(entry: Entry) -> Content:
    return Content(entry.fingerprint, entry.headline, entry.languages)


def _usual_content(entries: Sequence[Entry]) -> Mapping[str, Content]:
    """The content that each task is about: what the suite says, else what most results were measured on.

    Those that were compared with the task's data go before any number of others.
    """
    counted: dict[str, Counter[Content]] = {}
    for entry in entries:
        if entry.fingerprint:
            counted.setdefault(entry.task, Counter())[_content(entry)] += len(entries) if entry.compared else 1
    known = {
        name: Content(task.fingerprint, task.headline, task.languages)
        for name, task in suite_tasks().items()
        if task.fingerprint
    }
    return {name: counter.most_common(1)[0][0] for name, counter in counted.items()} | known


def read_scores(
    home: Path, tasks: Sequence[str], metrics: Sequence[str], overall: bool = False, results: Sequence[str] = ()
) -> pa.Table:
    """Rows of some metrics on some tasks, as `entries.SCHEMA` has them; `overall` leaves out single languages.

    Named `results` leave out all others.
    """
    wanted = _one_of("task", tasks) & _one_of("metric", metrics)
    if overall:
        wanted = wanted & (pc.field("query") == "") & (pc.field("candidate") == "")
    if results:
        wanted = wanted & _one_of("result", results)
    texts = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
    return pq.read_table(home / SCORES, filters=wanted, read_dictionary=texts)


def _one_of(column: str, names: Sequence[str]) -> pc.Expression:
    return pc.field(column).isin(pa.array(names, pa.string()))  # a list without names has no type


def is_current(folder: Path, home: Path) -> bool:
    """Whether the index in a home has read all that is in the folder now."""
    known = load(home / ENTRIES, Known)
    there = (dict(stamps_of(folder)), stamp_of(folder / RECORD))
    return _is_whole(home, known) and (known.stamps, known.record) == there


def _is_whole(home: Path, known: Known) -> bool:
    return bool(known.entries) and (home / SCORES).exists()


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
    names = rows.select(list(ORDER)).cast(pa.schema(dict.fromkeys(ORDER, pa.string())))
    rows = rows.take(pc.sort_indices(names, [(name, "ascending") for name in ORDER]))
    write_whole(path, lambda unfinished: pq.write_table(rows, unfinished, ROW_GROUP, compression="zstd"))
