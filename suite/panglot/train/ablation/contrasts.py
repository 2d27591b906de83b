"""Tests between the arms of an ablation, computed from nothing but the rows of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from panglot.score.comparison.differences import holm
from panglot.train.ablation.errors import Arm, Difference, difference, pooled
from panglot.train.ablation.experiment import ArmTitle, RunRow, TestRow


def contrasts(
    arms: Sequence[ArmTitle],
    runs: Sequence[RunRow],
    pairs: Sequence[tuple[str, str]],
    measures: Sequence[str],
    tasks: Sequence[str],
) -> tuple[TestRow, ...]:
    """Tests of every pair of arms on these tasks and measures, as far as both have them, Holm-corrected together."""
    rows: list[TestRow] = []
    found: list[Difference] = []
    for task in tasks:
        of_task = [run for run in runs if run.task == task]
        for measure in measures:
            models = _models(arms, of_task, measure)
            seeds = pooled({arm.name: models[arm.name].scores for arm in arms if arm.is_trained and arm.name in models})
            for one, other in pairs:
                if one in models and other in models:
                    found.append(difference(models[one], models[other], seeds))
                    rows.append(_row(one, other, task, measure, found[-1], of_task))
    corrected = holm(np.array([row.p for row in rows]))
    return tuple(
        row.model_copy(update={"p": float(p), "detectable": _known(change.detectable(len(rows)))})
        for row, change, p in zip(rows, found, corrected, strict=True)
    )


def _models(arms: Sequence[ArmTitle], runs: Sequence[RunRow], measure: str) -> dict[str, Arm]:
    """The models of each arm that have the measure."""
    models = {}
    for arm in arms:
        own = [run for run in runs if run.arm == arm.name and measure in run.influence]
        if own:
            influence = [np.array(run.influence[measure]) for run in own]
            models[arm.name] = Arm([run.scores[measure] for run in own], influence, arm.varies)
    return models


def _row(one: str, other: str, task: str, measure: str, change: Difference, runs: Sequence[RunRow]) -> TestRow:
    low, high = change.interval
    return TestRow(
        one=one,
        other=other,
        task=task,
        setting=measure,
        difference=change.value,
        low=_known(low),
        high=_known(high),
        p=1.0 if np.isnan(change.p) else change.p,
        agreeing=sum(step * change.value > 0 for step in _steps(one, other, measure, runs)),
        clusters_error=_known(change.clusters_error),
        seeds_error=_known(change.seeds_error),
    )


def _steps(one: str, other: str, measure: str, runs: Sequence[RunRow]) -> Iterator[float]:
    """The difference of the two arms for each seed; an arm with a single model is compared with every seed."""
    scores = {arm: {run.seed: run.scores[measure] for run in runs if run.arm == arm} for arm in (one, other)}
    for seed in sorted(scores[one].keys() | scores[other].keys()):
        first, second = (own.get(seed, next(iter(own.values())) if len(own) == 1 else None) for own in scores.values())
        if first is not None and second is not None:
            yield second - first


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
