"""Find a task's files: in the data folder, else in the user's cache, where they are downloaded or made."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.files import DATA_VARIABLE, cache_dir, data_root
from panglot.progress import Progress, silent


def fetch_file(task: Task, part: str, data_dir: Path | None = None, progress: Progress = silent) -> Path:
    """Path of one part of a task (mostly a language), verified by sha256 unless it is made here.

    Looks in the package for a task that ships with it; else in `data_dir`, else in the folder that PANGLOT_DATA names,
    and only where neither is given downloads into the user's cache. Files that are made and not downloaded are made
    there where the folder lacks them.

    :raises MissingData: the file is in none of them and cannot be downloaded.
    :raises BadData: the file is not the one that the task was made with.
    """
    name, sha256 = task.source.files[part]
    if task.source.packaged:
        return _verified(task.source.packaged / name, sha256)
    root = data_root(data_dir)
    if root:
        path = root / task.source.folder / name
        if not path.is_file() and task.source.build:
            return _built(task, name, progress)
        if not path.is_file():
            raise MissingData(
                f"{task.name}: no file {path}. Point --data-dir or {DATA_VARIABLE} to a folder that holds "
                f"{task.source.folder}/{name}, or {_other_way(task)}"
            )
        return _verified(path, sha256)
    return _built(task, name, progress) if task.source.build else _download(task, name, sha256)


def _built(task: Task, name: str, progress: Progress) -> Path:
    """The file in the user's cache; if it is not there, all files of the task are made, and put there together."""
    folder = cache_dir(task.source.folder)
    if task.source.build and not (folder / name).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            task.source.build(Path(unfinished), progress)
            folder.mkdir(exist_ok=True)
            for path in Path(unfinished).iterdir():
                os.replace(path, folder / path.name)
    return folder / name


def _other_way(task: Task) -> str:
    if task.source.url:
        return f"leave both out to download it from {task.source.url}"
    return "ask those who made the task: it names no address to download it from."


def _download(task: Task, name: str, sha256: str) -> Path:
    import pooch

    if not task.source.url:
        raise MissingData(
            f"{task.name}: name the folder that holds {task.source.folder}/{name} by --data-dir or {DATA_VARIABLE}, or "
            f"{_other_way(task)}"
        )
    cache = cache_dir(task.source.folder)
    url = f"{task.source.url}/{name}"
    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=name, path=cache))
    except ValueError as error:
        raise BadData(f"{task.name}: what {url} sends is not the published file. {error}") from error
    except OSError as error:
        raise MissingData(
            f"{task.name}: {name} is not in {cache} and {url} cannot be reached ({type(error).__name__}). "
            f"Without a network, copy the file to a folder {task.source.folder}/ and name its parent by --data-dir "
            f"or {DATA_VARIABLE}."
        ) from error


def _verified(path: Path, sha256: str) -> Path:
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
