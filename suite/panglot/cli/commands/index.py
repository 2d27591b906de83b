"""`panglot index`: verify results ahead of opening the leaderboard."""

from __future__ import annotations

from pathlib import Path

from panglot.cli.leaderboard import Folder, check_folder, start
from panglot.cli.names import DataDir
from panglot.cli.output import AsJson


def index(folder: Folder = Path("submissions"), data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Read and verify new results so the leaderboard opens quickly.

    Example: panglot index submissions/
    """
    check_folder(folder)
    start("index.verification", *(["--json"] if as_json else []), str(folder.resolve()))
