"""`panglot rescore`: results computed anew from their evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.names import DataDir
from panglot.cli.output import AsJson, open_console, print_json
from panglot.numbers import count

if TYPE_CHECKING:
    from panglot.trust.rescore import Rescored


def rescore(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Result files, folders of models, or a folder of those.")
    ],
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Also add this metric, such as ndcg@20 (repeatable).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Accept values that change.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Recompute results from their evidence, with new measures and intervals.

    Encodes nothing and keeps what was measured. Fails if a value would change. Results without evidence are skipped.

    Example: panglot rescore submissions/
    """
    from panglot.cli.view.terminal import progress_bar
    from panglot.errors import BadResult
    from panglot.results.evidence_file import NoEvidence
    from panglot.results.result_record import find_results
    from panglot.trust.rescore import rescore as rescore_one

    console = open_console(aside=as_json)
    files, records, skipped = list(find_results(paths)), [], []
    with progress_bar("rescoring", len(files)) as advance:
        for path in files:
            try:
                done = rescore_one(path, metric or (), force)
            except NoEvidence as error:
                skipped.append(str(error))
                continue
            finally:
                advance(1)
            records.append({**done._asdict(), "path": str(path)})
            if not as_json:
                console.print(_line(done), soft_wrap=True)
    if not records:
        raise BadResult(skipped[0])
    for reason in skipped:
        console.print(f"skipped: {reason}", style="yellow", soft_wrap=True)
    if as_json:
        print_json(records)


def _line(done: Rescored) -> str:
    """What changed in a result, in one line."""
    if not done.changed:
        return f"{done.path}: unchanged"
    changes = [f"{done.clusters:,} clusters"]
    if done.widening is not None:
        changes.append(f"intervals {done.widening:.2f} times as wide")
    if done.added:
        changes.append(f"added {', '.join(done.added)}")
    changes.append(
        f"{count(len(done.moved), 'value')} changed, first {done.moved[0]}" if done.moved else "no value changed"
    )
    return f"{done.path}: {', '.join(changes)}"
