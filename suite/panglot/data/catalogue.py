"""The built-in tasks in leaderboard order, the named suites, and users' own tasks by path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from panglot.data.source_base import Table
from panglot.data.task import Task
from panglot.data.task_files.form import Sets
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData, PanglotError, UnknownName, spelled
from panglot.fields import Label
from panglot.lookalikes import imitated
from panglot.toml import read_toml

FOLDER = Path(str(files("panglot.tasks")))
ORDER = "suites.toml"
"""The file beside the task files that defines their order and the suites."""
SUFFIX = ".toml"


class Suite(NamedTuple):
    """Tasks that are run together under one name."""

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
    """Return all built-in tasks, in leaderboard order."""
    return tuple(task for tasks in _sets().values() for task in tasks)


@cache
def suites() -> Mapping[str, Suite]:
    """Return the suites by name."""
    sets = _sets()
    return {
        name: Suite(table.title, tuple(task for set_ in table.sets for task in sets[set_]))
        for name, table in _order().suites.items()
    }


@cache
def groups() -> Mapping[str, tuple[Task, ...]]:
    """Return the names that mean several tasks, with these tasks: sets of images, and suites."""
    several = {name: tasks for name, tasks in _sets().items() if [task.name for task in tasks] != [name]}
    return {**several, **{name: suite.tasks for name, suite in suites().items()}}


def suite_tasks() -> dict[str, Task]:
    """Return the built-in tasks by name; only these can be submitted."""
    return {task.name: task for task in all_tasks()}


def known_tasks() -> dict[str, Task]:
    """Return the built-in tasks and those of installed packages, from entry points in the group `panglot.tasks`.

    :raises PanglotError: an entry point cannot be imported, or is not a `Task`.
    """
    from importlib.metadata import entry_points

    known = {}
    for entry in entry_points(group="panglot.tasks"):
        try:
            offered = entry.load()
        except Exception as error:
            raise PanglotError(f"The task {entry.name} ({entry.value}) cannot be imported. {spelled(error)}") from error
        if not isinstance(offered, Task):
            raise PanglotError(f"The entry point {entry.name} in panglot.tasks must be a Task, not {offered!r}.")
        known[offered.name] = offered
    return known | suite_tasks()


def load_tasks(name: str) -> tuple[Task, ...]:
    """Return the tasks for a name: a task, a set, a suite, a set of the Hub, or the path of a task file or of data.

    `FILE.toml:NAME` selects one task or one set of a task file; see `panglot.data.hub_task` for `hub:ORG/NAME`.

    :raises UnknownName: nothing has this name; the message suggests the nearest names.
    :raises BadData: the task file or the data in the folder is not valid.
    :raises PanglotError: the task has, or imitates, the name of a built-in task, but has different data.
    """
    if tasks := groups().get(name):
        return tasks
    known = known_tasks()
    if name in known:
        return (known[name],)
    from panglot.data.hub_task import hub_tasks  # these read data, which a list of tasks does not need
    from panglot.data.own import names_own_data, own_task

    if name.startswith("hub:"):
        tasks = hub_tasks(name)
    elif file := split_path(name):
        tasks = _own_file(*file)
    elif names_own_data(name):
        tasks = (own_task(name),)
    else:
        advice = "For your own data, give the path of its folder, table or task file."
        raise UnknownName("task", name, [*known, *groups()], advice)
    for task in tasks:
        _check_own(task, name, known)
    return tasks


def split_path(name: str) -> tuple[Path, str] | None:
    """Split `FILE.toml` or `FILE.toml:NAME` into path and name; None for other names."""
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
        raise UnknownName("task", part, dict.fromkeys([*sets, *(task.name for task in every)]), within=path)
    return found


def _check_own(task: Task, path: str, known: Mapping[str, Task]) -> None:
    """Reject a name whose results or cached files could be mistaken for those of a built-in task."""
    same = known.get(task.name)
    if same and task.fingerprint and task.fingerprint == same.fingerprint and _maker(task) == _maker(same):
        return
    if same or {task.name, task.source.folder} & {*_sets(), *groups(), *known}:
        raise PanglotError(
            f"{path}: '{task.name}' is the name of a built-in task or set with different content, so results could be "
            "confused. Rename it."
        )
    if other := imitated(task.name, known):
        raise PanglotError(f"{path}: the name '{task.name}' can be mistaken for the task '{other}'. Rename it.")


def _maker(task: Task) -> object:
    """Return what builds a task's files: built images are not compared with a fingerprint."""
    return getattr(task.source.build, "__self__", task.source.build)


@cache
def _sets() -> Sets:
    """Return the tasks of each set, in leaderboard order."""
    read: dict[str, tuple[Task, ...]] = {}
    for path in sorted(FOLDER.glob(f"*{SUFFIX}")):
        if path.name != ORDER:
            read |= read_task_file(path)
    if odd := set(read) ^ set(_order().order):
        raise BadData(f"{FOLDER / ORDER}: the order must list every set once; check {', '.join(sorted(odd))}.")
    return {name: read[name] for name in _order().order}


@cache
def _order() -> _Order:
    return read_toml(FOLDER / ORDER).parse(_Order)
