"""`panglot index`: read and verify submissions before the leaderboard opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.output import AsJson, check_writable
from panglot.files import cache_dir

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The results.")]


def index(folder: Folder = Path("submissions"), as_json: AsJson = False) -> None:
    """Read and verify new results, so that the leaderboard opens at once.

    Example: panglot index submissions/
    """
    import os
    import sys

    from panglot.errors import require

    require("streamlit", "board", "The leaderboard")
    check_there(folder)
    command = [
        sys.executable,
        "-m",
        "leaderboard_app.verification",
        *(["--json"] if as_json else []),
        str(folder.resolve()),
    ]
    sys.stdout.flush()
    os.execv(command[0], command)


def check_there(folder: Path) -> None:
    """Check that there is a folder of results, and a place for its index.

    :raises BadResult: there is none, as outside a checkout.
    :raises PanglotError: the user's cache cannot be written to.
    """
    from panglot.errors import BadResult

    if not folder.is_dir():
        raise BadResult(
            f"There is no folder {folder} here. panglot run MODEL --out {folder} makes it, or name another."
        )
    check_writable(cache_dir(), "The user's cache (XDG_CACHE_HOME)")
