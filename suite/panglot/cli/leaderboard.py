"""Starts a program of the leaderboard on a folder of results."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from panglot.errors import BadResult, require
from panglot.files import cache_dir, check_writable

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The results.")]


def check_folder(folder: Path) -> None:
    """Check that the leaderboard is installed, that there is a folder of results, and a place for its index.

    :raises MissingExtra: it is not installed.
    :raises BadResult: there is no folder, as outside a checkout.
    :raises PanglotError: the user's cache cannot be written to.
    """
    require("streamlit", "board", "The leaderboard")
    if not folder.is_dir():
        raise BadResult(
            f"There is no folder {folder} here. panglot run MODEL --out {folder} makes it, or name another."
        )
    check_writable(cache_dir(), "The user's cache (XDG_CACHE_HOME)")


def start(module: str, *arguments: str) -> NoReturn:
    """Run a module of the leaderboard in place of this process."""
    command = [sys.executable, "-m", f"leaderboard_app.{module}", *arguments]
    sys.stdout.flush()
    os.execv(command[0], command)
