"""Local data: a task's pool from the package, the data folder or the user's cache, without downloading anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from panglot.data.load import read_files, read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.errors import MissingData
from panglot.files import data_cache, data_from, data_root


def local_pool(task: Task, languages: Sequence[str] = (), checked: bool = True) -> Pool | None:
    """Return the pool of a task, whole or in some languages, or None if its data is not available locally.

    Nothing is downloaded or built. Data is searched in the data folder, in the user's cache and in the package. Data
    with re-encoded images that differ from the published ones is not used.

    :param checked: whether counts and fingerprint are compared with the task's, besides the SHA-256 of its files.
    :raises UnknownName: the task does not have a language.
    :raises BadData: the local data is damaged.
    """
    for folder in places(task, languages):
        try:
            with data_from(folder):
                if task.source.reencoded and read_pool(task).fingerprint != task.fingerprint:
                    continue
                return read_pool(task, languages) if checked else read_files(task, task.choose(languages))
        except MissingData:
            continue
    return None


@dataclass(frozen=True)
class _Wanted:
    """Cache key of a pool: name and fingerprint identify the task, which is not hashable."""

    task: Task = field(compare=False)
    name: str
    fingerprint: str
    languages: tuple[str, ...]
    root: Path | None


def remembered_pool(task: Task, languages: Sequence[str]) -> Pool | None:
    """Return the same as `local_pool`, keeping the last few pools in memory.

    :raises UnknownName: the task does not have a language.
    :raises BadData: the local data is damaged.
    """
    try:
        return _remembered(_Wanted(task, task.name, task.fingerprint, tuple(languages), data_root()))
    except MissingData:
        return None


@lru_cache(maxsize=4)
def _remembered(wanted: _Wanted) -> Pool:
    pool = local_pool(wanted.task, wanted.languages)
    if pool is None:  # raise, so that the absence is not cached: the data may be there next time
        raise MissingData(f"The data of {wanted.name} is not available locally.")
    return pool


def places(task: Task, languages: Sequence[str]) -> Iterator[Path | None]:
    """Yield data folders with which `read_pool` needs no download."""
    root, cache = data_root(), data_cache()
    if task.source.packaged:
        yield None
        return
    if root and (not task.source.build or _holds(root, task, languages)):
        yield root
    if _holds(cache, task, languages):
        # Built files differ from the published bytes, so they must not be verified by their hash.
        yield None if task.source.build else cache


def _holds(root: Path, task: Task, languages: Sequence[str]) -> bool:
    """Whether all files needed for these languages exist."""
    files = task.source.files_in(task.sizes, task.choose(languages)).values()
    return all((root / task.source.folder / name).is_file() for name, _ in files)
