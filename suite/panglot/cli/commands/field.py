"""`panglot field`: what others reported on a task's cells, beside results measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.options import Languages
from panglot.cli.output import AsJson, open_console, print_json


def field(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Result files, or folders that contain them, to show beside the field."),
    ] = None,
    task: Annotated[str, typer.Option(metavar="TASK", help="A task on which others reported.")] = "belebele",
    metric: Annotated[str, typer.Option(metavar="NAME", help="Metric, such as ndcg@10 or recall@100.")] = "ndcg@10",
    languages: Languages = "",
    as_json: AsJson = False,
) -> None:
    """Show what others reported on a task: within languages, and across English.

    Reported rows have no evidence and no rank. A model is listed if it has all cells of at least one
    mean over the chosen languages.

    Example: panglot field --task belebele --languages eng_Latn,deu_Latn,swh_Latn
    """
    from panglot.cli.measured import measured
    from panglot.cli.names import split
    from panglot.cli.view.field import field_json, field_view
    from panglot.data.catalogue import suite_tasks
    from panglot.errors import UnknownName
    from panglot.interop.field import METRICS, reported_on, shipped_field

    known = list(shipped_field().models())
    if task not in known:
        raise UnknownName("task with reported scores", task, known)
    if metric not in METRICS:
        raise UnknownName("reported metric", metric, list(METRICS))
    named = suite_tasks()[task]
    chosen = named.choose(split(languages)) if languages else named.languages
    own = measured(paths or [], task, metric)
    models = [*own.models, *reported_on(shipped_field(), task, metric)]
    if as_json:
        print_json({**field_json(task, metric, models, chosen), "recorded": own.recorded, "left_out": own.left_out})
        return
    console = open_console()
    console.print(field_view(task, metric, models, chosen))
    own.tell(console)
