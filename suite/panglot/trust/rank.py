"""Rank the results on one task; those that cannot be ranked with the others are left out, each with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from panglot.data.catalogue import known_tasks
from panglot.errors import BadResult, UnknownName
from panglot.files import real_path
from panglot.results.result import Result, read_result
from panglot.results.result_record import find_results
from panglot.score.comparison.contributions import Contributions, contributions
from panglot.score.comparison.standings import Standings, comparable, rank_contributions
from panglot.trust.levels import COMPARED
from panglot.trust.recorded import recorded_level

OTHER_QUERIES = "Its evidence does not hold the same queries for the same questions as that of the others."


MOST_TOLD = 3
"""Results that an error names, each with the reason why it cannot be ranked."""


def rank_results(
    results: Sequence[Result], task: str | None = None, setting: str | None = None, metric: str | None = None
) -> Standings:
    """Models on one task by their scores, best first, with intervals of their ranks and letters.

    `setting` is `mono`, `cross`, `multi` or `balance`; by default `multi`, or `mono` of a divided task. `metric` is the
    headline of the task by default. Only results on the same content are ranked: that of the suite's task, else that
    which most are about. Where their evidence differs in its queries, results whose evidence was compared with the
    task's data come before all others.

    :raises UnknownName: there is no result on that task, or no such setting or metric.
    :raises BadResult: there are results on several tasks, or none can be ranked.
    """
    name = _only_task(results, task)
    chosen, left_out = _on_one_content([result for result in results if result.task == name])
    metric = metric or _headline(name, chosen)
    added = _contributions(chosen, metric, left_out)
    compared = {result.model.label for result in chosen if result.path and recorded_level(result.path) in COMPARED}
    kept = comparable(added, compared)
    for result in chosen:
        if result.model.label in set(added) - set(kept):
            left_out[result.place] = OTHER_QUERIES
    if not kept:
        raise BadResult(" ".join(["None of these results can be ranked.", *_told(left_out)]))
    divided = any(result.record.divided for result in chosen if result.model.label in kept)
    standings = rank_contributions(kept, metric, setting or ("mono" if divided else "multi"))
    return replace(standings, task=name, left_out=left_out)


def rank_files(
    paths: Sequence[Path], task: str | None = None, setting: str | None = None, metric: str | None = None
) -> Standings:
    """Rank result files, or those in folders, as `rank_results` does; files that cannot be read are left out.

    :raises UnknownName: as `rank_results`.
    :raises BadResult: a path without a result, no file that can be read, or as `rank_results`.
    """
    results, unread = [], {}
    for path in {real_path(path): path for path in find_results(paths)}.values():
        try:
            results.append(read_result(path))
        except BadResult as error:
            unread[str(path)] = str(error)
    if not results:
        raise BadResult(" ".join(unread.values()))
    standings = rank_results(results, task, setting, metric)
    return replace(standings, left_out={**unread, **standings.left_out})


def _only_task(results: Iterable[Result], name: str | None) -> str:
    """The one task that is ranked.

    :raises UnknownName: there is no result on it.
    :raises BadResult: there are none, or several tasks.
    """
    names = sorted({result.task for result in results})
    if not names:
        raise BadResult("There is no result to rank.")
    if name is None and len(names) > 1:
        raise BadResult(f"There are results on {', '.join(names)}. Choose one with --task.")
    if name is not None and name not in names:
        raise UnknownName("task", name, names)
    return name or names[0]


def _on_one_content(results: Sequence[Result]) -> tuple[list[Result], dict[str, str]]:
    """The results on the content of the suite's task, however many are on another, else on what most are about.

    And why the others are left out.
    """
    records = [result.record.task for result in results]
    counted = Counter(record.fingerprint for record in records)
    task = known_tasks().get(records[0].name)
    own = task.fingerprint if task else ""
    fingerprint = max(counted, key=lambda content: (content == own, counted[content]))
    languages = next(record.languages for record in records if record.fingerprint == fingerprint)
    left_out = {}
    for result in results:
        record = result.record.task
        if record.fingerprint != fingerprint:
            asked = f"; it was asked in {', '.join(record.languages)}" if record.languages != languages else ""
            left_out[result.place] = (
                f"It is on other content than the others (fingerprint {record.fingerprint[:12]}){asked}."
            )
    return [result for result in results if result.record.task.fingerprint == fingerprint], left_out


def _headline(name: str, results: Iterable[Result]) -> str:
    """The metric that the task is about: what the suite says, else what most results say."""
    task = known_tasks().get(name)
    return task.headline if task else Counter(each.record.task.headline for each in results).most_common(1)[0][0]


def _contributions(results: Iterable[Result], metric: str, left_out: dict[str, str]) -> dict[str, Contributions]:
    """Each model's contributions; one evidence is in memory at a time. Of two results of one model the first counts."""
    seen: dict[str, str] = {}
    added = {}
    for result in results:
        model = result.model.label
        if model in seen:
            left_out[result.place] = f"It is another result of {model}, which is ranked by {seen[model]}."
            continue
        try:
            added[model] = contributions(result.read_evidence(), metric)
            seen[model] = result.place
        except BadResult as error:
            left_out[result.place] = str(error).removeprefix(f"{result.place}: ")
    return added


def _told(left_out: Mapping[str, str]) -> list[str]:
    """The first of what was left out, each with its reason, and how many more there are."""
    told = [f"{place}: {reason}" for place, reason in left_out.items()]
    return told if len(told) <= MOST_TOLD else [*told[:MOST_TOLD], f"And {len(told) - MOST_TOLD:,} more."]
