"""`panglot board`: open the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def board(
    folder: Annotated[Path, typer.Argument(help="The results to show.")] = Path("submissions"),
    port: Annotated[int, typer.Option(help="Where it listens, on this machine only.")] = 8501,
) -> None:
    """Open the leaderboard on a folder of results.

    [dim]panglot board submissions/[/dim]
    """
    import os
    import sys
    from importlib.util import find_spec

    from suite.errors import require

    require("streamlit", "board", "The leaderboard")
    spec = find_spec("leaderboard_app.app")
    assert spec is not None
    assert spec.origin is not None
    quiet = ["--server.headless=true", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
    quiet.append("--client.toolbarMode=minimal")
    address = ["--server.address=127.0.0.1", f"--server.port={port}"]
    typer.echo(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "streamlit", "run", spec.origin, *quiet, *address, "--", str(folder.resolve())]
    sys.stdout.flush()
    os.execv(command[0], command)
