"""`panglot tasks`: list, describe, check and export tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.completion import complete_task
from panglot.cli.names import DataDir, find_task, find_tasks
from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.errors import PanglotError
from panglot.files import make_parent

if TYPE_CHECKING:
    from panglot.data.check import Checked
    from panglot.data.task import Task

STATES = {
    "as stated": "the data matches the file",
    "differs": "the data does not match the file",
    "not here": "the file is valid; its data was not found, so it was not compared",
    "streamed": "the file is valid; passages are counted when a run streams them",
}


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="TASK", help="Describe this task.", autocompletion=complete_task)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the task's items to FILE as JSON Lines.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check a task file, and its data if available."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List tasks, or describe one.

    Example: panglot tasks xquad-r

    Example: panglot tasks starter --export items.jsonl
    """
    if check:
        _check(check, as_json)
        return
    if export:
        if not name:
            raise PanglotError("--export needs a task name, e.g. panglot tasks starter --export items.jsonl")
        _export(find_task(name), export, as_json)
        return
    from panglot.cli.view.listing import describe_all, list_suites, list_tasks, task_facts
    from panglot.data.catalogue import groups, known_tasks, suites

    chosen = find_tasks(name) if name else list(known_tasks().values())
    if as_json:
        print_json([task_facts(task) for task in chosen])
    elif name:
        open_console().print(describe_all(name, chosen))
    else:
        open_console().print(list_tasks(chosen, groups()), list_suites(suites()))


def _check(path: Path, as_json: bool) -> None:
    """Print where a task file differs from its data, and which fingerprint to add."""
    from panglot.data.check import check_task_file
    from panglot.evaluate.resolve import check_headline

    if path.is_dir():
        raise PanglotError(
            f"--check reads a task file (.toml), but {path} is a folder. To read and check a folder of data: "
            f"panglot tasks {path}"
        )
    checked = check_task_file(path)
    for one in checked:
        check_headline(path, one.task)
    if as_json:
        print_json(
            [
                {
                    "task": one.task.name,
                    "state": one.state,
                    "findings": one.findings,
                    "fingerprint": one.fingerprint or None,
                }
                for one in checked
            ]
        )
    else:
        for one in checked:
            _show_checked(path, one)
    if any(one.findings for one in checked):
        raise typer.Exit(1)


def _show_checked(path: Path, checked: Checked) -> None:
    task, state = checked.task, STATES[checked.state]
    echo(f"{task.name}: {state} ({task.queries:,} queries, {task.candidates:,} candidates)")
    for finding in checked.findings:
        echo(finding)
    if checked.fingerprint and not task.fingerprint and not checked.findings:
        echo(f'{path} has no fingerprint yet. Once the data is final, add: fingerprint = "{checked.fingerprint}"')


def _export(task: Task, path: Path, as_json: bool) -> None:
    """Write the ids, languages, texts and base64 images of a task, so that vectors can be computed elsewhere."""
    import json
    from base64 import b64encode

    from panglot.data.load import read_pool

    pool = read_pool(task)
    make_parent(path, "--export")
    with path.open("w", encoding="utf-8") as file:
        for role, items in (("query", pool.queries), ("passage", pool.candidates)):
            for place, (id_, text, language) in enumerate(zip(items.ids, items.texts, items.language, strict=True)):
                row = {"id": id_, "role": role, "language": pool.languages[language], "text": text}
                if place in items.images:
                    row["image"] = b64encode(items.images[place].read()).decode()
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if as_json:
        print_json({"file": str(path), "queries": len(pool.queries), "candidates": len(pool.candidates)})
    else:
        echo(f"{path}: {len(pool.queries)} queries and {len(pool.candidates)} candidates")
