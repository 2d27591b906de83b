"""`panglot receive`: take in a submission that somebody sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import DataDir
from suite.progress import Progress, silent

if TYPE_CHECKING:
    from suite.verify import Verdict


def receive(
    archive: Annotated[Path, typer.Argument(help="The zip that panglot submit made.")],
    into: Annotated[Path, typer.Option(help="The folder of submissions.")] = Path("submissions"),
    data_dir: DataDir = None,
) -> None:
    """Unpack a submission safely, verify it, and put it in its place; never over a revision that is there.

    [dim]panglot receive bm25@0.3.16.zip --into submissions[/dim]
    """
    from rich.console import Console

    from suite.commands.verify import show

    console = Console(soft_wrap=True, highlight=False)
    target, verdicts = take_in(archive, into, data_dir)
    for verdict in verdicts:
        show(console, verdict)
    if target is None:
        console.print(f"{archive} is refused; nothing was written.", style="bold red")
        raise typer.Exit(1)
    console.print(f"{target}")


def take_in(
    archive: Path, into: Path, data_dir: Path | None = None, progress: Progress = silent
) -> tuple[Path | None, tuple[Verdict, ...]]:
    """Unpack, verify and place; where it is placed, if nothing is wrong, and what was found.

    :raises BadResult: the zip is no submission, lacks its card, or holds a revision that is there already.
    """
    import tempfile

    from suite.errors import BadResult
    from suite.submission import CARD, place, unpack
    from suite.verify import verify_folder

    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=into) as incoming:
        folder = unpack(archive, Path(incoming))
        if not (folder / CARD).is_file():
            raise BadResult(f"{archive} has no {CARD}. Make it with panglot submit.")
        verdicts = verify_folder(folder, data_dir, progress)
        if any(verdict.level == "failed" for verdict in verdicts):
            return None, verdicts
        return place(folder, into), verdicts
