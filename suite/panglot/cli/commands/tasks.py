"""`panglot tasks`: what can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.completion import complete_task
from panglot.cli.names import DataDir, find_task, find_tasks
from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.errors import PanglotError

if TYPE_CHECKING:
    from panglot.data.task import Task


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="TASK", help="Say all about this one.", autocompletion=complete_task)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the items of the task here, one JSON a line.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks, or say all about one of them.

    Example: panglot tasks xquad-r
    """
    if export:
        if not name:
            raise PanglotError("--export writes one task: name it, as in panglot tasks starter --export items.jsonl")
        _export(find_task(name), export, data_dir, as_json)
        return
    from panglot.cli.view.listing import describe, list_suites, list_tasks, task_facts
    from panglot.data.catalogue import known_tasks, suites

    chosen = find_tasks(name) if name else list(known_tasks().values())
    if as_json:
        print_json([task_facts(task) for task in chosen])
    elif name:
        open_console().print(*map(describe, chosen))
    else:
        open_console().print(list_tasks(chosen), list_suites(suites()))


def _export(task: Task, path: Path, data_dir: Path | None, as_json: bool) -> None:
    """Write ids, languages and texts of a task, and images as base64, so that its vectors can be made elsewhere."""
    import json
    from base64 import b64encode

    from panglot.data.load import read_pool

    pool = read_pool(task, (), data_dir)
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
