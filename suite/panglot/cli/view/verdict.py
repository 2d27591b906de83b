"""The outcome of verifying a file, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from panglot.cli.view.console import PlainConsole
from panglot.plain import plain
from panglot.trust.levels import MEANINGS
from panglot.trust.submission import CARD
from panglot.trust.verify import Verdict

SHOWN = 3
"""Findings shown per file."""

DECLARED = "declared"
"""Shown for a card that agrees with the results: it holds no scores that could be verified."""

ALL_MEANINGS: Mapping[str, str] = {
    DECLARED: "The card agrees with the results; what else it states is the submitter's word.",
    **MEANINGS,
}


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
    found = set(map(_shown, verdicts))
    for level in (name for name in ALL_MEANINGS if name in found):
        console.print(Text(f"{level}: {ALL_MEANINGS[level]}", "dim"))


def show_verdict(console: PlainConsole, verdict: Verdict) -> None:
    """Print one line for the file, then its findings and what was not checked."""
    good = verdict.level != "failed"
    line = Text(plain(str(verdict.path))).append(f"  {_shown(verdict)}", "green" if good else "bold red")
    console.print(line, soft_wrap=True)
    for finding in verdict.findings[:SHOWN]:
        console.print(Text(f"  {plain(finding)}"), soft_wrap=True)
    if len(verdict.findings) > SHOWN:
        console.print(Text(f"  and {len(verdict.findings) - SHOWN} more", "dim"), soft_wrap=True)
    for note in verdict.unchecked:
        console.print(Text(f"  not checked: {plain(note)}", "dim"), soft_wrap=True)


def _shown(verdict: Verdict) -> str:
    return DECLARED if verdict.path.name == CARD and verdict.level != "failed" else verdict.level
