"""A task file against the data that it describes: counts, hashes and fingerprints, each with the line that is wrong."""

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
from panglot.data.task_file import read_task_file
from panglot.errors import BadData, MissingData
from panglot.toml import Keys, TomlFile, read_toml

State: TypeAlias = Literal["as stated", "differs", "not here", "streamed"]
"""Of data that is not here, and of corpora, which only a run counts, nothing is compared."""


class Checked(NamedTuple):
    """What was found of one task: each finding names file, line and key; `fingerprint` is that of the data."""

    task: Task
    state: State
    findings: tuple[str, ...] = ()
    fingerprint: str = ""


def check_task_file(path: Path, data_dir: Path | None = None) -> list[Checked]:
    """Compare a task file with its data, where that is here; nothing is downloaded or made.

    :raises MissingData: there is no such file.
    :raises BadData: it is not a task file; with file, line and key.
    """
    document = read_toml(path)
    return [
        _check(document, task, _keys(document, name, task), data_dir)
        for name, tasks in read_task_file(path).items()
        for task in tasks
    ]


class _Keys(NamedTuple):
    """Where a task file says what it says of one task."""

    variant: Keys
    direction: Keys


def _keys(document: TomlFile, name: str, task: Task) -> _Keys:
    """The tables of the variant and of the direction that a task is made of; empty for the file itself."""
    variant = name.removeprefix(str(document.content["name"])).removeprefix("-")
    direction = task.name.removeprefix(name).removeprefix("-")
    own = ("variants", variant) if variant else ()
    return _Keys(own, (*own, "directions", direction) if direction else own)


def _check(document: TomlFile, task: Task, keys: _Keys, data_dir: Path | None) -> Checked:
    if isinstance(task, StreamedTask):
        return Checked(task, "streamed")
    try:
        pool = _read(task, data_dir)
    except BadData as error:
        return Checked(task, "differs", (str(error),))
    if pool is None:
        return Checked(task, "not here")
    findings = tuple(_differences(document, task, pool, keys))
    return Checked(task, "differs" if findings else "as stated", findings, pool.fingerprint)


def _read(task: Task, data_dir: Path | None) -> Pool | None:
    for place in places(task, (), data_dir):
        try:
            return read_files(task, task.languages, place)
        except MissingData:
            continue
    return None


def _differences(document: TomlFile, task: Task, pool: Pool, keys: _Keys) -> Iterator[str]:
    """Where the file says something else than the data."""
    found = count(pool)
    for language in sorted({*task.sizes, *found}):
        stated, there = task.sizes.get(language, Size(0, 0)), found.get(language, Size(0, 0))
        if stated != there:
            way = ("images",) if language == IMAGES else (*keys.variant, "languages", language)
            yield _told(document, way, task, f"{_counted(there)}, not {_counted(stated)}")
    if task.relevants not in (None, len(pool.query)):
        relevants = f"{len(pool.query):,} relevant pairs, not {task.relevants:,}"
        yield _told(document, (*keys.direction, "relevants"), task, relevants)
    if task.fingerprint and task.fingerprint != pool.fingerprint:
        way = (*keys.direction, "fingerprint")
        yield _told(document, way, task, f"the fingerprint {pool.fingerprint}")


def _told(document: TomlFile, keys: Sequence[str | int], task: Task, found: str) -> str:
    return str(document.error(keys, f"the data of {task.name} has {found}"))


def _counted(size: Size) -> str:
    return f"{size.queries:,} queries and {size.candidates:,} candidates"
