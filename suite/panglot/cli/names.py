"""Parses task names and comma-separated lists, and defines options that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError, UnknownName
from panglot.files import data_of_process

if TYPE_CHECKING:
    from panglot.data.task import Task


def _look_there(context: typer.Context, folder: Path | None) -> Path | None:
    """Use this data folder until the command ends."""
    context.with_resource(data_of_process(folder))
    return folder


DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Data folder; default: PANGLOT_DATA.", callback=_look_there),
]
"""In force for the whole command once parsed: verbs declare it and do not pass it on."""


def find_task(name: str) -> Task:
    """Return the single task with this name or at this path.

    :raises UnknownName: no such task; the message suggests similar names.
    :raises PanglotError: the name matches several tasks.
    """
    from panglot.evaluate.resolve import resolve_task

    task = resolve_task(name)
    _print_remarks(task)
    return task


def find_tasks(names: str, **settings: str) -> list[Task]:
    """Return the tasks in a list of names, each once; the name of a set or suite expands to its tasks.

    `settings` are those of the user's own data among them, `split` and `detect`.

    :raises UnknownName: an unknown name; the message suggests similar ones.
    :raises PanglotError: no task is named, two share a name but not their data, or a setting is given without own data.
    """
    from panglot.data.own import with_settings
    from panglot.evaluate.resolve import resolve_tasks

    listed = [names] if os.path.exists(names) else split(names)  # accepts names too long for Path.exists
    if not listed:
        raise PanglotError("No task is named. Name at least one, such as --tasks starter; panglot tasks lists them.")
    listed = with_settings(listed, settings)
    found: dict[str, Task] = {}
    for task in (task for name in listed for task in resolve_tasks(name)):
        _print_remarks(task)
        if found.setdefault(task.name, task).fingerprint != task.fingerprint:
            raise PanglotError(
                f"Two different tasks are named '{task.name}', so their result files would collide. "
                "Rename one of them, or run them separately with different --out folders."
            )
    return list(found.values())


def find_suite(name: str) -> list[Task]:
    """Return the tasks of a suite.

    :raises UnknownName: there is no such suite.
    """
    from panglot.data.catalogue import suites

    if name not in suites():
        raise UnknownName("suite", name, suites())
    return list(suites()[name].tasks)


def _print_remarks(task: Task) -> None:
    """Print remarks about the user's own data."""
    for remark in task.remarks:
        echo(f"Note: {remark}", aside=True)


def split(names: str) -> list[str]:
    """Split a comma-separated list."""
    return [name.strip() for name in names.split(",") if name.strip()]
