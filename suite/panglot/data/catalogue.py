"""The tasks of the suite in the order of the leaderboard, its suites, and a person's own tasks by path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from panglot.data.readers.folder import folder_task
from panglot.data.sources import Table
from panglot.data.task import Task
from panglot.data.task_file import Sets, read_task_file
from panglot.errors import BadData, PanglotError, UnknownName, spelled
from panglot.fields import Label
from panglot.lookalikes import imitated
from panglot.toml import read_toml

FOLDER = Path(str(files("panglot.tasks")))
ORDER = "suites.toml"
"""The file beside those of the tasks that says in which order they stand, and which suites there are."""
SUFFIX = ".toml"


class Suite(NamedTuple):
    """Tasks that are run together by one name."""

    title: str
    tasks: tuple[Task, ...]


class _SuiteTable(Table):
    title: Label
    sets: tuple[str, ...]


class _Order(Table):
    order: tuple[str, ...]
    suites: Mapping[str, _SuiteTable]


@cache
def all_tasks() -> tuple[Task, ...]:
    """Every task of the suite, in the order of the leaderboard."""
    return tuple(task for tasks in _sets().values() for task in tasks)


@cache
def suites() -> Mapping[str, Suite]:
    """What the names of suites stand for."""
    sets = _sets()
    return {
        name: Suite(table.title, tuple(task for set_ in table.sets for task in sets[set_]))
        for name, table in _order().suites.items()
    }


@cache
def groups() -> Mapping[str, tuple[Task, ...]]:
    """What one name stands for, where it stands for several tasks: sets of images, and suites."""
    several = {name: tasks for name, tasks in _sets().items() if [task.name for task in tasks] != [name]}
    return {**several, **{name: suite.tasks for name, suite in suites().items()}}


def suite_tasks() -> dict[str, Task]:
    """The tasks of the suite by name: those that a submission can be about."""
    return {task.name: task for task in all_tasks()}


def known_tasks() -> dict[str, Task]:
    """The same, and those that installed packages offer by entry points of the group `panglot.tasks`.

    :raises PanglotError: an entry point that fails to import, or gives no task.
    """
    from importlib.metadata import entry_points

    known = {}
    for entry in entry_points(group="panglot.tasks"):
        try:
            offered = entry.load()
        except Exception as error:
            raise PanglotError(f"The task {entry.name} ({entry.value}) cannot be imported. {spelled(error)}") from error
        if not isinstance(offered, Task):
            raise PanglotError(f"The entry point {entry.name} of panglot.tasks must give a Task, not {offered!r}.")
        known[offered.name] = offered
    return known | suite_tasks()


def load_tasks(name: str) -> tuple[Task, ...]:
    """The tasks that a name means: a task, a set or a suite, or the path of a task file or of a folder of one's own.

    `FILE.toml:NAME` means one task, or one set, of a task file.

    :raises UnknownName: there is none of these; the nearest names.
    :raises BadData: the task file or the data in the folder is not valid.
    :raises PanglotError: it has the name of a task of the suite, and other data.
    """
    if tasks := groups().get(name):
        return tasks
    known = known_tasks()
    if name in known:
        return (known[name],)
    if file := split_path(name):
        tasks = _own_file(*file)
    elif "/" in name or os.path.isdir(name):
        tasks = (folder_task(Path(name)),)
    else:
        advice = "Your own data is named by the path of its folder or task file."
        raise UnknownName("task", name, [*known, *groups()], advice)
    for task in tasks:
        _check_own(task, name, known)
    return tasks


def split_path(name: str) -> tuple[Path, str] | None:
    """The task file that `FILE.toml` or `FILE.toml:NAME` means, and that name; None for other names."""
    file, separator, part = name.partition(f"{SUFFIX}:")
    if separator:
        return Path(f"{file}{SUFFIX}"), part
    return (Path(name), "") if name.endswith(SUFFIX) else None


def _own_file(path: Path, part: str) -> tuple[Task, ...]:
    sets = read_task_file(path)
    every = tuple(task for tasks in sets.values() for task in tasks)
    if not part:
        return every
    found = sets.get(part) or tuple(task for task in every if task.name == part)
    if not found:
        raise UnknownName(f"task of {path}", part, dict.fromkeys([*sets, *(task.name for task in every)]))
    return found


def _check_own(task: Task, path: str, known: Mapping[str, Task]) -> None:
    """Refuse a name whose results, or whose files in the cache, would pass for those of the suite."""
    same = known.get(task.name)
    if same and task.fingerprint and task.fingerprint == same.fingerprint:
        return
    if same or {task.name, task.source.folder} & {*_sets(), *groups(), *known}:
        raise PanglotError(
            f"{path}: the suite has a task or a set named '{task.name}', and this one has other content, so its "
            "results would pass for those of the suite. Rename it."
        )
    if other := imitated(task.name, known):
        raise PanglotError(f"{path}: the name '{task.name}' can be mistaken for that of the task '{other}'. Rename it.")


@cache
def _sets() -> Sets:
    """The tasks of each set, in the order of the leaderboard."""
    read: dict[str, tuple[Task, ...]] = {}
    for path in sorted(FOLDER.glob(f"*{SUFFIX}")):
        if path.name != ORDER:
            read |= read_task_file(path)
    if odd := set(read) ^ set(_order().order):
        raise BadData(f"{FOLDER / ORDER}: the order must name every set once; it differs in {', '.join(sorted(odd))}.")
    return {name: read[name] for name in _order().order}


@cache
def _order() -> _Order:
    return read_toml(FOLDER / ORDER).parse(_Order)
