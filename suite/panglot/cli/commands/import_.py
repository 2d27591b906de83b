"""`panglot import`: import reported scores, kept separate from measured ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.help import Verb, Verbs
from panglot.cli.output import AsJson, echo, print_json
from panglot.files import check_writable

if TYPE_CHECKING:
    from panglot.results.reported import ReportedResult

Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for MODEL@REVISION/TASK.reported.json.")]

import_ = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Import scores reported elsewhere.\n\nExample: panglot import published",
)


@import_.command(cls=Verb)
def mteb(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with mteb's MODEL/REVISION/TASK.json, at any depth.")
    ],
    out: Out = Path("submissions"),
    as_json: AsJson = False,
) -> None:
    """Import mteb results on tasks of this suite.

    Prints why other results are skipped.

    Example: panglot import mteb ~/.cache/mteb/results
    """
    from panglot.data.catalogue import all_tasks
    from panglot.interop.mteb_import import read_mteb_results

    imported = read_mteb_results(folder, all_tasks())
    _write(out, imported.reported, [f"{what}. {reason}" for what, reason in imported.left_out], as_json)


@import_.command(cls=Verb)
def published(out: Out = Path("submissions"), as_json: AsJson = False) -> None:
    """Import the published tables of arXiv 2408.10536 and 2004.05484.

    Example: panglot import published
    """
    from panglot.interop.published import published_results

    _write(out, published_results(), [], as_json)


def _write(out: Path, reported: list[ReportedResult], left_out: list[str], as_json: bool) -> None:
    """Write the rows and print what was written and what was skipped."""
    from panglot.results.reported import write_reported

    check_writable(out, "--out")
    written = [(row.level, str(write_reported(out, row))) for row in reported]
    if as_json:
        rows = [{"level": level, "file": file} for level, file in written]
        print_json({"written": rows, "left_out": left_out})
        return
    for level, file in written:
        echo(f"{level}: {file}")
    echo(f"rows written: {len(written)}")
    for reason in left_out:
        echo(f"skipped: {reason}")
