"""From what was typed to what is meant: names of tasks, lists, options that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError, UnknownName

if TYPE_CHECKING:
    from panglot.data.task import Task

DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The data; default: PANGLOT_DATA, else a download."),
]


def known_tasks() -> dict[str, Task]:
    """The suite's tasks, and those that installed packages offer by entry points of the group `panglot.tasks`.

    :raises PanglotError: an entry point that fails to import, or gives no task.
    """
    from importlib.metadata import entry_points

    from panglot.data.task import Task
    from panglot.tasks import ALL

    known = {}
    for entry in entry_points(group="panglot.tasks"):
        try:
            offered = entry.load()
        except Exception as error:
            raise PanglotError(f"The task {entry.name} ({entry.value}) cannot be imported. {error!r}") from error
        if not isinstance(offered, Task):
            raise PanglotError(f"The entry point {entry.name} of panglot.tasks gives {offered!r}, which is no Task.")
        known[offered.name] = offered
    return known | {task.name: task for task in ALL}


def find_task(name: str) -> Task:
    """The task of that name, or the data of one's own in the folder of that name.

    :raises UnknownName: there is neither; the nearest names.
    :raises PanglotError: the folder has the name of a task of the suite, and other data.
    """
    known = known_tasks()
    if name in known:
        return known[name]
    if "/" in name or os.path.isdir(name):
        from panglot.data.readers.folder import folder_task

        task = folder_task(Path(name))
        if task.name in known and task.fingerprint != known[task.name].fingerprint:
            raise PanglotError(
                f"The folder {name} is named as a task of the suite, so its results would pass for those of that task. "
                "Rename it."
            )
        for remark in task.remarks:
            echo(f"Note: {remark}", aside=True)
        return task
    from panglot.tasks import GROUPS

    raise UnknownName("task", name, [*known, *GROUPS], "Data of your own is named by the path of its folder.")


def find_tasks(names: str) -> list[Task]:
    """The tasks that a list of names means, each once; a name of a set or suite stands for several.

    :raises UnknownName: a name that means nothing; the nearest names.
    :raises PanglotError: two folders of one name whose data differs.
    """
    from panglot.tasks import GROUPS

    listed = [names] if os.path.isdir(names) else split(names)  # unlike Path.is_dir it bears names that are too long
    found: dict[str, Task] = {}
    for task in (task for name in listed for task in GROUPS.get(name) or [find_task(name)]):
        if found.setdefault(task.name, task).fingerprint != task.fingerprint:
            raise PanglotError(
                f"Two different tasks are named '{task.name}', so their results would have one name. "
                "Rename a folder, or run them apart with another --out."
            )
    return list(found.values())


def find_suite(name: str) -> list[Task]:
    """The tasks of a named suite.

    :raises UnknownName: there is no such suite.
    """
    from panglot.tasks import SUITES

    if name not in SUITES:
        raise UnknownName("suite", name, SUITES)
    return list(SUITES[name])


def split(names: str) -> list[str]:
    """The parts of a list divided by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
