"""From what was typed to what is meant: names of tasks, lists, options that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError, UnknownName
from panglot.files import data_from

if TYPE_CHECKING:
    from panglot.data.task import Task


def _look_there(context: typer.Context, folder: Path | None) -> Path | None:
    """Put the folder in force until the command ends."""
    context.with_resource(data_from(folder))
    return folder


DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The data; default: PANGLOT_DATA, else a download.", callback=_look_there),
]
"""In force for the whole command once it is parsed, so that most verbs need not pass it on."""


def find_task(name: str) -> Task:
    """The one task of that name, or at that path.

    :raises UnknownName: there is none; the nearest names.
    :raises PanglotError: several are named so.
    """
    tasks = _load(name)
    if len(tasks) > 1:
        raise PanglotError(
            f"{name} stands for several tasks: {', '.join(task.name for task in tasks)}. {_one_of(name)}"
        )
    return tasks[0]


def find_tasks(names: str) -> list[Task]:
    """The tasks that a list of names means, each once; a name of a set or suite stands for several.

    :raises UnknownName: a name that means nothing; the nearest names.
    :raises PanglotError: two tasks of one name whose data differs.
    """
    listed = [names] if os.path.isdir(names) else split(names)  # unlike Path.is_dir it bears names that are too long
    found: dict[str, Task] = {}
    for task in (task for name in listed for task in _load(name)):
        if found.setdefault(task.name, task).fingerprint != task.fingerprint:
            raise PanglotError(
                f"Two different tasks are named '{task.name}', so their results would have one name. "
                "Rename one of them, or run them apart with another --out."
            )
    return list(found.values())


def find_suite(name: str) -> list[Task]:
    """The tasks of a named suite.

    :raises UnknownName: there is no such suite.
    """
    from panglot.data.catalogue import suites

    if name not in suites():
        raise UnknownName("suite", name, suites())
    return list(suites()[name].tasks)


def _load(name: str) -> tuple[Task, ...]:
    """The tasks that a name means; what a person should know of their own data is shown."""
    from panglot.data.catalogue import load_tasks, split_path

    tasks = load_tasks(name)
    file = split_path(name)
    for task in tasks:
        if file:
            check_headline(file[0], task)
        for remark in task.remarks:
            echo(f"Note: {remark}", aside=True)
    return tasks


def check_headline(path: Path, task: Task) -> None:
    """Check that the headline metric of a task file is known.

    :raises BadData: it is not; with the line.
    """
    from panglot.score.metrics import parse_metric
    from panglot.toml import read_toml

    try:
        parse_metric(task.headline)
    except UnknownName as error:
        raise read_toml(path).error(("headline",), str(error)) from error


def _one_of(name: str) -> str:
    return f"Name one of them, as {name}:NAME." if name.endswith(".toml") else "Name one of them."


def split(names: str) -> list[str]:
    """The parts of a list divided by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
