"""What a verb puts out: tables and lines for a person, or JSON for a program; notes never mix with JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.errors import PanglotError

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]


def open_console(aside: bool = False) -> Console:
    """Where tables and lines go: standard output, or standard error with `aside`, as beside JSON."""
    from rich.console import Console

    from suite.view.tables import UNBOUNDED

    console = Console(stderr=aside, highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUNDED
    return console


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys, without NaN."""
    typer.echo(json.dumps(value, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True))


def check_writable(path: Path, option: str) -> None:
    """Check that something can be written there, before anything costs time; nothing is made.

    :raises PanglotError: the nearest folder above it is none, or is protected.
    """
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        reason = "is protected against writing" if nearest.is_dir() else "is no folder"
        raise PanglotError(
            f"{option}: nothing can be written to {path}, since {nearest} {reason}. Name another folder."
        )
