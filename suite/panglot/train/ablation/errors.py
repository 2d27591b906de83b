"""The error of a difference between two arms: that of the data's clusters and that of the seeds.

A score of one model is a mean over queries, so clusters of queries move it; another seed gives another model, so seeds
move it, too. The variance of a difference between the means of two arms is the sum of both:

    clusters / (clusters - 1) * sum over clusters of (influence of one - influence of other)²     and
    s² (1 / seeds of one + 1 / seeds of other)

where an arm's influence is the mean over its seeds (`Contributions.influence`) and s² is the variance over the seeds of
an arm, pooled over all arms that were trained (debiased forms have the same models, so they add nothing). An arm that
does not depend on the seed has no such term. The difference over its error is compared with a t distribution with
Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from panglot.arrays import Floats

POWER = 0.8
"""Probability with which the smallest detectable effect is found."""
ALPHA = 0.05
"""Level of tests and of intervals."""


class Seeds(NamedTuple):
    """Variance over the seeds of one arm, pooled over arms, and its degrees of freedom; 0 and 0 without repeats."""

    variance: float
    freedom: int


class Difference(NamedTuple):
    """The difference of two arms with its standard error, degrees of freedom and two-sided p; NaN without an error."""

    value: float
    clusters_error: float
    seeds_error: float
    freedom: float
    p: float

    @property
    def error(self) -> float:
        """Standard error over clusters and seeds."""
        return float(np.hypot(self.clusters_error, self.seeds_error))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval."""
        half = float(student.ppf(1 - ALPHA / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    def detectable(self, tests: int) -> float:
        """The smallest difference that the strictest of `tests` tests by Holm finds with a probability of `POWER`."""
        reach = student.ppf(1 - ALPHA / 2 / tests, self.freedom) + student.ppf(POWER, self.freedom)
        return float(reach) * self.error


def pooled(scores: Mapping[str, Sequence[float]]) -> Seeds:
    """The variance over seeds, pooled over arms, from the scores of each arm's models."""
    repeated = [np.asarray(found) for found in scores.values() if len(found) > 1]
    freedom = sum(len(found) - 1 for found in repeated)
    total = sum(float(((found - found.mean()) ** 2).sum()) for found in repeated)
    return Seeds(total / freedom if freedom else 0.0, freedom)


def difference(one: Arm, other: Arm, seeds: Seeds) -> Difference:
    """The difference `other` - `one` of the means of two arms."""
    value = float(np.mean(other.scores) - np.mean(one.scores))
    change = np.mean(other.influence, axis=0) - np.mean(one.influence, axis=0)
    clusters = np.count_nonzero(np.any([*one.influence, *other.influence], axis=0))
    if clusters < 2:
        return Difference(value, np.nan, np.nan, np.nan, np.nan)
    by_clusters = float((change**2).sum()) * clusters / (clusters - 1)
    by_seeds = seeds.variance * sum(1 / len(arm.scores) for arm in (one, other) if arm.varies)
    squared = by_clusters**2 / (clusters - 1) + (by_seeds**2 / seeds.freedom if seeds.freedom else 0.0)
    if squared == 0:
        return Difference(value, 0.0, 0.0, np.nan, np.nan)
    freedom = (by_clusters + by_seeds) ** 2 / squared
    p = 2 * float(student.sf(abs(value) / np.sqrt(by_clusters + by_seeds), freedom))
    return Difference(value, float(np.sqrt(by_clusters)), float(np.sqrt(by_seeds)), freedom, p)


class Arm(NamedTuple):
    """The scores [seeds] of an arm's models and the influence [seeds, clusters] of each cluster on them.

    `varies` tells whether the arm depends on the seed.
    """

    scores: Sequence[float]
    influence: Sequence[Floats]
    varies: bool
