"""`panglot board`: open the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.commands.index import Folder, check_there
from suite.commands.output import echo

LARGEST_UPLOAD = 128
"""MiB; as large as a zip that the suite unpacks."""


def board(
    folder: Folder = Path("submissions"),
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Where it listens.")] = 8501,
    address: Annotated[str, typer.Option(metavar="IP", help="0.0.0.0 lets others in.")] = "127.0.0.1",
    inbox: Annotated[
        Path, typer.Option(metavar="FOLDER", envvar="PANGLOT_INBOX", help="For uploads that passed.")
    ] = Path("inbox"),
) -> None:
    """Open the leaderboard on a folder of results.

    Example: panglot board submissions/
    """
    import os
    import sys
    from importlib.util import find_spec

    from suite.errors import require

    require("streamlit", "board", "The leaderboard")
    check_there(folder)
    spec = find_spec("leaderboard_app.app")
    assert spec is not None
    assert spec.origin is not None
    quiet = ["--server.headless=true", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
    quiet += ["--client.toolbarMode=minimal", "--client.showErrorDetails=none", "--runner.magicEnabled=false"]
    quiet += [f"--server.maxUploadSize={LARGEST_UPLOAD}"]
    listen = [f"--server.address={address}", f"--server.port={port}"]
    echo(f"The leaderboard on {folder}: http://{address}:{port}  (Ctrl-C stops it)")
    folders = [str(folder.resolve()), str(inbox.resolve())]
    command = [sys.executable, "-m", "streamlit", "run", spec.origin, *quiet, *listen, "--", *folders]
    sys.stdout.flush()
    os.execv(command[0], command)
