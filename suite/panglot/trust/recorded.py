"""What verification found about a folder of submissions, recorded there, so that nobody with the same files repeats it.

`verified.json` lies at the root of the folder and belongs to those who keep it. A file of that name in a submission or
an upload is never read. A record holds for the files whose sha256 it names and for the code that wrote it; whatever
else is there is verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from panglot.encode.registry import FLOORS
from panglot.errors import BadResult
from panglot.files import real_path
from panglot.results.evidence_file import (
    EVIDENCE_FILES,
    NARROW_LIMITS,
    NEEDED,
    evidence_file,
    is_evidence_of,
    read_evidence,
)
from panglot.results.naming import RECORD, is_result_name
from panglot.results.record import Record, read_record
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import Score
from panglot.score.comparison.contributions import Contributions, contributions
from panglot.score.comparison.standings import Standing, comparable, rank_contributions
from panglot.score.settings import SCORES
from panglot.trust.attested import is_recorded
from panglot.trust.levels import COMPARED, HOLDS, Level
from panglot.trust.rerun import attestation_file
from panglot.trust.verify import Use, Verdict

_DECISIVE = ("results", "score", "trust")
"""Rooms whose sources decide what is found of a file: how it is read, what its evidence scores, what holds."""


class Found(Record):
    """What was found of one result, and of which files."""

    level: Level
    sha256: dict[str, str]
    """By file name; the longest lists are left out, since they need not be there."""


class Place(NamedTuple):
    """A `Standing` as a row of the file."""

    result: str
    place: int
    low: int
    high: int
    score: Score
    letters: tuple[str, ...]


Standings: TypeAlias = dict[str, dict[str, tuple[Place, ...]]]
"""By task and setting: how the results stand in the headline metric, in the pool of all languages."""


class VerificationRecord(Record):
    """The file. `results` and `standings` name a result by its path below the folder, without `.json`."""

    format: Literal[1] = 1
    verifier: str
    results: dict[str, Found]
    standings: Standings

    def covers(self, root: Path, name: str) -> bool:
        """Whether the files of a result are those that were verified, with none added."""
        path = root / f"{name}.json"
        found = self.results.get(name)
        return found is not None and _hashes(path) == found.sha256 and _are_lists_known(path)


@cache
def verifier() -> str:
    """A hash of the code that verifies; without the version, which changes with tags and commits, code or not."""
    home = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for room in _DECISIVE for path in (home / room).rglob("*.py")):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def read_verification(root: Path) -> VerificationRecord | None:
    """The record of a folder, if there is one that this code wrote."""
    path = root / RECORD
    if path.is_symlink() or not path.is_file():
        return None
    try:
        record = read_record(path, VerificationRecord)
    except BadResult:
        return None
    return record if record.verifier == verifier() else None


class Ranking(NamedTuple):
    """What ranks follow from: the headline metric of a result's task, and what each question adds to it."""

    metric: str
    added: Contributions


Rankings: TypeAlias = dict[str, Ranking]
"""By the path of a result below its folder, without `.json`; floors are not ranked."""


def collect_rankings(rankings: Rankings) -> Use:
    """What `verify` calls with each evidence that holds, so that it is read once: it fills `rankings`."""

    def use(path: Path, result: ResultRecord, evidence: Evidence) -> None:
        if result.model.name not in FLOORS:
            headline = result.task.headline
            rankings[_name(path)] = Ranking(headline, contributions(evidence, headline))

    return use


def record_verification(verdicts: Sequence[Verdict], rankings: Rankings) -> VerificationRecord:
    """The record of what was found of the results in a folder, without those that failed.

    An attestation of another machine that the record names already is kept: the maintainers need not repeat it on each
    machine.

    :param rankings: filled by `collect_rankings` while they were verified
    """
    results = {
        _name(verdict.path): Found(level=_level(verdict), sha256=_hashes(verdict.path))
        for verdict in verdicts
        if verdict.level != "failed" and is_result_name(verdict.path.name)
    }
    levels = {name: found.level for name, found in results.items() if found.level in HOLDS}
    return VerificationRecord(verifier=verifier(), results=results, standings=_standings(levels, rankings))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _level(verdict: Verdict) -> Level:
    attested = verdict.level in HOLDS and is_recorded(attestation_file(verdict.path))
    return "reproduced" if attested else verdict.level


