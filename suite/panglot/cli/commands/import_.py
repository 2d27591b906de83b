"""`panglot import`: import reported scores, kept separate from measured ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.help import Verb, Verbs
from panglot.cli.output import AsJson, echo, print_json
from panglot.files import check_writable

if TYPE_CHECKING:
    from panglot.interop.field import Field
    from panglot.results.reported import ReportedResult

Out = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Output folder for MODEL@REVISION/TASK.reported.json and reported.parquet."),
]

import_ = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Import scores reported elsewhere.\n\nExample: panglot import published",
)


@import_.command(cls=Verb)
def mteb(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder with MODEL/REVISION/TASK.json of mteb, at any depth, or Parquet files of results.",
        ),
    ],
    out: Out = Path("submissions"),
    source: Annotated[
        str, typer.Option(metavar="TEXT", help="Origin of the results, kept with them: address, commit, licence.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="List every file and subset that is skipped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import mteb results on cells that Panglot's tasks have too.

    Results on mteb's own tasks go to OUT/reported.parquet, where they replace earlier ones of the same model, revision
    and task. Results on Panglot's tasks in mteb go to OUT/MODEL@REVISION/TASK.reported.json. Prints what is skipped,
    with counts.

    Example: panglot import mteb ~/.cache/mteb/results
    """
    from panglot.data.catalogue import all_tasks
    from panglot.interop.mteb_import import read_mteb

    check_writable(out, "--out")
    imported = read_mteb(path, all_tasks(), source)
    skipped: dict[str, list[str]] = {}
    for what, reason in imported.left_out:
        skipped.setdefault(reason, []).append(what)
    _write(out, imported.reported, imported.field, skipped, as_json, verbose)


@import_.command(cls=Verb)
def published(out: Out = Path("submissions"), as_json: AsJson = False) -> None:
    """Import the published tables of arXiv 2408.10536 and 2004.05484.

    Example: panglot import published
    """
    from panglot.interop.published import published_results

    check_writable(out, "--out")
    _write(out, published_results(), None, {}, as_json)


def _write(
    out: Path,
    reported: list[ReportedResult],
    field: Field | None,
    skipped: dict[str, list[str]],
    as_json: bool,
    verbose: bool = False,
) -> None:
    """Write the results and print what was written and what was skipped, one line a reason."""
    from panglot.interop.mteb_cells import mteb_cells
    from panglot.results.reported import write_reported

    written = [{"level": row.level, "file": str(write_reported(out, row))} for row in reported]
    counts = field.models() if field else {}
    if field and counts:
        written.append({"level": "reported", "file": str(_add_to_field(out, field))})
    by_count = sorted(skipped.items(), key=lambda item: -len(item[1]))
    cells = field.rows.num_rows if field else 0
    if as_json:
        left_out = [
            {"reason": reason, "count": len(whats)} | ({"what": whats} if verbose else {}) for reason, whats in by_count
        ]
        print_json({"written": written, "models": counts, "cells": cells, "left_out": left_out})
        return
    for row in written:
        echo(f"{row['level']}: {row['file']}")
    for task, models in counts.items():
        same = mteb_cells().of(task)
        echo(f"  {task}: {models:,} models. {same.remark if same else ''}".rstrip())
    echo(f"rows written: {len(reported) + cells:,}")
    for reason, whats in by_count:
        echo(f"skipped {len(whats):,}: {reason}")
        for what in whats if verbose else ():
            echo(f"  {what}")
    if skipped and not verbose:
        echo("Use --verbose to list what was skipped.")


def _add_to_field(out: Path, field: Field) -> Path:
    """Write the rows to the file of the folder, with those that it has of other models, revisions and tasks."""
    from panglot.interop.field import FILE, merge, read_field, write_field

    path = out / FILE
    write_field(path, merge(read_field(path), field) if path.exists() else field)
    return path
