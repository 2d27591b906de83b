"""`panglot board`: open the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.leaderboard import Folder, check_folder, start
from panglot.cli.names import DataDir
from panglot.cli.output import echo


def board(
    folder: Folder = Path("submissions"),
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(metavar="IP", help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    inbox: Annotated[
        Path, typer.Option(metavar="FOLDER", envvar="PANGLOT_INBOX", help="Folder for verified uploads.")
    ] = Path("inbox"),
    data_dir: DataDir = None,
) -> None:
    """Open the leaderboard for a folder of results.

    Example: panglot board submissions/
    """
    check_folder(folder)
    echo(f"Leaderboard for {folder}: http://{address}:{port}  (Ctrl-C to stop)")
    start("serve", str(folder.resolve()), str(inbox.resolve()), address, str(port))
