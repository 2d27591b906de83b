"""The outcome of verifying a file, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.text import Text

from panglot.cli.view.console import PlainConsole
from panglot.plain import plain
from panglot.trust.levels import DECLARED, MEANINGS
from panglot.trust.verify import Verdict

SHOWN = 3
"""Findings shown per file."""


OF_A_RERUN = ("Sample: ", "Not scored again: ")
"""How notes begin that say by themselves what was not checked."""


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    return {
        "file": str(verdict.path),
        "level": verdict.level,
        "findings": list(verdict.findings),
        "unchecked": list(verdict.unchecked),
    }


def show_levels(console: PlainConsole, verdicts: Iterable[Verdict]) -> None:
    """Print what each level of these verdicts means, once, the lowest first."""
    found = {verdict.level for verdict in verdicts}
    for level, meaning in {"declared": DECLARED, **MEANINGS}.items():
        if level in found:
            console.print(Text(f"{level}: {meaning}", "dim"))


def show_verdict(console: PlainConsole, verdict: Verdict) -> None:
    """Print one line for the file, then its findings and what was not checked."""
    good = verdict.level != "failed"
    line = Text(plain(str(verdict.path))).append(f"  {verdict.level}", "green" if good else "bold red")
    console.print(line, soft_wrap=True)
    for finding in verdict.findings[:SHOWN]:
        console.print(Text(f"  {plain(finding)}"), soft_wrap=True)
    if len(verdict.findings) > SHOWN:
        console.print(Text(f"  and {len(verdict.findings) - SHOWN} more", "dim"), soft_wrap=True)
    for note in verdict.unchecked:
        lead = "" if note.startswith(OF_A_RERUN) else "not checked: "
        console.print(Text(f"  {lead}{plain(note)}", "dim"), soft_wrap=True)
