"""`panglot verify --record` and `--check-record`: what verification found, kept beside the submissions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from panglot.errors import BadResult
from panglot.numbers import count

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.trust.recorded import Rankings
    from panglot.trust.verify import Verdict


def check_root(paths: Sequence[Path]) -> None:
    """Check that one whole folder of submissions was named.

    :raises BadResult: something else was.
    """
    if len(paths) != 1 or not paths[0].is_dir() or "@" in paths[0].resolve().name:
        raise BadResult("A record covers a whole folder of submissions. Pass only that folder, such as submissions/.")


def write_recorded(console: PlainConsole, root: Path, verdicts: Sequence[Verdict], rankings: Rankings) -> None:
    """Write the record, and say how many results it covers."""
    from panglot.results.naming import RECORD
    from panglot.results.record import write_record
    from panglot.trust.recorded import record_verification

    record = record_verification(verdicts, rankings)
    write_record(root / RECORD, record)
    console.print(f"{root / RECORD} records {count(len(record.results), 'result')}.", soft_wrap=True)
    consistent = [name for name, found in record.results.items() if found.level == "consistent"]
    if consistent:
        console.print(
            f"{len(consistent)} of them only as consistent, such as {consistent[0]}, because the data of their tasks "
            "is missing. Pass its folder with --data-dir to record them as recomputed.",
            soft_wrap=True,
        )


def check_recorded(console: PlainConsole, root: Path, verdicts: Sequence[Verdict], rankings: Rankings) -> None:
    """Hold the record against what was found just now.

    :raises Exit: they differ; with code 1.
    """
    from panglot.results.naming import RECORD
    from panglot.trust.recorded import differences, read_verification, record_verification

    recorded = read_verification(root)
    wrong = ["It is missing, or another version of the verification code wrote it."]
    if recorded is not None:
        again = record_verification(verdicts, rankings)
        wrong = list(differences(recorded, again))
        new = sorted(set(again.results) - set(recorded.results))
        if new:
            console.print(
                f"{count(len(new), 'result is', 'results are')} not recorded yet, such as {new[0]}.", soft_wrap=True
            )
    if wrong:
        console.print(f"{root / RECORD} is out of date. Update it: panglot verify {root} --record", style="red")
        for line in wrong:
            console.print(f"  {line}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"{root / RECORD} is up to date.", soft_wrap=True)
