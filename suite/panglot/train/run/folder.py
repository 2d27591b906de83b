"""The folders of a run, the model's and `NAME.training` beside it: they belong to one recipe and one run at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from panglot.errors import BadData
from panglot.results.record import write_record
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.record import RECIPE, TRAINING, work_folder


def is_first_process() -> bool:
    """Whether this is the process that writes files and prints messages."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def claimed(recipe: Recipe, folder: Path) -> Iterator[Path]:
    """Keep the folders of a run for this run while the context is open; yields the work folder.

    :raises BadData: another run is using them, or they hold something else than a run of this recipe.
    """
    work = work_folder(folder)
    if not is_first_process():
        yield work
        return
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BadData(f"Another run is training {folder}. Wait for it, or choose another folder with --out.") from error
    try:
        _check_content(recipe, folder, work)
        folder.mkdir(exist_ok=True)
        write_record(work / RECIPE, recipe)
        yield work
    finally:
        lock.release()


def _check_content(recipe: Recipe, folder: Path, work: Path) -> None:
    """Check that the folders are empty or of a run of this recipe, since the finished model replaces what is there.

    :raises BadData: they are not.
    """
    record = work / RECIPE
    same = record.is_file() and _digest_of(record) == recipe.digest
    if not same and (any(work.glob("checkpoint-*")) or (work / TRAINING).is_file()):
        raise BadData(f"{work} belongs to a run of another recipe. Choose another folder with --out, or delete it.")
    made_here = same and (folder / RECIPE).is_file()
    if folder.exists() and not made_here and not (folder.is_dir() and _is_empty(folder)):
        raise BadData(
            f"{folder} is not empty and was not made by a run of this recipe. Choose another folder with --out, or "
            "delete it."
        )


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def _digest_of(record: Path) -> str:
    """The digest of a stored recipe; empty if another version wrote it."""
    try:
        return Recipe.model_validate_json(record.read_bytes()).digest
    except ValidationError:
        return ""


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Replace the content of a model's folder by what `write` puts into a new one, once that is complete."""
    unfinished = work_folder(folder) / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    write(unfinished)
    shutil.rmtree(folder)
    unfinished.rename(folder)
