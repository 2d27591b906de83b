"""`panglot verify`: does a submission say what it shows?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.commands.names import DataDir
from suite.commands.output import AsJson, open_console, print_json
from suite.plain import plain

if TYPE_CHECKING:
    from suite.trust.verify import Verdict
    from suite.view.console import PlainConsole

SHOWN = 3
"""Findings shown of each file."""


def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Result files, folders of models, or a folder of those.")
    ],
    rerun: Annotated[bool, typer.Option("--rerun", help="Score a sample of queries again with the model.")] = False,
    sample: Annotated[int, typer.Option(metavar="N", help="Queries that --rerun draws.", min=1)] = 200,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="What --rerun loads; default: as the result names it.")
    ] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Keep what was found in PATH/verified.json, for the board.")
    ] = False,
    check_record: Annotated[
        bool, typer.Option("--check-record", help="Fail if PATH/verified.json contradicts what was found.")
    ] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the data of the tasks first.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every score from the evidence beside it.

    Checks also that the evidence is possible. Exit code 1 if anything does not hold.

    Example: panglot verify submissions/
    """
    from suite.commands.recording import check_recorded, check_root, write_recorded

    if record or check_record:
        check_root(paths)
    console = open_console(aside=as_json)
    if fetch:
        _fetch(console, paths, data_dir)
    verdicts = []
    for verdict in _verdicts(paths, data_dir):
        if rerun and verdict.level in ("consistent", "recomputed", "reproduced"):
            verdict = _rerun(verdict, model, sample, data_dir)
        verdicts.append(verdict)
        if not as_json:
            show(console, verdict)
    if as_json:
        print_json([as_record(verdict) for verdict in verdicts])
    if any(verdict.level == "failed" for verdict in verdicts):
        raise typer.Exit(1)
    if record:
        write_recorded(console, paths[0], verdicts)
    if check_record:
        check_recorded(console, paths[0], verdicts)


def as_record(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain data."""
    return {
        "file": str(verdict.path),
        "level": verdict.level,
        "findings": list(verdict.findings),
        "unchecked": list(verdict.unchecked),
    }


def show(console: PlainConsole, verdict: Verdict) -> None:
    """One line for the file, and below it what is wrong and what was not looked at."""
    from rich.text import Text

    good = verdict.level != "failed"
    line = Text(plain(str(verdict.path))).append(f"  {verdict.level}", "green" if good else "bold red")
    console.print(line, soft_wrap=True)
    for finding in verdict.findings[:SHOWN]:
        console.print(Text(f"  {plain(finding)}"), soft_wrap=True)
    if len(verdict.findings) > SHOWN:
        console.print(Text(f"  and {len(verdict.findings) - SHOWN} more", "dim"), soft_wrap=True)
    for note in verdict.unchecked:
        console.print(Text(f"  not checked: {plain(note)}", "dim"), soft_wrap=True)


def _fetch(console: PlainConsole, paths: list[Path], data_dir: Path | None) -> None:
    """Get the data of the suite's tasks that the results are of; what cannot be had is said."""
    from suite.errors import BadResult, PanglotError
    from suite.results.result import find_results, read_result
    from suite.sources import read_pool
    from suite.trust.verify import known_tasks, pool_of
    from suite.view.terminal import progress_bar

    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for root in paths:
        with suppress(BadResult):  # what cannot be read is said when it is verified
            for path in find_results([root]):
                with suppress(BadResult):
                    record = read_result(path).task
                    wanted[record.name, record.languages] = None
    for name, languages in wanted:
        task = known_tasks().get(name)
        try:
            if task and not pool_of(task, task.choose(languages), data_dir):
                read_pool(task, languages, data_dir, progress_bar)
        except PanglotError as error:
            console.print(f"The data of {plain(name)} cannot be had. {error}", style="yellow", soft_wrap=True)


def _verdicts(paths: list[Path], data_dir: Path | None) -> Iterator[Verdict]:
    from suite.errors import BadResult
    from suite.trust.submission import CARD
    from suite.trust.verify import verify, verify_folder

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

    from suite.commands.names import known_tasks
    from suite.encoder import Options, load_model
    from suite.results.result import read_result
    from suite.sources import read_pool
    from suite.trust.rerun import rerun, write_attestation
    from suite.trust.verify import verify as verify_file
    from suite.view.terminal import progress_bar

    result = read_result(verdict.path)
    task = known_tasks().get(result.task.name)
    if task is None:
        return verdict
    pool = read_pool(task, result.task.languages, data_dir)
    if verdict.level == "consistent":  # the data may be here only now, and is compared with the evidence first
        verdict = verify_file(verdict.path, data_dir)
        if verdict.level not in ("recomputed", "reproduced"):
            return verdict
    card = result.model
    options = Options(
        query_prompt=card.prompts.get("query"),
        passage_prompt=card.prompts.get("passage"),
        precision=card.precision,
    )
    loaded = load_model(name or card.name, options)
    if loaded.card.precision != card.precision == "bf16":
        from suite.errors import BadEncoder

        raise BadEncoder(f"{card.name} was measured in bf16, which this processor lacks. Rerun it where there is bf16.")
    found = rerun(verdict.path, result, loaded, pool, sample, progress=progress_bar)
    agreement = (
        f"{found.scores_agree:.1%} of {found.pairs:,} scores and {found.lists_agree:.1%} of {len(found.queries)} lists "
        f"agree; the largest difference is {found.largest_difference:.1e} of the query's largest score"
    )
    if not found.holds:
        return replace(verdict, level="failed", findings=(f"Scored again with {card.name}: {agreement}.",))
    write_attestation(verdict.path, found)
    return replace(verdict, level="reproduced", unchecked=(*verdict.unchecked, f"all but the sample: {agreement}"))
