"""`panglot verify`: does a submission say what it shows?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import DataDir

if TYPE_CHECKING:
    from rich.console import Console

    from suite.verify import Verdict

SHOWN = 3
"""Findings shown of each file."""


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Result files, a model's folder, or a folder of such folders.")],
    rerun: Annotated[bool, typer.Option("--rerun", help="Score a sample of queries again with the model.")] = False,
    sample: Annotated[int, typer.Option(help="Queries that --rerun draws.", min=1)] = 200,
    model: Annotated[str, typer.Option(help="How the model of --rerun is named here; default: as in the result.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Recompute every score from the evidence, and check that the evidence is possible; exit code 1 if anything is not.

    [dim]panglot verify submissions/[/dim]
    """
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    failed = False
    for verdict in _verdicts(paths, data_dir):
        if rerun and verdict.level in ("recomputed", "reproduced"):
            verdict = _rerun(verdict, model, sample, data_dir)
        show(console, verdict)
        failed |= verdict.level == "failed"
    if failed:
        raise typer.Exit(1)


def show(console: Console, verdict: Verdict) -> None:
    """One line for the file, and below it what is wrong and what was not looked at."""
    from rich.text import Text

    good = verdict.level != "failed"
    console.print(Text(str(verdict.path)).append(f"  {verdict.level}", "green" if good else "bold red"))
    for finding in verdict.findings[:SHOWN]:
        console.print(Text(f"  {finding}"))
    if len(verdict.findings) > SHOWN:
        console.print(Text(f"  and {len(verdict.findings) - SHOWN} more", "dim"))
    for note in verdict.unchecked:
        console.print(Text(f"  not checked: {note}", "dim"))


def _verdicts(paths: list[Path], data_dir: Path | None) -> Iterator[Verdict]:
    from suite.errors import BadResult
    from suite.submission import CARD
    from suite.verify import verify, verify_folder

    for path in paths:
        if path.is_file() and path.name != CARD:
            yield verify(path, data_dir)
            continue
        folders = [path] if "@" in path.resolve().name else sorted(inner for inner in path.glob("*@*"))
        if not folders:
            raise BadResult(f"There is no submission in {path}. Name a result file, or the folder of a model.")
        for folder in folders:
            yield from verify_folder(folder, data_dir)


def _rerun(verdict: Verdict, name: str, sample: int, data_dir: Path | None) -> Verdict:
    """Score a sample again; the attestation is written if all agrees."""
    from dataclasses import replace

    from suite.commands.names import find_task
    from suite.encoder import Options, load_model
    from suite.rerun import rerun, write_attestation
    from suite.result import read_result
    from suite.sources import read_pool
    from suite.terminal import progress_bar

    result = read_result(verdict.path)
    card = result.model
    options = Options(
        query_prompt=card.prompts.get("query"),
        passage_prompt=card.prompts.get("passage"),
        precision=card.precision,
    )
    pool = read_pool(find_task(result.task.name), result.task.languages, data_dir)
    loaded = load_model(name or card.name, options)
    found = rerun(verdict.path, result, loaded, pool, sample, progress=progress_bar)
    agreement = (
        f"{found.scores_agree:.1%} of {found.pairs:,} scores and {found.lists_agree:.1%} of {len(found.queries)} lists "
        f"agree; the largest difference is {found.largest_difference:.1e} of the query's largest score"
    )
    if not found.holds:
        return replace(verdict, level="failed", findings=(f"Scored again with {card.name}: {agreement}.",))
    write_attestation(verdict.path, found)
    return replace(verdict, level="reproduced", unchecked=(*verdict.unchecked, f"all but the sample: {agreement}"))
