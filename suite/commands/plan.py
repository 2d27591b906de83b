"""`panglot plan`: what a run would take."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from suite.commands.names import AsJson, DataDir, find_tasks, split
from suite.commands.options import Cache, Languages, ModelName, TaskNames, open_cache


def plan(
    model: ModelName,
    tasks: TaskNames = "starter",
    languages: Languages = "",
    data_dir: DataDir = None,
    cache: Cache = None,
    price: Annotated[float, typer.Option(help="Of an API, for a million tokens.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="Machines or GPUs like this one, for corpora.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say what a run would take, from a measurement on a few texts: nothing is written.

    [dim]panglot plan intfloat/multilingual-e5-small --tasks xquad-r,mlqa-r[/dim]
    """
    chosen = find_tasks(tasks)
    from rich.console import Console

    from suite.corpus import StreamedTask
    from suite.encoder import load_model
    from suite.listing import list_plans, list_stream_plan
    from suite.plan import plan_run
    from suite.sources import read_pool
    from suite.stream_plan import FORMS, plan_stream

    loaded = load_model(model)
    opened = open_cache(cache, no_cache=False)
    corpora = [task for task in chosen if isinstance(task, StreamedTask)]
    large = {task.name: plan_stream(loaded, task, split(languages), data_dir) for task in corpora}
    plans = {
        task.name: plan_run(loaded, read_pool(task, split(languages), data_dir), opened)
        for task in chosen
        if task.name not in large
    }
    if as_json:
        rows = {
            name: made
            and {
                "dimension": made.dimension,
                "seconds": made.seconds,
                "tokens": made.tokens,
                "cost": made.tokens / 1e6 * price,
                "disk_bytes": made.disk_bytes,
                "memory_bytes": made.memory_bytes,
                "roles": [role._asdict() for role in made.roles],
            }
            for name, made in plans.items()
        }
        rows |= {
            name: {
                "dimension": made.dimension,
                "seconds": made.seconds(workers),
                "tokens": made.tokens,
                "disk_bytes": {form: made.disk_bytes(form) for form in FORMS},
                "languages": [language._asdict() for language in made.languages],
            }
            for name, made in large.items()
        }
        typer.echo(json.dumps(rows, indent=1))
        return
    console = Console()
    if plans:
        console.print(list_plans(plans, price))
    for name, stream in large.items():
        console.print(list_stream_plan(name, stream, workers, price))
