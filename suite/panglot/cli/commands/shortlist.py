"""`panglot shortlist`: models for some languages, a size and a licence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.output import AsJson, open_console, print_json


def shortlist(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Your own results on the task, or folders with them, to choose among too."),
    ] = None,
    languages: Annotated[str, typer.Option(metavar="de,tr", help="Your languages.")] = ...,  # type: ignore[assignment]
    max_parameters: Annotated[str, typer.Option(metavar="N", help="At most this size, e.g. 600M or 1.5B.")] = "",
    direction: Annotated[
        Literal["within", "english", "all"],
        typer.Option(metavar="within|english|all", help="In one language, across English, or both."),
    ] = "within",
    licence: Annotated[
        Literal["any", "open"], typer.Option(metavar="any|open", help="Open: any use, such as Apache-2.0 or MIT.")
    ] = "any",
    weights: Annotated[
        Literal["any", "open"], typer.Option(metavar="any|open", help="Open: weights to download.")
    ] = "any",
    min_length: Annotated[int | None, typer.Option(metavar="N", min=1, help="Reads at least N tokens.")] = None,
    task: Annotated[str, typer.Option(metavar="TASK", help="The task whose scores decide.")] = "belebele",
    metric: Annotated[str, typer.Option(metavar="NAME", help="Metric, such as ndcg@10 or recall@100.")] = "ndcg@10",
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Models to list.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the best models for your languages, size and licence, with intervals over languages.

    Chooses among the scores that others reported and your own results whose scores follow from their evidence, and
    ends with the command that checks the choice on your own data.

    Example: panglot shortlist --languages de,tr --max-parameters 600M --licence open

    Example: panglot shortlist submissions/ --languages de,tr --task xquad-r
    """
    from panglot.cli.measured import measured
    from panglot.cli.names import split
    from panglot.cli.view.shortlist import shortlist_json, shortlist_view
    from panglot.data.catalogue import suite_tasks
    from panglot.errors import PanglotError, UnknownName
    from panglot.interop.field import METRICS, reported_on, shipped_field
    from panglot.interop.shortlist import Wishes, parse_parameters
    from panglot.interop.shortlist import shortlist as choose

    if task not in suite_tasks():
        raise UnknownName("task", task, suite_tasks())
    if metric not in METRICS:
        raise UnknownName("reported metric", metric, list(METRICS))
    own = measured(paths or [], task, metric)
    models = [*own.models, *reported_on(shipped_field(), task, metric)]
    if not models:
        left = "".join(f" {path}: {reason}" for path, reason in list(own.left_out.items())[:3])
        raise PanglotError(
            f"Nobody reported scores on {task}, and there are none among the results given.{left} Reported: "
            f"{', '.join(shipped_field().models())}."
        )
    named = suite_tasks()[task]
    wanted = split(languages)
    if not wanted:
        raise PanglotError("Name your languages, e.g. --languages de,tr.")
    chosen = tuple(name for name in named.choose(wanted) if name != "zxx")
    limit = parse_parameters(max_parameters) if max_parameters else None
    wishes = Wishes(chosen, direction, limit, licence == "open", weights == "open", min_length)
    found = choose(models, named.languages, wishes)
    if as_json:
        print_json(
            {**shortlist_json(task, metric, wishes, found, top), "recorded": own.recorded, "left_out": own.left_out}
        )
    else:
        console = open_console()
        console.print(shortlist_view(task, metric, wishes, found, top))
        own.tell(console)
    if not found.choices:
        raise typer.Exit(1)