def recorded_level(path: Path) -> Level | None:
    """The level of a result file as the record of its folder has it, if there is one and its files are those."""
    folder = real_path(path).parent
    record, name = read_verification(folder.parent), f"{folder.name}/{path.stem}"
    return record.results[name].level if record and record.covers(folder.parent, name) else None


def standing_holds(root: Path, record: VerificationRecord, task: str, setting: str) -> bool:
    """Whether the standings of one task in one setting follow from the evidence of the results that they name."""
    levels = {place.result: record.results[place.result].level for place in record.standings[task][setting]}
    rankings: Rankings = {}
    for name in levels:
        path = root / f"{name}.json"
        collect_rankings(rankings)(path, read_result_record(path), read_evidence(path))
    again = _standings(levels, rankings, [setting])
    return _order(again.get(task, {})) == _order({setting: record.standings[task][setting]})


def differences(recorded: VerificationRecord, again: VerificationRecord) -> Iterator[str]:
    """What a record says otherwise than a verification of the same folder just now.

    A level that was found with the task's data stands where the data is missing now. Results that are not recorded yet
    contradict nothing, and leave the standings of their tasks open.
    """
    for name, one in recorded.results.items():
        other = again.results.get(name)
        if other is None:
            yield f"{name}: is recorded as {one.level}, but fails or is missing."
        elif one.sha256 != other.sha256:
            yield f"{name}: its files have changed."
        elif one.level != other.level and not (one.level in HOLDS and other.level == "consistent"):
            yield f"{name}: is recorded as {one.level}, but is {other.level}."
    pending = {name.rpartition("/")[2] for name in set(again.results) - set(recorded.results)}
    for task in sorted((set(recorded.standings) | set(again.standings)) - pending):
        if _order(recorded.standings.get(task, {})) != _order(again.standings.get(task, {})):
            yield f"{task}: the recorded ranking differs from the one that the evidence gives."


def _hashes(path: Path) -> dict[str, str]:
    files = (path, attestation_file(path), *(evidence_file(path, name) for name in NEEDED))
    there = (file for file in files if file.is_file() and not file.is_symlink())
    return {file.name: _sha256(file) for file in there}


def _sha256(file: Path) -> str:
    """The hash of a file; empty, which is the hash of none, if the file is larger than a result's can be."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.stat().st_size <= NARROW_LIMITS.file else ""


def _are_lists_known(path: Path) -> bool:
    """Whether the longest lists, where they are, are those that the result was written with."""
    longest = evidence_file(path, EVIDENCE_FILES[-1])
    if not longest.exists():
        return True
    return not longest.is_symlink() and is_evidence_of(read_result_record(path).evidence, path)


def _standings(levels: Mapping[str, Level], rankings: Rankings, settings: Sequence[str] = SCORES) -> Standings:
    """How the results on each task stand, in every setting that gives an order."""
    tasks: dict[str, list[str]] = {}
    for name in levels:
        tasks.setdefault(name.rpartition("/")[2], []).append(name)
    found: Standings = {}
    for task, there in tasks.items():
        added = {name: rankings[name].added for name in there if name in rankings}
        kept = comparable(added, [name for name in there if levels[name] in COMPARED])
        for setting in settings if kept else ():
            with suppress(BadResult):  # pools with images have no mono
                models = rank_contributions(kept, rankings[next(iter(kept))].metric, setting).models
                found.setdefault(task, {})[setting] = tuple(map(_place, models))
    return found


def _place(standing: Standing) -> Place:
    return Place(standing.name, standing.place, standing.low, standing.high, standing.score, standing.letters)


def _order(settings: dict[str, tuple[Place, ...]]) -> dict[str, list[tuple[object, ...]]]:
    """Standings without the scores, which stand in the results too: they have noise in the last digits."""
    return {setting: [(*row[:4], tuple(row.letters)) for row in rows] for setting, rows in settings.items()}
