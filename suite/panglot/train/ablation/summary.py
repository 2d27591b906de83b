"""Summarise the models of an ablation: means over seeds with intervals, and tests between arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.score.bootstrap import draw_clusters, effective, scores_of
from panglot.score.comparison.contributions import Contributions, contributions, members_of, with_balance
from panglot.score.settings import SCORES, SETTINGS
from panglot.train.ablation.contrasts import contrasts
from panglot.train.ablation.experiment import MEASURES, ArmRow, ArmTitle, Experiment, Interval, RunRow, TrialRow
from panglot.train.ablation.grid import Ablation, Planned, variant
from panglot.train.ablation.influence import influences


class Scored(NamedTuple):
    """A trained model of an ablation as it is, or with a debiasing method, with its result files."""

    planned: Planned
    steps: int
    seconds: float
    validation: float | None
    results: Sequence[Path]
    method: str = ""
    trials: Sequence[float] = ()
    """Validation scores of the planned model's trials."""

    @property
    def arm(self) -> str:
        """The name of the arm, with the method."""
        return variant(self.planned.arm, self.method)


def summarise(ablation: Ablation, scored: Sequence[Scored]) -> Experiment:
    """Summarise the results of an ablation's models; arms without a model are omitted.

    :raises BadResult: a result or its evidence cannot be read.
    """
    made = {model.arm for model in scored}
    arms = tuple(
        ArmTitle(name, arm.title + (f", {method}" if method else ""), None if method else arm.alpha, arm.varies)
        for name, method, arm in ablation.variants()
        if name in made
    )
    runs: list[RunRow] = []
    shares: dict[tuple[str, str], list[Contributions]] = {}
    metric: dict[str, str] = {}
    for model in scored:
        for path in model.results:
            result, evidence = read_result_record(path), read_evidence(path)
            part = contributions(evidence, result.task.headline)
            metric[result.task.name] = result.task.headline
            shares.setdefault((model.arm, result.task.name), []).append(part)
            tested = not ablation.tasks or result.task.name in ablation.tasks
            runs.append(_run_row(model, result, influences(evidence, part) if tested else {}))
    pairs = [pair for pair in ablation.pairs if made.issuperset(pair)]
    return Experiment(
        name=ablation.name,
        title=ablation.title,
        base=Path(scored[0].planned.recipe.text.base or "scratch").name,
        metric=metric,
        arms=arms,
        seeds=tuple(sorted({model.planned.seed for model in scored})),
        runs=tuple(runs),
        means=tuple(_arm_row(arm, task, parts, runs) for (arm, task), parts in shares.items()),
        tests=contrasts(arms, runs, pairs, ablation.measures, ablation.tasks or tuple(metric)),
        trials=tuple(_trial_rows(scored)),
    )


def _run_row(model: Scored, result: ResultRecord, influence: dict[str, Floats]) -> RunRow:
    scores = _measures(result)
    return RunRow(
        arm=model.arm,
        seed=model.planned.seed,
        recipe=model.planned.recipe.digest,
        steps=model.steps,
        seconds=model.seconds,
        validation=model.validation,
        task=result.task.name,
        scores=scores,
        influence={name: tuple(own.round(9).tolist()) for name, own in influence.items() if name in scores},
    )


def _trial_rows(scored: Sequence[Scored]) -> Iterator[TrialRow]:
    """The trials of each arm, once."""
    for model in {model.planned.arm: model for model in scored if model.trials}.values():
        best = int(np.argmax(model.trials))
        for place, (settings, score) in enumerate(zip(model.planned.settings, model.trials, strict=True)):
            yield TrialRow(arm=model.planned.arm, settings=settings, validation=score, chosen=place == best)


def _measures(result: ResultRecord) -> dict[str, float]:
    headline = result.task.headline
    found = {setting: result.settings.get(setting, {}).get(headline) for setting in SETTINGS}
    found["balance"] = result.balance.get(headline)
    found |= {name: result.bias.get(name) for name in MEASURES[len(SCORES) :]}
    return {name: score.value for name, score in found.items() if score is not None}


def _arm_row(arm: str, task: str, parts: Sequence[Contributions], runs: Sequence[RunRow]) -> ArmRow:
    values = [row.scores for row in runs if (row.arm, row.task) == (arm, task)]
    names = [name for name in MEASURES if all(name in scores for scores in values)]
    table = {name: [scores[name] for scores in values] for name in names}
    drawn = np.mean([_drawn(part) for part in parts], axis=0)
    clusters = effective(parts[0].weights(members_of(len(parts[0].languages))[: len(SETTINGS)]))
    intervals = zip(SCORES, scores_of(drawn, np.append(clusters, clusters.min())).tolist(), strict=True)
    return ArmRow(
        arm=arm,
        task=task,
        seeds=len(values),
        means={name: float(np.mean(found)) for name, found in table.items()},
        spread={name: float(np.std(found, ddof=1)) for name, found in table.items() if len(found) > 1},
        intervals={name: Interval(*three) for name, three in intervals if name in names and not np.isnan(three).any()},
    )


def _drawn(part: Contributions) -> np.ndarray:
    """Mono, cross, multi and balance for the data and its bootstrap draws, [1 + draws, 4]."""
    settings = members_of(len(part.languages))[: len(SETTINGS)]
    return with_balance(part.drawn(draw_clusters(len(part.total)), settings))
