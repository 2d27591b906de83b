"""`panglot rank`: rank models on one task, with uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.options import MetricName, TaskName
from panglot.cli.output import AsJson, open_console, print_json


def rank(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Result files, or folders that contain them.")],
    task: TaskName = None,
    setting: Annotated[
        Literal["mono", "cross", "multi", "balance"] | None,
        typer.Option(
            metavar="NAME", help="mono, cross, multi or balance; default: multi, or mono for per-language corpora."
        ),
    ] = None,
    metric: MetricName = None,
    as_json: AsJson = False,
) -> None:
    """Rank models, with letters that group those not significantly different.

    Each rank has a 95 % interval.

    Example: panglot rank submissions/ --task xquad-r
    """
    from panglot.cli.view.comparison import rank_json, rank_view
    from panglot.trust.rank import rank_files

    standings = rank_files(paths, task, setting, metric)
    if as_json:
        print_json(rank_json(standings))
        return
    console = open_console()
    console.print(rank_view(standings))
    for path, reason in standings.left_out.items():
        console.print(f"not ranked: {path}: {reason}", soft_wrap=True)
