"""`panglot rank`: models of one task in order, with what is known of that order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from suite.commands.compare import MetricName, TaskName
from suite.commands.output import AsJson, open_console, print_json
from suite.errors import BadResult, UnknownName

if TYPE_CHECKING:
    from suite.comparison.contributions import Contributions
    from suite.results.result import Result, TaskRecord


def rank(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Result files, or folders that hold them.")],
    task: TaskName = None,
    setting: Annotated[
        Literal["mono", "cross", "multi", "balance"] | None,
        typer.Option(
            metavar="NAME", help="By mono, cross, multi or balance; default: multi, or mono of divided tasks."
        ),
    ] = None,
    metric: MetricName = None,
    as_json: AsJson = False,
) -> None:
    """Rank models, with letters for those that cannot be told apart.

    The rank of each has an interval, too.

    Example: panglot rank submissions/ --task xquad-r
    """
    from suite.comparison.standings import rank_contributions
    from suite.results.result import find_results, read_result
    from suite.view.comparison import rank_json, rank_view

    files = {path.resolve(): path for path in find_results(paths)}
    results = {path: read_result(path) for path in files.values()}
    record = _only_task(results, task)
    chosen = {path: result for path, result in results.items() if result.task.name == record.name}
    name = metric or record.headline
    setting = setting or ("mono" if any(result.divided for result in chosen.values()) else "multi")
    standings = rank_contributions(dict(_contributions(chosen, name)), name, setting)
    if as_json:
        print_json(rank_json(record.name, standings))
        return
    open_console().print(rank_view(record.name, standings))


def _only_task(results: dict[Path, Result], name: str | None) -> TaskRecord:
    """The one task that is ranked, on one content.

    :raises UnknownName: there is no result on it.
    :raises BadResult: several tasks, or several contents of one.
    """
    names = sorted({result.task.name for result in results.values()})
    if name is None and len(names) > 1:
        raise BadResult(f"There are results on {', '.join(names)}. Choose one with --task.")
    if name is not None and name not in names:
        raise UnknownName("task", name, names)
    chosen = {path: result.task for path, result in results.items() if result.task.name == (name or names[0])}
    contents = {task.fingerprint: path for path, task in chosen.items()}
    if len(contents) > 1:
        listed = "; ".join(f"{path} ({', '.join(chosen[path].languages)})" for path in contents.values())
        raise BadResult(f"These results are on different content and cannot be ranked together: {listed}.")
    return next(iter(chosen.values()))


def _contributions(results: dict[Path, Result], metric: str) -> Iterator[tuple[str, Contributions]]:
    """Each model's contributions; one evidence is in memory at a time.

    :raises BadResult: two results of one model.
    """
    from suite.comparison.contributions import contributions
    from suite.results.evidence_file import read_evidence

    seen: dict[str, Path] = {}
    for path, result in results.items():
        model = f"{result.model.name}@{result.model.revision}"
        if model in seen:
            raise BadResult(f"{seen[model]} and {path} are results of one model, {model}. Leave one out.")
        seen[model] = path
        yield model, contributions(read_evidence(path), metric)
