"""Evidence that was read once, kept so that reading it again takes milliseconds.

Parquet of strangers is read with care (0.6 s for XQuAD-R); here stand the same arrays as plain memory-mapped files, so
that pages can recompute any pool of languages for many models without holding them in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from suite.compare import Contributions, contributions
from suite.evidence import Evidence
from suite.evidence_file import EVIDENCE_FILES, evidence_file, read_evidence
from suite.record import write_whole

_NAMES = "names.json"
_TEXTS = ("query_ids", "candidate_ids", "languages")
_ARRAYS = tuple(field.name for field in fields(Evidence) if field.name not in _TEXTS)


def stored_evidence(home: Path, path: Path) -> Evidence:
    """The evidence beside a result file, from the store below `home`; put there where it is not.

    :raises BadResult: a file is missing or is no evidence.
    """
    target = home / "evidence" / _key(path)
    if not target.exists():
        _put(target, read_evidence(path))
    return _get(target)


def stored_contributions(home: Path, path: Path, metric: str) -> Contributions:
    """What each question adds to a metric in the pool of all languages, kept likewise.

    :raises BadResult: a file is missing or is no evidence.
    """
    evidence = stored_evidence(home, path)
    target = home / "evidence" / _key(path) / f"{metric}.npz"
    if not target.exists():
        added = contributions(evidence, metric)
        _save(target, total=added.total, count=added.count)
    with np.load(target) as stored:
        return Contributions(evidence.languages, stored["total"], stored["count"])


def drop_others(home: Path, paths: Iterable[Path]) -> None:
    """Remove from the store what does not belong to these result files as they are now."""
    kept = {_key(path) for path in paths}
    for target in (home / "evidence").glob("*"):
        if target.name not in kept:
            shutil.rmtree(target, ignore_errors=True)


def _key(path: Path) -> str:
    """Changes with the path, size and time of the evidence files."""
    parts = [str(path.resolve())]
    for name in EVIDENCE_FILES:
        file = evidence_file(path, name)
        status = file.stat() if file.exists() else None
        parts.append(f"{status.st_mtime_ns} {status.st_size}" if status else "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _put(target: Path, evidence: Evidence) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    names = {name: getattr(evidence, name) for name in _TEXTS}
    (unfinished / _NAMES).write_text(json.dumps(names), encoding="utf-8")
    for name in _ARRAYS:
        values = getattr(evidence, name)
        np.save(unfinished / f"{name}.npy", values.astype(np.int32) if values.dtype.kind == "i" else values)
    try:
        unfinished.rename(target)
    except OSError:  # somebody else was quicker
        shutil.rmtree(unfinished, ignore_errors=True)


def _save(target: Path, **arrays: np.ndarray) -> None:
    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    write_whole(target, write)


def _get(target: Path) -> Evidence:
    values: dict[str, Any] = {name: np.load(target / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    names = json.loads((target / _NAMES).read_bytes())
    return Evidence(**values | {name: tuple(names[name]) for name in _TEXTS})
