"""Find a task's files in the data folder, or in the user's cache, where they are downloaded or built."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.files import DATA_VARIABLE, data_cache, data_root
from panglot.progress import Progress, silent


def fetch_file(task: Task, part: str, progress: Progress = silent) -> Path:
    """Return the path of one part of a task (usually a language), verified by SHA-256 unless it was built here.

    A task that ships with the package is read from there. Otherwise the file is searched in the data folder; if
    there is none, it is downloaded to the user's cache. Files that are built rather than downloaded are built there if
    the folder does not contain them.

    :raises MissingData: the file was not found and cannot be downloaded.
    :raises BadData: the SHA-256 of the file is not the one of the task.
    """
    name, sha256 = task.source.files[part]
    if task.source.packaged:
        return _verified(task.source.packaged / name, sha256)
    root = data_root()
    if root:
        path = root / task.source.folder / name
        if not path.is_file() and task.source.build:
            return _built(task, name, progress)
        if not path.is_file():
            raise MissingData(
                f"{task.name}: {path} does not exist. Set --data-dir or {DATA_VARIABLE} to a folder that contains "
                f"{task.source.folder}/{name}, or {_other_way(task)}"
            )
        return _verified(path, sha256)
    return _built(task, name, progress) if task.source.build else _download(task, name, sha256)


def _built(task: Task, name: str, progress: Progress) -> Path:
    """Return a file in the user's cache; if it is missing, build it, which can make other files too.

    What an interrupted attempt leaves is kept beside the folder, so that a builder can go on from there.

    :raises BadData: the cache has, or an interrupted attempt left, another revision.
    """
    folder = data_cache(task.source.folder)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    check_revision(task, task.source.origin, folder, unfinished)
    if task.source.build is None or (folder / name).is_file():
        return folder / name
    with filling(task, task.source.origin, folder, unfinished):
        if not (folder / name).is_file():
            # Another process removes this folder when it is done, so it is made while the lock is held.
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            task.source.build(unfinished, progress, name)
            whole = (path for path in sorted(unfinished.rglob("[!.]*")) if path.is_file())  # `write_whole` hides others
            for path in whole:
                target = folder / path.relative_to(unfinished)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
            rmtree(unfinished)
    return folder / name


@contextmanager
def filling(task: Task, origin: str, *folders: Path) -> Iterator[None]:
    """Let no other process fill the first of these folders, and note what it is filled from.

    :raises BadData: a folder has another revision.
    """
    from filelock import FileLock

    folders[0].parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folders[0].with_name(f".{folders[0].name}.lock")):
        check_revision(task, origin, *folders)
        _revision_file(folders[0]).write_text(origin, encoding="utf-8")
        yield


def check_revision(task: Task, origin: str, *folders: Path) -> None:
    """Check that the files in a folder of the cache, and those beside it, are from this origin.

    `origin` is as in `panglot.data.task.Source`.

    :raises BadData: they are from others.
    """
    file = _revision_file(folders[0])
    cached = file.read_text(encoding="utf-8") if file.is_file() else origin
    used = [folder for folder in folders if folder.exists()]
    if cached != origin and used:
        raise BadData(
            f"{task.name} is from {origin}, but the cache has {cached} under the same name. "
            f"Remove {' and '.join(map(str, used))}, or give the task another name."
        )


def _revision_file(folder: Path) -> Path:
    """The file that tells what the folder of the cache is built from."""
    return folder.with_name(f".{folder.name}.revision")


def _other_way(task: Task) -> str:
    if task.source.url:
        return f"omit both to download it from {task.source.url}"
    return "ask the task's authors: the task has no download URL."


def _download(task: Task, name: str, sha256: str) -> Path:
    import pooch

    if not task.source.url:
        raise MissingData(
            f"{task.name}: set --data-dir or {DATA_VARIABLE} to a folder that contains {task.source.folder}/{name}, or "
            f"{_other_way(task)}"
        )
    cache = data_cache(task.source.folder)
    url = f"{task.source.url}/{name}"
    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=name, path=cache))
    except OSError as error:  # of requests, some are a ValueError too
        if error.errno and not isinstance(error, ConnectionError | TimeoutError):
            raise  # it is the cache that cannot be written
        raise MissingData(
            f"{task.name}: {name} is not in {cache} and {url} cannot be reached ({type(error).__name__}). "
            f"Without a network, copy the file to a folder {task.source.folder}/ and set --data-dir or {DATA_VARIABLE} "
            "to its parent."
        ) from error
    except ValueError as error:
        raise BadData(f"{task.name}: the file at {url} is not the published one. {error}") from error


def _verified(path: Path, sha256: str) -> Path:
    if path.exists() and not path.is_file():  # a device has no end, and a pipe may have no beginning
        raise BadData(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {path}.") from error
    except OSError as error:
        raise BadData(f"{path} cannot be read. {error.strerror}.") from error
    if sha256 and found != sha256:
        raise BadData(f"{path} is damaged or changed: expected sha256 {sha256}, found {found}. Fetch it again.")
    return path
