"""`panglot check`: inspect data before anything is encoded."""

from __future__ import annotations

from typing import Annotated

import typer

from panglot.cli.completion import complete_task
from panglot.cli.names import DataDir, find_tasks
from panglot.cli.options import Detect, Split
from panglot.cli.output import AsJson, open_console, print_json


def check(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Your own data, or a task.", autocompletion=complete_task)
    ],
    split: Split = "",
    detect: Detect = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Inspect data before anything is encoded: counts, duplicates, gaps in the judgements.

    Missing data of a task is downloaded first, as by a run. Exits with 1 if anything was found, and with 2 if the data
    cannot be read.

    Example: panglot check ./pairs.csv --detect de,en

    Example: panglot check starter --json
    """
    tasks = find_tasks(data, split=split, detect=detect.replace(",", "+"))

    from panglot.cli.view.terminal import progress_bar
    from panglot.data.load import read_pool
    from panglot.data.quality import inspect

    found = {task.name: inspect(read_pool(task, progress=progress_bar)) for task in tasks}
    if as_json:
        print_json(
            [
                {
                    "task": task.name,
                    "remarks": task.remarks,
                    "languages": {name: counts._asdict() for name, counts in found[task.name].languages.items()},
                    "findings": [finding._asdict() for finding in found[task.name].findings],
                }
                for task in tasks
            ]
        )
    else:
        from panglot.cli.view.quality import quality_view

        for task in tasks:
            open_console().print(quality_view(task.name, found[task.name], noted=bool(task.remarks)))
    if any(quality.findings for quality in found.values()):
        raise typer.Exit(1)
