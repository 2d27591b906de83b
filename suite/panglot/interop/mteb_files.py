"""Read mteb's result files: `<model>/<revision>/<task>.json` of a cache or of a results repository, in both forms."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from panglot.errors import BadResult, in_our_words

META = "model_meta.json"
EXPERIMENTS = "experiments"
"""Folder below a revision with results of the same model under other settings."""

LARGEST_MIB = 16


class MtebResult(BaseModel):
    """The fields of mteb's `TaskResult` that are used."""

    task_name: str
    dataset_revision: str | None = None
    mteb_version: str | int | float | None = None
    date: str | int | float | None = None
    scores: dict[str, list[dict[str, Any]]]
    is_old: bool = False
    """Whether mteb before 1.11 wrote it, in an older form."""


class LeftOut(NamedTuple):
    """A file or a part of one that was not imported, and the reason."""

    what: str
    reason: str


class MtebFile(NamedTuple):
    """A result file and what it is called in messages: its path below the folder."""

    path: Path
    name: str
    result: MtebResult


def read_files(
    folder: Path, is_wanted: Callable[[str], bool], left_out: Callable[[LeftOut], object]
) -> Iterator[MtebFile]:
    """Read the result files below a folder whose task is wanted; report each other file to `left_out`.

    A file is read only if `is_wanted(task)`, where the task is the name of the file: a whole results repository has
    hundreds of tasks.

    :raises BadResult: there are no JSON files.
    """
    paths = sorted(path for path in _json_files(folder) if path.name != META)
    if not paths:
        raise BadResult(f"{folder} has no mteb results. Choose a folder that contains MODEL/REVISION/TASK.json.")
    for path in paths:
        name = str(path.relative_to(folder))
        if not is_wanted(path.stem):
            left_out(LeftOut(name, "Panglot has no task with the same cells."))
        elif EXPERIMENTS in path.relative_to(folder).parts[:-1]:
            left_out(LeftOut(name, "It is an experiment with other settings of the model."))
        else:
            try:
                yield MtebFile(path, name, read_file(path))
            except BadResult as error:
                left_out(LeftOut(name, str(error)))


def read_file(path: Path) -> MtebResult:
    """Read one file; error messages do not repeat the file's name.

    :raises BadResult: the file cannot be read, or is not an mteb result.
    """
    content = _read_json(path)
    if not isinstance(content, dict):
        raise BadResult("It is not an mteb result: not a JSON object.")
    try:
        return MtebResult.model_validate(_of_before_1_11(content) if "mteb_dataset_name" in content else content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise BadResult(f"It is not an mteb result: {where}: {in_our_words(first['msg'])}.") from error


def read_meta(folder: Path) -> dict[str, Any]:
    """What `model_meta.json` in the folder of a revision says about the model; empty if it says nothing."""
    try:
        meta = _read_json(folder / META)
    except BadResult:
        return {}
    return meta if isinstance(meta, dict) else {}


def model_of(folder: Path, meta: Mapping[str, Any]) -> tuple[str, str]:
    """Name and revision of the model, from `model_meta.json` or else from the names of the folder and its parent.

    The repository keeps variants of a model in folders such as `org__model_(embed_dim=2048)`, whose metadata names
    `org/model`; the variant is part of the name.
    """
    name, revision = (value if isinstance(value := meta.get(key), str) else "" for key in ("name", "revision"))
    named = folder.parent.name
    variant = named.removeprefix(name.replace("/", "__").replace(" ", "_")) if name else ""
    if not name:
        name = named.replace("__", "/")
    elif variant.startswith("_(") and variant != named:
        name += variant
    return name, revision or folder.name


def _json_files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(".json"))


def _read_json(path: Path) -> Any:
    """The content of a regular file of limited size.

    :raises BadResult: it is not such a file, or not JSON.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe may never end
            raise BadResult("It is not a file.")
        if status.st_size > LARGEST_MIB << 20:
            raise BadResult(f"It is larger than {LARGEST_MIB} MiB, too large for an mteb result.")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadResult(f"It cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadResult(f"It is not valid JSON: {error}.") from error


def _of_before_1_11(content: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the old form, in which each split is a top-level key that holds subsets by name or metrics directly."""
    splits = {split: values for split, values in content.items() if isinstance(values, dict)}
    return {
        "task_name": content["mteb_dataset_name"],
        "dataset_revision": content.get("dataset_revision"),
        "mteb_version": content.get("mteb_version"),
        "scores": {split: _subset_rows(values) for split, values in splits.items()},
        "is_old": True,
    }


def _subset_rows(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    subsets = {subset: row for subset, row in values.items() if isinstance(row, dict)} or {"default": dict(values)}
    return [{**row, "hf_subset": subset} for subset, row in subsets.items()]
