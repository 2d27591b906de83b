"""Remember leak checks in the user's cache, so that runs on the same data compare it with the same tasks only once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from panglot.data.local import places
from panglot.data.task import Task
from panglot.files import cache_dir, write_whole
from panglot.train.data.leak import LeakCheck, check_leaks
from panglot.train.data.pairs import Pairs

FORMAT = 3
"""Increase it when the check or the normalisation of texts changes."""

_CHECK = TypeAdapter(LeakCheck)


def check_leaks_once(pairs: Pairs, tasks: Iterable[Task], folder: Path | None = None) -> LeakCheck:
    """The result of `check_leaks`, from the cache if data and tasks are unchanged.

    :param folder: of the stored results; by default in the user's cache.
    :raises BadData: see `check_leaks`; such results are not stored.
    """
    tasks = tuple(tasks)
    path = (folder or cache_dir("leaks")) / f"{_key(pairs, tasks)}.json"
    try:
        return _CHECK.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        found = check_leaks(pairs, tasks)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda unfinished: unfinished.write_bytes(_CHECK.dump_json(found)))
    return found


def _key(pairs: Pairs, tasks: Iterable[Task]) -> str:
    """A hash of the training texts by language, the images, and the tasks with their local files."""
    digest = hashlib.sha256(f"{FORMAT}".encode())
    digest.update(pairs.texts.digest)
    for place, language in enumerate(pairs.languages):
        digest.update(f"\0{language}\0".encode())
        digest.update(pairs.texts_of(place).tobytes())
    for image in pairs.images:
        digest.update(hashlib.sha256(image).digest())
    for task in tasks:
        digest.update(f"\0{task.name}\0{task.fingerprint}".encode())
        for file in _local_files(task):
            digest.update(file.encode())
    return digest.hexdigest()[:32]


def _local_files(task: Task) -> Iterator[str]:
    """The files of a task that are on this machine, with their sizes and times."""
    for folder in filter(None, places(task, ())):
        for path in (folder / task.source.folder / name for name, _ in task.source.files.values()):
            if path.is_file():
                status = path.stat()
                yield f"{path} {status.st_size} {status.st_mtime_ns}"
