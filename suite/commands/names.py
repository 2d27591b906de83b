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
    """The task of that name, or the data of one's own in the folder of that name.

    :raises UnknownName: there is neither; the nearest names.
    """
    from tasks import ALL

    known = {task.name: task for task in ALL}
    if name in known:
        return known[name]
    if "/" in name or Path(name).is_dir():
        from suite.sources.folder import folder_task

        return folder_task(Path(name))
    raise UnknownName("task", name, known, "Data of your own is named by the path of its folder.")


def split(names: str) -> list[str]:
    """The parts of a list divided by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
