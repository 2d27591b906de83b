"""`panglot index`: read and verify submissions before the leaderboard opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def index(folder: Annotated[Path, typer.Argument(help="The results to read.")] = Path("submissions")) -> None:
    """Read and verify what is new in a folder of results, so that the leaderboard opens at once.

    [dim]panglot index submissions/[/dim]
    """
    import os
    import sys

    from suite.errors import require

    require("streamlit", "board", "The leaderboard")
    command = [sys.executable, "-m", "leaderboard_app.index", str(folder.resolve())]
    sys.stdout.flush()
    os.execv(command[0], command)
