"""Differences between arms of the ablations in leaderboard_app/experiments/, as docs/experiments.md tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from panglot.arrays import Floats
from panglot.score.comparison.differences import holm
from panglot.train.ablation.errors import Arm, Difference, difference, pooled
from panglot.train.ablation.experiment import Experiment, read_experiment

FOLDER = Path(__file__).parents[1] / "leaderboard_app" / "experiments"
INFLUENCES = Path(__file__).with_name("experiments") / "influences.json"
STATIC, SEEDS, LAYERS, INTACT, IMAGE_SIDE = "static", "static-seeds", "transformer", "e5-intact", "image-side"
NAMED = ("mono", "multi", "rank_distance")
"""Measures of the named tests."""
EQUAL_STEPS = ("image-frozen", "hybrid-fewer")
"""Arms with the text steps of `image` alone; the first has its schedule as well."""


class Shift(NamedTuple):
    """The difference `other` - `one` of two arms: 95 % interval, p after Holm, smallest detectable effect.

    `articles` says whether its error is that of seeds and articles, and not of seeds alone.
    """

    one: str
    other: str
    measure: str
    value: float
    low: float
    high: float
    p: float
    detectable: float
    articles: bool


@cache
def known(name: str) -> Experiment:
    """The results of an ablation."""
    return read_experiment(FOLDER / f"{name}.json")


def tests(name: str, task: str, asked: Sequence[tuple[str, str, str]]) -> list[Shift]:
    """Differences of (one, other, measure), Holm-corrected together."""
    changes = [_difference(name, task, *wanted) for wanted in asked]
    corrected = holm(np.array([change.p for change in changes]))
    return [
        Shift(*wanted, change.value, *change.interval, p, change.detectable(len(asked)), change.clusters_error > 0)
        for wanted, change, p in zip(asked, changes, corrected.tolist(), strict=True)
    ]


def _difference(name: str, task: str, one: str, other: str, measure: str) -> Difference:
    """With the error of clusters and seeds; of seeds alone if the influences of either arm are not known."""
    titles = {arm.name: arm for arm in known(name).arms}
    scores: dict[str, list[float]] = {}
    influences: dict[str, list[Floats]] = {}
    for run in known(name).runs:
        if run.task == task and measure in run.scores:
            scores.setdefault(run.arm, []).append(run.scores[measure])
            if measure in run.influence:
                influences.setdefault(run.arm, []).append(np.array(run.influence[measure]))
    if task == "xquad-r" and not influences:
        influences = {arm: [np.array(own[measure])] for arm, own in _submitted(name).items()}
    seeds = pooled({arm: own for arm, own in scores.items() if titles[arm].is_trained})
    if {one, other} <= influences.keys():
        arms = (Arm(scores[arm], influences[arm], titles[arm].varies) for arm in (one, other))
        return difference(*arms, seeds)
    value = float(np.mean(scores[other]) - np.mean(scores[one]))
    error = float(np.sqrt(seeds.variance * sum(1 / len(scores[arm]) for arm in (one, other))))
    return Difference(value, 0.0, error, seeds.freedom, 2 * float(student.sf(abs(value) / error, seeds.freedom)))


@cache
def _submitted(name: str) -> dict[str, dict[str, list[float]]]:
    """Influences on XQuAD-R by arm and measure, of the models of the first seed that were submitted."""
    found = json.loads(INFLUENCES.read_text(encoding="utf-8"))
    return {arm.split()[1]: own for arm, own in found.items() if arm.split()[0] == name}


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
