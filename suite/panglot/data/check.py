"""Compare a task file with its data: counts, hashes and fingerprints, each with the line that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from panglot.data.corpus import StreamedTask
from panglot.data.image import IMAGES
from panglot.data.load import count, read_files
from panglot.data.local import places
from panglot.data.pool import Pool
from panglot.data.task import Size, Task
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData, MissingData
from panglot.files import data_from
from panglot.toml import Keys, TomlFile, read_toml

State: TypeAlias = Literal["as stated", "differs", "not here", "streamed"]
"""Nothing is compared if the data is not here, or is a corpus, whose passages are counted only by a run."""


class Checked(NamedTuple):
    """The outcome for one task: each finding names file, line and key; `fingerprint` is that of the data."""

    task: Task
    state: State
    findings: tuple[str, ...] = ()
    fingerprint: str = ""


def check_task_file(path: Path) -> list[Checked]:
    """Compare a task file with its data if that is available locally; nothing is downloaded or built.

    :raises MissingData: the task file does not exist.
    :raises BadData: the file is not a valid task file; the message names file, line and key.
    """
    document = read_toml(path)
    return [
        _check(document, task, _keys(document, name, task))
        for name, tasks in read_task_file(path).items()
        for task in tasks
    ]


class _Keys(NamedTuple):
    """The key paths under which a task file describes one task."""

    variant: Keys
    direction: Keys


def _keys(document: TomlFile, name: str, task: Task) -> _Keys:
    """Return the tables of the task's variant and direction; empty for the file itself."""
    variant = name.removeprefix(str(document.content["name"])).removeprefix("-")
    direction = task.name.removeprefix(name).removeprefix("-")
    own = ("variants", variant) if variant else ()
    return _Keys(own, (*own, "directions", direction) if direction else own)


def _check(document: TomlFile, task: Task, keys: _Keys) -> Checked:
    if isinstance(task, StreamedTask):
        return Checked(task, "streamed")
    try:
        pool = _read(task)
    except BadData as error:
        return Checked(task, "differs", (str(error),))
    if pool is None:
        return Checked(task, "not here")
    findings = tuple(_differences(document, task, pool, keys))
    return Checked(task, "differs" if findings else "as stated", findings, pool.fingerprint)


def _read(task: Task) -> Pool | None:
    for place in places(task, ()):
        try:
            with data_from(place):
                return read_files(task, task.languages)
        except MissingData:
            continue
    return None


def _differences(document: TomlFile, task: Task, pool: Pool, keys: _Keys) -> Iterator[str]:
    """Yield where the file differs from the data."""
    found = count(pool)
    for language in sorted({*task.sizes, *found}):
        stated, actual = task.sizes.get(language, Size(0, 0)), found.get(language, Size(0, 0))
        if stated != actual:
            way = ("images",) if language == IMAGES else (*keys.variant, "languages", language)
            yield _finding(document, way, task, f"{actual}, not {stated}")
    if task.relevants not in (None, len(pool.query)):
        relevants = f"{len(pool.query):,} relevant pairs, not {task.relevants:,}"
        yield _finding(document, (*keys.direction, "relevants"), task, relevants)
    if task.fingerprint and task.fingerprint != pool.fingerprint:
        way = (*keys.direction, "fingerprint")
        yield _finding(document, way, task, f"the fingerprint {pool.fingerprint}")


def _finding(document: TomlFile, keys: Sequence[str | int], task: Task, found: str) -> str:
    return str(document.error(keys, f"the data of {task.name} has {found}"))
