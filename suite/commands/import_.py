"""`panglot import`: scores that others report, kept apart from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from suite.bridge import ReportedResult

Out = Annotated[Path, typer.Option(help="Where rows are written, as MODEL@REVISION/TASK.reported.json.")]

import_ = typer.Typer(no_args_is_help=True, help="Take in scores that others report.")


@import_.command()
def mteb(
    folder: Annotated[Path, typer.Argument(help="Results of mteb: MODEL/REVISION/TASK.json, at any depth.")],
    out: Out = Path("submissions"),
) -> None:
    """Take in mteb results on tasks of this suite, and say of all others why they are left out.

    [dim]panglot import mteb ~/.cache/mteb/results[/dim]
    """
    from suite.bridge.mteb_import import read_mteb_results
    from tasks import ALL

    imported = read_mteb_results(folder, ALL)
    _write(out, imported.reported)
    for what, reason in imported.left_out:
        typer.echo(f"left out: {what}. {reason}")


@import_.command()
def published(out: Out = Path("submissions")) -> None:
    """Write the tables of arXiv 2408.10536 and 2004.05484 as rows.

    [dim]panglot import published[/dim]
    """
    from suite.bridge.published import published_results

    _write(out, published_results())


def _write(out: Path, reported: list[ReportedResult]) -> None:
    from suite.bridge import write_reported

    for row in reported:
        typer.echo(f"{row.level}: {write_reported(out, row)}")
    typer.echo(f"rows written: {len(reported)}")
