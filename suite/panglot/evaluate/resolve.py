"""From a name to tasks that can be scored: those of the suite, of packages, and a person's own, with a known metric."""

from __future__ import annotations

from pathlib import Path

from panglot.data.catalogue import load_tasks, split_path
from panglot.data.task import Task
from panglot.errors import PanglotError, UnknownName
from panglot.toml import read_toml


def resolve_tasks(name: str) -> tuple[Task, ...]:
    """Return the tasks for a name: a task, a set, a suite, or the path of a task file or data folder.

    :raises UnknownName: nothing has this name; the message suggests the nearest names.
    :raises BadData: the task file or the data in the folder is not valid.
    :raises PanglotError: the task has, or imitates, the name of a built-in task, but has different data.
    """
    tasks = load_tasks(name)
    if file := split_path(name):
        for task in tasks:
            check_headline(file[0], task)
    return tasks


def resolve_task(name: str) -> Task:
    """Return the single task for a name.

    :raises PanglotError: the name matches several tasks, or as `resolve_tasks`.
    """
    tasks = resolve_tasks(name)
    if len(tasks) > 1:
        advice = f"Choose one, e.g. {name}:NAME." if name.endswith(".toml") else "Choose one."
        raise PanglotError(f"{name} matches several tasks: {', '.join(task.name for task in tasks)}. {advice}")
    return tasks[0]


def check_headline(path: Path, task: Task) -> None:
    """Check that the headline metric of a task file exists.

    :raises BadData: unknown metric; the message names the line.
    """
    from panglot.score.metrics import parse_metric

    try:
        parse_metric(task.headline)
    except UnknownName as error:
        raise read_toml(path).error(("headline",), str(error)) from error
