"""Differences between arms of the ablations in leaderboard_app/experiments/, as docs/experiments.md tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from panglot.score.comparison.differences import holm
from panglot.train.ablation.contrasts import contrasts
from panglot.train.ablation.errors import LEVEL, POWER, pooled
from panglot.train.ablation.experiment import Experiment, TestRow, read_experiment

FOLDER = Path(__file__).parents[1] / "leaderboard_app" / "experiments"
STATIC, SEEDS, LAYERS, INTACT = "static", "static-seeds", "transformer", "e5-intact"
NAMED = ("mono", "multi", "rank_distance")
"""Measures of the named tests."""
EQUAL_STEPS = ("image-frozen", "hybrid-fewer")
"""Arms with the text steps of `image` alone; the first has its schedule as well."""


class Shift(NamedTuple):
    """The difference `other` - `one` of two arms: 95 % interval, p after Holm, smallest detectable effect."""

    one: str
    other: str
    measure: str
    value: float
    low: float
    high: float
    p: float
    detectable: float


@cache
def experiment(name: str) -> Experiment | None:
    """The results of an ablation, or None if it has not been run."""
    path = FOLDER / f"{name}.json"
    return read_experiment(path) if path.is_file() else None


def tests(name: str, task: str, asked: Sequence[tuple[str, str, str]]) -> list[Shift]:
    """Differences of (one, other, measure), Holm-corrected together.

    Their error is that of clusters and seeds, or of seeds alone if the file has no influences.
    """
    found = known(name)
    if not any(run.influence for run in found.runs if run.task == task):
        return _over_seeds(found, task, asked)
    pairs = list(dict.fromkeys((one, other) for one, other, _ in asked))
    measures = list(dict.fromkeys(measure for *_, measure in asked))
    rows = [_shift(row) for row in contrasts(found.arms, found.runs, pairs, measures, (task,))]
    return [find(rows, *wanted) for wanted in asked]


def known(name: str) -> Experiment:
    """The results of an ablation that has been run."""
    found = experiment(name)
    assert found, f"{name} has not been run"
    return found


def _shift(row: TestRow) -> Shift:
    low, high, detectable = (np.nan if value is None else value for value in (row.low, row.high, row.detectable))
    return Shift(row.one, row.other, row.setting, row.difference, low, high, row.p, detectable)


def _over_seeds(found: Experiment, task: str, asked: Sequence[tuple[str, str, str]]) -> list[Shift]:
    shifts = []
    for one, other, measure in asked:
        scores: dict[str, list[float]] = {}
        for run in found.runs:
            if run.task == task and measure in run.scores:
                scores.setdefault(run.arm, []).append(run.scores[measure])
        seeds = pooled(scores)
        error = float(np.sqrt(seeds.variance * (1 / len(scores[one]) + 1 / len(scores[other]))))
        value = float(np.mean(scores[other]) - np.mean(scores[one]))
        half = float(student.ppf(1 - LEVEL / 2, seeds.freedom)) * error
        p = 2 * float(student.sf(abs(value) / error, seeds.freedom))
        strictest = student.ppf(1 - LEVEL / 2 / len(asked), seeds.freedom) + student.ppf(POWER, seeds.freedom)
        shifts.append(Shift(one, other, measure, value, value - half, value + half, p, float(strictest) * error))
    corrected = holm(np.array([shift.p for shift in shifts]))
    return [shift._replace(p=float(p)) for shift, p in zip(shifts, corrected, strict=True)]


def find(shifts: Iterable[Shift], one: str, other: str, measure: str) -> Shift:
    """The difference of two arms in a measure."""
    return next(shift for shift in shifts if (shift.one, shift.other, shift.measure) == (one, other, measure))


def named(name: str) -> list[Shift]:
    """The named tests of an ablation on XQuAD-R, as far as it has their arms."""
    arms = {arm.name for arm in known(name).arms}
    steps = next(arm for arm in EQUAL_STEPS if arm in arms)
    pairs = [("mono", "hybrid"), ("cross", "hybrid"), (steps, "image"), ("shuffled", "image")]
    if "start+centre" in arms:
        pairs.append(("start+centre", "hybrid"))
    return tests(name, "xquad-r", [(*pair, measure) for pair in pairs for measure in NAMED])


def static() -> str:
    """The ablation of static encoders that the answer rests on: that with ten seeds, once it has been run."""
    return SEEDS if experiment(SEEDS) else STATIC
