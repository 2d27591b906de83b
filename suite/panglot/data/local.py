"""What is here already: a task's pool from the package, the data folder or the user's cache. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.errors import MissingData
from panglot.files import cache_dir, data_root


def local_pool(task: Task, languages: Sequence[str] = (), data_dir: Path | None = None) -> Pool | None:
    """The pool of a task, whole or in some languages, if its data is here; nothing is downloaded or made.

    Data is here if it is in `data_dir`, in the folder that PANGLOT_DATA names, in the user's cache or in the package. A
    set whose images were encoded anew, so that it is not the published one, is not.

    :raises UnknownName: a language that the task lacks.
    :raises BadData: the data that is here is damaged.
    """
    for folder in places(task, languages, data_dir):
        try:
            if task.source.reencoded and read_pool(task, (), folder).fingerprint != task.fingerprint:
                continue
            return read_pool(task, languages, folder)
        except MissingData:
            continue
    return None


@dataclass(frozen=True)
class _Wanted:
    """Which pool is remembered: the task is told by its name and content, as it is no key itself."""

    task: Task = field(compare=False)
    name: str
    fingerprint: str
    languages: tuple[str, ...]
    root: Path | None


def remembered_pool(task: Task, languages: Sequence[str], data_dir: Path | None = None) -> Pool | None:
    """The same as `local_pool`; the last few pools stay in memory.

    :raises UnknownName: a language that the task lacks.
    :raises BadData: the data that is here is damaged.
    """
    try:
        return _remembered(_Wanted(task, task.name, task.fingerprint, tuple(languages), data_root(data_dir)))
    except MissingData:
        return None


@lru_cache(maxsize=4)
def _remembered(wanted: _Wanted) -> Pool:
    pool = local_pool(wanted.task, wanted.languages, wanted.root)
    if pool is None:  # raised, since it may be here the next time, and what is returned is remembered
        raise MissingData(f"The data of {wanted.name} is not here.")
    return pool


def places(task: Task, languages: Sequence[str], data_dir: Path | None) -> Iterator[Path | None]:
    """Values of `data_dir` with which `read_pool` needs no download."""
    root, cache = data_root(data_dir), cache_dir()
    if task.source.packaged:
        yield None
        return
    if root and (not task.source.build or _holds(root, task, languages)):
        yield root
    if _holds(cache, task, languages):
        # What was made there differs from the published bytes, so it must not be verified by their hash.
        yield data_dir if task.source.build else cache


def _holds(root: Path, task: Task, languages: Sequence[str]) -> bool:
    """Whether every file is there that these languages are read from; of sets that are made, every file."""
    chosen = task.sizes if task.source.build else task.choose(languages)
    names = (name for part, (name, _) in task.source.files.items() if part not in task.sizes or part in chosen)
    return all((root / task.source.folder / name).is_file() for name in names)
