"""Output of verbs: tables and lines for people, or JSON for programs; notes never mix with JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panglot.plain import plain

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]


def open_console(aside: bool = False) -> PlainConsole:
    """Open the console for tables and lines: stdout, or stderr with `aside`, e.g. next to JSON."""
    from panglot.cli.view.console import PlainConsole

    return PlainConsole(aside)


def echo(line: object, aside: bool = False) -> None:
    """Print one line as plain text without importing rich; with `aside`, to stderr."""
    (sys.stderr if aside else sys.stdout).write(f"{plain(str(line))}\n")


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys and no NaN; unprintable characters become `\\u` escapes."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True)
    shown = str.isprintable if sys.stdout.encoding.lower().startswith("utf") else str.isascii
    sys.stdout.write("".join(c if shown(c) or c == "\n" else json.dumps(c)[1:-1] for c in text) + "\n")
