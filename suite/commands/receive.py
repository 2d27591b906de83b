"""`panglot receive`: take in a submission that somebody sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import DataDir
from suite.commands.output import AsJson, check_writable, open_console, print_json
from suite.progress import Progress, silent

if TYPE_CHECKING:
    from suite.trust.verify import Verdict


def receive(
    archive: Annotated[Path, typer.Argument(metavar="ZIP", exists=True, help="What panglot submit made.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The submissions.")] = Path("submissions"),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Unpack a submission safely, verify it, and put it in its place.

    Never over a revision that is there. Exit code 1 if it is refused.

    Example: panglot receive bm25@0.3.16.zip --into submissions
    """
    from suite.commands.verify import as_record, show

    check_writable(into, "--into")
    console = open_console(aside=as_json)
    target, verdicts = take_in(archive, into, data_dir)
    if as_json:
        print_json({"folder": target and str(target), "verdicts": [as_record(verdict) for verdict in verdicts]})
    for verdict in verdicts if not as_json else ():
        show(console, verdict)
    if target is None:
        console.print(f"{archive} is refused; nothing was written.", style="bold red", soft_wrap=True)
        raise typer.Exit(1)
    if not as_json:
        console.print(f"{target}", soft_wrap=True)


def take_in(
    archive: Path, into: Path, data_dir: Path | None = None, progress: Progress = silent
) -> tuple[Path | None, tuple[Verdict, ...]]:
    """Unpack, verify and place; where it is placed, if nothing is wrong, and what was found.

    :raises BadResult: the zip is no submission, lacks its card, or holds a revision that is there already.
    """
    import tempfile

    from suite.errors import BadResult
    from suite.trust.submission import CARD, place, unpack
    from suite.trust.verify import verify_folder

    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=into) as incoming:
        folder = unpack(archive, Path(incoming))
        if not (folder / CARD).is_file():
            raise BadResult(f"{archive} has no {CARD}. Make it with panglot submit.")
        verdicts = verify_folder(folder, data_dir, progress)
        if any(verdict.level == "failed" for verdict in verdicts):
            return None, verdicts
        return place(folder, into), verdicts
