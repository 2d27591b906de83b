"""`panglot verify`: does a submission say what it shows?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.names import DataDir
from panglot.cli.output import AsJson, open_console, print_json
from panglot.plain import plain

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.trust.verify import Use, Verdict


def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Result files, folders of models, or a folder of those.")
    ],
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Score a sample again with the model; write TASK.attestation.json.")
    ] = False,
    sample: Annotated[int, typer.Option(metavar="N", help="Queries that --rerun draws.", min=1)] = 200,
    model: Annotated[str, typer.Option(metavar="MODEL", help="Model for --rerun to load (default: see above).")] = "",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code from the repository given by --model.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Write the findings to PATH/verified.json, for the board.")
    ] = False,
    check_record: Annotated[
        bool, typer.Option("--check-record", help="Fail if PATH/verified.json contradicts the findings.")
    ] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the data of the tasks first.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every score from the evidence beside it.

    Also checks that the evidence is possible. Exit code 1 if a check fails, 2 if --rerun could not score a result
    again. By itself, --rerun loads only built-in models, and models of the Hub at the commit that the result states,
    without code or pickled weights. It prints what it is about to load. A model that runs code, reads files or
    contacts a host must be given with --model.

    Example: panglot verify submissions/
    """
    from panglot.cli.recording import check_recorded, check_root, write_recorded
    from panglot.cli.rerunning import Rerun
    from panglot.cli.view.verdict import show_levels, show_verdict, verdict_json
    from panglot.trust.recorded import Rankings, collect_rankings

    if record or check_record:
        check_root(paths)
    console = open_console(aside=as_json)
    if fetch:
        _fetch(console, paths)
    rankings: Rankings = {}
    found = _verdicts(paths, collect_rankings(rankings) if record or check_record else None)
    again = Rerun(console, model, trust_remote_code, sample)
    verdicts = []
    for verdict in map(again, found) if rerun else found:
        verdicts.append(verdict)
        if not as_json:
            show_verdict(console, verdict)
    if as_json:
        print_json([verdict_json(verdict) for verdict in verdicts])
    else:
        show_levels(console, verdicts)
    if any(verdict.level == "failed" for verdict in verdicts):
        raise typer.Exit(1)
    if record:
        write_recorded(console, paths[0], verdicts, rankings)
    if check_record:
        check_recorded(console, paths[0], verdicts, rankings)
    if again.refused:
        raise typer.Exit(2)


def _fetch(console: PlainConsole, paths: list[Path]) -> None:
    """Get the data of the suite's tasks that the results are of; what cannot be had is said."""
    from panglot.cli.view.terminal import progress_bar
    from panglot.data.catalogue import suite_tasks
    from panglot.data.load import read_pool
    from panglot.data.local import remembered_pool
    from panglot.errors import BadResult, PanglotError
    from panglot.results.result_record import find_results, read_result_record

    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for root in paths:
        with suppress(BadResult):  # what cannot be read is said when it is verified
            for path in find_results([root]):
                with suppress(BadResult):
                    record = read_result_record(path).task
                    wanted[record.name, record.languages] = None
    for name, languages in wanted:
        task = suite_tasks().get(name)
        try:
            if task and not remembered_pool(task, task.choose(languages)):
                read_pool(task, languages, progress_bar)
        except PanglotError as error:
            console.print(f"The data of {plain(name)} is not available. {error}", style="yellow", soft_wrap=True)


def _verdicts(paths: list[Path], use: Use | None) -> Iterator[Verdict]:
    from panglot.errors import BadResult
    from panglot.files import real_path
    from panglot.trust.submission import CARD
    from panglot.trust.verify import verify
    from panglot.trust.verify_folder import verify_folder

    for path in paths:
        if not path.exists():
            raise BadResult(f"{path} does not exist. Pass a result file, or the folder of a model.")
        if path.suffix == ".zip" and path.is_file():
            raise BadResult(f"{path} is packed. To unpack it, verify it and put it in place: panglot receive {path}")
        if path.is_file() and path.name != CARD:
            yield verify(path, use)
            continue
        folders = [path] if "@" in real_path(path).name else sorted(inner for inner in path.glob("*@*"))
        if not folders:
            raise BadResult(f"No submission in {path}. Pass a result file, or the folder of a model.")
        for folder in folders:
            yield from verify_folder(folder, use=use)
