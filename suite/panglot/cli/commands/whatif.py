"""`panglot whatif`: estimate serving policies from evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.options import TaskName
from panglot.cli.output import AsJson, open_console, print_json


def whatif(
    paths: Annotated[list[Path], typer.Argument(metavar="RESULT", help="Result files, or folders that contain them.")],
    policy: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="interleave, own-first:K, without:LANG, only-own, two:LANG, translate:LANG.",
        ),
    ] = "interleave,own-first:3,only-own",
    task: TaskName = None,
    by_language: Annotated[bool, typer.Option("--by-language", help="Also show --metric by query language.")] = False,
    metric: Annotated[str, typer.Option(metavar="NAME", help="Measure of --by-language, e.g. rank_distance.")] = "map",
    as_json: AsJson = False,
) -> None:
    """Estimate how other serving policies would score on the same index.

    Compares per-language indexes, own-language-first lists and translated queries with the pool of all languages,
    with intervals and tests. Uses the evidence only; loads no model.

    Example: panglot whatif submissions/use-multilingual@0.2.1 --policy interleave,translate:en
    """
    from panglot.cli.names import split
    from panglot.cli.view.remedies import COLUMNS, remedies_view
    from panglot.errors import BadResult, UnknownName
    from panglot.remedies.whatif import as_records, what_if
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import find_results, read_result_record

    if metric not in COLUMNS:
        raise UnknownName("measure", metric, COLUMNS)
    results = {path: read_result_record(path) for path in find_results(paths)}
    chosen = {path: result for path, result in results.items() if task in (None, result.task.name)}
    if task and not chosen:
        raise UnknownName("task", task, {result.task.name for result in results.values()})
    console, rows, reasons, answered = open_console(aside=as_json), [], [], False
    for path, result in chosen.items():
        model = result.model.label
        try:
            answers = what_if(read_evidence_of(path, result), split(policy))
        except BadResult as error:
            reasons.append(f"{model} on {result.task.name}: {error}")
            continue
        answered |= any(not answer.why for answer in answers[1:]) or len(answers) == 1
        if as_json:
            rows += as_records(model, result.task.name, answers)
        else:
            console.print(remedies_view(model, result.task.name, answers, metric if by_language else ""))
    for reason in reasons:
        console.print(reason, style="yellow", soft_wrap=True)
    if not answered:
        raise BadResult("None of these results supports any of the policies.")
    if as_json:
        print_json(rows)
