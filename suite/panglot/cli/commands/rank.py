"""`panglot rank`: models of one task in order, with what is known of that order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panglot.cli.options import MetricName, TaskName
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import BadResult, UnknownName

if TYPE_CHECKING:
    from panglot.results.result_record import ResultRecord
    from panglot.score.comparison.contributions import Contributions

OTHER_QUERIES = "Its evidence does not hold the same queries for the same questions as that of the others."


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
    from panglot.cli.view.comparison import rank_json, rank_view
    from panglot.results.result_record import find_results
    from panglot.score.comparison.standings import comparable, rank_contributions

    files = {path.resolve(): path for path in find_results(paths)}
    results, left_out = _read(list(files.values()))
    name = _only_task(results, task)
    chosen = _on_one_content({path: result for path, result in results.items() if result.task.name == name}, left_out)
    metric = metric or _headline(name, chosen)
    added = _contributions(chosen, metric, left_out)
    kept = comparable(added, _compared(chosen))
    divided = any(result.divided for result in chosen.values() if result.model.label in kept)
    setting = setting or ("mono" if divided else "multi")
    left_out |= {
        str(path): OTHER_QUERIES for path, result in chosen.items() if result.model.label in set(added) - set(kept)
    }
    if not kept:
        raise BadResult("None of these results can be ranked. " + " ".join(left_out.values()))
    standings = rank_contributions(kept, metric, setting)
    if as_json:
        print_json({**rank_json(name, standings), "left_out": left_out})
        return
    console = open_console()
    console.print(rank_view(name, standings))
    for path, reason in left_out.items():
        console.print(f"not ranked: {path}: {reason}", soft_wrap=True)


def _compared(results: dict[Path, ResultRecord]) -> set[str]:
    """The models whose evidence was compared with the task's data, as the record of their folder says."""
    from panglot.trust.levels import COMPARED
    from panglot.trust.recorded import recorded_level

    return {result.model.label for path, result in results.items() if recorded_level(path) in COMPARED}


def _read(paths: list[Path]) -> tuple[dict[Path, ResultRecord], dict[str, str]]:
    """The results that can be read, and why the others cannot."""
    from panglot.results.result_record import read_result_record

    results, left_out = {}, {}
    for path in paths:
        try:
            results[path] = read_result_record(path)
        except BadResult as error:
            left_out[str(path)] = str(error)
    if not results:
        raise BadResult(" ".join(left_out.values()))
    return results, left_out


def _only_task(results: dict[Path, ResultRecord], name: str | None) -> str:
    """The one task that is ranked.

    :raises UnknownName: there is no result on it.
    :raises BadResult: there are several tasks.
    """
    names = sorted({result.task.name for result in results.values()})
    if name is None and len(names) > 1:
        raise BadResult(f"There are results on {', '.join(names)}. Choose one with --task.")
    if name is not None and name not in names:
        raise UnknownName("task", name, names)
    return name or names[0]


def _on_one_content(results: dict[Path, ResultRecord], left_out: dict[str, str]) -> dict[Path, ResultRecord]:
    """The results on the content of the suite's task, however many are on another; else on what most are about."""
    from collections import Counter

    from panglot.data.catalogue import known_tasks

    counted = Counter(result.task.fingerprint for result in results.values())
    task = known_tasks().get(next(iter(results.values())).task.name)
    own = task.fingerprint if task else ""
    fingerprint = max(counted, key=lambda content: (content == own, counted[content]))
    languages = next(result.task.languages for result in results.values() if result.task.fingerprint == fingerprint)
    for path, result in results.items():
        record = result.task
        if record.fingerprint != fingerprint:
            asked = f"; it was asked in {', '.join(record.languages)}" if record.languages != languages else ""
            left_out[str(path)] = (
                f"It is on other content than the others (fingerprint {record.fingerprint[:12]}){asked}."
            )
    return {path: result for path, result in results.items() if result.task.fingerprint == fingerprint}


def _headline(name: str, results: dict[Path, ResultRecord]) -> str:
    """The metric that the task is about: what the suite says, else what most results say."""
    from collections import Counter

    from panglot.data.catalogue import known_tasks

    task = known_tasks().get(name)
    return task.headline if task else Counter(r.task.headline for r in results.values()).most_common(1)[0][0]


def _contributions(
    results: dict[Path, ResultRecord], metric: str, left_out: dict[str, str]
) -> dict[str, Contributions]:
    """Each model's contributions; one evidence is in memory at a time. Of two results of one model the first counts."""
    from panglot.data.catalogue import known_tasks
    from panglot.results.facts import read_evidence_of
    from panglot.score.comparison.contributions import contributions

    known = known_tasks()
    seen: dict[str, Path] = {}
    added = {}
    for path, result in results.items():
        model = result.model.label
        if model in seen:
            left_out[str(path)] = f"It is another result of {model}, which is ranked by {seen[model]}."
            continue
        try:
            added[model] = contributions(read_evidence_of(path, result, known.get(result.task.name)), metric)
            seen[model] = path
        except BadResult as error:
            left_out[str(path)] = str(error)
    return added
