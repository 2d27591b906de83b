"""`panglot receive`: take in a submission that somebody sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.names import DataDir
from panglot.cli.output import AsJson, open_console, print_json
from panglot.files import check_writable
from panglot.plain import plain


def receive(
    archive: Annotated[Path, typer.Argument(metavar="ZIP", exists=True, help="Zip file made by panglot submit.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of submissions.")] = Path("submissions"),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Unpack a submission safely, verify it, and move it into place.

    Never overwrites an existing revision. Exit code 1 if the submission is refused.

    Example: panglot receive bm25@0.3.16.zip --into submissions
    """
    from panglot.cli.view.verdict import show_verdict, verdict_json
    from panglot.trust.intake import take_in

    check_writable(into, "--into")
    console = open_console(aside=as_json)
    target, verdicts = take_in(archive, into)
    if as_json:
        print_json({"folder": target and str(target), "verdicts": [verdict_json(verdict) for verdict in verdicts]})
    for verdict in verdicts if not as_json else ():
        show_verdict(console, verdict)
    if target is None:
        console.print(f"{plain(str(archive))} was refused; nothing was written.", style="bold red", soft_wrap=True)
        raise typer.Exit(1)
    if not as_json:
        console.print(plain(str(target)), soft_wrap=True)
