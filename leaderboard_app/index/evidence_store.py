"""Evidence that was read once, kept so that reading it again takes milliseconds.

Parquet of strangers is read with care (0.6 s for XQuAD-R); here stand the same arrays as plain memory-mapped files, so
that pages can recompute any pool of languages for many models without holding them in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from leaderboard_app.index.folder import FORM
from leaderboard_app.index.strangers import contained
from panglot.arrays import write_arrays
from panglot.files import write_whole
from panglot.numbers import count
from panglot.remedies.whatif import as_records, what_if
from panglot.results.evidence_file import EVIDENCE_FILES, evidence_file, read_evidence
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.contributions import Contributions, contributions
from panglot.score.comparison.standings import Standing, comparable, rank_contributions

_REST = "rest.json"
"""What of an evidence is no array."""


def stored_evidence(home: Path, path: Path) -> Evidence:
    """The evidence beside a result file, from the store below `home`; put there where it is not.

    :raises BadResult: a file is missing or is no evidence.
    """
    target = home / "evidence" / _key(path)
    if not target.exists():
        _put(target, read_evidence(path))
    return _get(target)


def put_evidence(home: Path, path: Path, evidence: Evidence) -> None:
    """Put the evidence beside a result file into the store below `home`, unless it is there."""
    target = home / "evidence" / _key(path)
    if not target.exists():
        _put(target, evidence)


def stored_contributions(home: Path, path: Path, metric: str) -> Contributions:
    """What each question adds to a metric in the pool of all languages, kept likewise.

    :raises BadResult: a file is missing or is no evidence.
    """
    target = home / "evidence" / _key(path) / f"{metric}.npz"
    if not target.exists():
        added = contributions(stored_evidence(home, path), metric)
        _save(target, languages=np.array(added.languages), total=added.total, count=added.count)
    with np.load(target) as stored:
        return Contributions(tuple(stored["languages"].tolist()), stored["total"], stored["count"])


def stored_answers(home: Path, path: Path, policies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `panglot whatif --json` says about a result, by policy, kept likewise.

    :raises BadResult: a file is missing or is no evidence, or no policy can be answered from it.
    """
    target = _answers_file(home, path, policies)
    if not target.exists():
        answers = as_records("", "", what_if(stored_evidence(home, path), policies))
        write_whole(target, lambda unfinished: unfinished.write_text(json.dumps(answers), encoding="utf-8"))
    return {answer["policy"]: answer for answer in json.loads(target.read_bytes())}


def has_answers(home: Path, path: Path, policies: Sequence[str]) -> bool:
    """Whether the store has them, so that nothing is left to compute."""
    return _answers_file(home, path, policies).exists()


class Ranked(NamedTuple):
    """Models that can be compared in their order, and of the others why they cannot."""

    models: tuple[Standing, ...]
    odd: dict[str, str]


NOBODY = Ranked((), {})
_RANKED = TypeAdapter(Ranked)


def stored_standings(
    home: Path, paths: Mapping[str, Path], metric: str, setting: str, compared: Collection[str]
) -> Ranked:
    """Ranks, their intervals and letters of results by name, in the pool of all languages, kept likewise.

    `compared` are those whose evidence was compared with the task's data.

    :raises BadResult: the setting gives them no order.
    """
    target = standings_file(home, paths, metric, setting, compared)
    if not target.exists():
        odd: dict[str, str] = {}
        added = {}
        for name, path in paths.items():
            with contained(name, odd):
                added[name] = stored_contributions(home, path, metric)
        _put_ranked(target, rank_comparable(added, odd, metric, setting, compared))
    return _RANKED.validate_json(target.read_bytes())


def rank_comparable(
    added: Mapping[str, Contributions], odd: Mapping[str, str], metric: str, setting: str, compared: Collection[str]
) -> Ranked:
    """The models that can be compared in their order; the rest joins those that are odd already.

    :raises BadResult: the setting gives them no order.
    """
    kept = comparable(added, compared)
    ranked = count(len(kept), "model that is", "models that are")
    why = f"Its queries or clusters differ from those of the {ranked} ranked."
    models = rank_contributions(kept, metric, setting).models if kept else ()
    return Ranked(models, {**odd, **{name: why for name in added if name not in kept}})


def standings_file(home: Path, paths: Mapping[str, Path], metric: str, setting: str, compared: Collection[str]) -> Path:
    """Where the standings of results are kept."""
    parts = [f"{name} {_key(path)} {name in compared}" for name, path in sorted(paths.items())]
    named = " ".join([metric, setting, *parts])
    return home / "standings" / f"{_digest(named)}.json"


def drop_others(home: Path, paths: Iterable[Path], standings: Iterable[Path]) -> None:
    """Remove from the store what does not belong to these result files as they are now, and other standings."""
    kept = {_key(path) for path in paths} | {path.name for path in standings}
    for target in (*(home / "evidence").glob("*"), *(home / "standings").glob("*")):
        if target.name not in kept:
            shutil.rmtree(target) if target.is_dir() else target.unlink()


def put_standings(target: Path, models: tuple[Standing, ...]) -> None:
    """Put into the store what `stored_standings` would find, in its `standings_file`."""
    _put_ranked(target, Ranked(models, {}))


def drop_standings(home: Path) -> None:
    """Remove all standings from the store."""
    shutil.rmtree(home / "standings", ignore_errors=True)


def _put_ranked(target: Path, ranked: Ranked) -> None:
    target.parent.mkdir(exist_ok=True)
    write_whole(target, lambda unfinished: unfinished.write_bytes(_RANKED.dump_json(ranked)))


def _answers_file(home: Path, path: Path, policies: Sequence[str]) -> Path:
    return home / "evidence" / _key(path) / f"remedies {_digest(' '.join(policies))}.json"


def _key(path: Path) -> str:
    """What the store calls the evidence of a result: other files, or another form of the store, have another name."""
    parts = [FORM, str(path.resolve())]
    for name in EVIDENCE_FILES:
        file = evidence_file(path, name)
        status = file.stat() if file.exists() else None
        parts.append(f"{status.st_mtime_ns} {status.st_size}" if status else "")
    return _digest("\n".join(parts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]


def _put(target: Path, evidence: Evidence) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    rest = {field.name: getattr(evidence, field.name) for field in fields(Evidence)}
    for name, values in list(rest.items()):
        if isinstance(values, np.ndarray):
            np.save(unfinished / f"{name}.npy", values.astype(np.int32) if values.dtype.kind == "i" else values)
            del rest[name]
    (unfinished / _REST).write_text(json.dumps(rest), encoding="utf-8")
    try:
        unfinished.rename(target)
    except OSError:  # somebody else was quicker
        shutil.rmtree(unfinished, ignore_errors=True)


def _save(target: Path, **arrays: np.ndarray) -> None:
    write_whole(target, lambda unfinished: write_arrays(unfinished, **arrays))


def _get(target: Path) -> Evidence:
    rest = json.loads((target / _REST).read_bytes())
    values: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in rest.items()}
    return Evidence(**values, **{path.stem: np.load(path, mmap_mode="r") for path in target.glob("*.npy")})
