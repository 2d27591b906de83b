"""Starts a leaderboard program on a folder of results."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from panglot.errors import BadResult, require
from panglot.files import cache_dir, check_writable

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Results folder.")]


def check_folder(folder: Path) -> None:
    """Check that the leaderboard is installed, the results folder exists and the index can be written.

    :raises MissingExtra: the leaderboard is not installed.
    :raises BadResult: the folder does not exist, e.g. outside a checkout.
    :raises PanglotError: the cache folder is not writable.
    """
    require("streamlit", "board", "The leaderboard")
    if not folder.is_dir():
        raise BadResult(
            f"Folder {folder} does not exist. Create it with panglot run MODEL --out {folder}, or name another folder."
        )
    check_writable(cache_dir(), "The cache folder (XDG_CACHE_HOME)")


def start(module: str, *arguments: str) -> NoReturn:
    """Replace this process with a leaderboard module."""
    command = [sys.executable, "-m", f"leaderboard_app.{module}", *arguments]
    sys.stdout.flush()
    os.execv(command[0], command)
