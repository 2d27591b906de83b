"""From what was typed to what is meant: names of tasks, lists, options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.errors import UnknownName

if TYPE_CHECKING:
    from suite.task import Task

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder with the tasks' data; default: the one PANGLOT_DATA names, else it is downloaded."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def find_task(name: str) -> Task:
    """The task of that name.

    :raises UnknownName: there is none; the nearest names.
    """
    from tasks import ALL

    known = {task.name: task for task in ALL}
    if name not in known:
        raise UnknownName("task", name, known)
    return known[name]


def split(names: str) -> list[str]:
    """The parts of a list divided by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
