"""Differences of two models in any number of cells, with what is known of each, and the correction for many tests."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from panglot.arrays import Bools, Floats

ALPHA = 0.05
POWER = 0.80


@dataclass(frozen=True, eq=False)
class Differences:
    """Two models in any number of cells; all arrays have one shape, NaN where the data gives no value.

    `one` and `other` are their scores, `difference` = other − one, `low` and `high` its 95 % interval, and
    `p` is the share of swaps that are at least as far from 0 as the data, which is one of them; uncorrected.

    With n clusters that take part, the influence i[g] of each on the difference (its values without their means,
    summing to 0) and s = n × the standard deviation of i (n − 1 in the denominator):
    `effect` = difference / s, Cohen's d for paired values; 0 where nothing differs.
    `detectable` = (t(1 − α/2) + t(power)) × s / √n, about 2.8 × s / √n where clusters are many: the true difference
    that a single test at α = .05 finds in 80 % of such samples. t are quantiles of Student's distribution with one
    degree of freedom less than there are effective clusters. It is NaN where no difference could be found.
    """

    one: Floats
    other: Floats
    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    effect: Floats
    detectable: Floats

    def __getitem__(self, cells: object) -> Differences:
        """Some of the cells, by any index of numpy: a smaller family, whose correction is milder."""
        return Differences(*(getattr(self, field.name)[cells] for field in fields(self)))

    def reshape(self, *shape: int) -> Differences:
        """The same cells in another shape."""
        return Differences(*(getattr(self, field.name).reshape(shape) for field in fields(self)))

    @cached_property
    def adjusted(self) -> Floats:
        """p after Holm's correction over all cells that are here."""
        return holm(self.p)

    @cached_property
    def found(self) -> Bools:
        """Whether there is a difference at α = .05 for the whole family."""
        return self.adjusted <= ALPHA

    @property
    def cells(self) -> int:
        """Tests in the family."""
        return int((~np.isnan(self.p)).sum())


def holm(p: Floats) -> Floats:
    """Holm's (1979) p-values for a family of any shape; NaN is no test and stays.

    The i-th smallest of m is multiplied by m − i + 1, is at least as large as the one before, and at most 1.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, axis=None)[: int((~np.isnan(p)).sum())]
    steps = p.flat[order] * np.arange(len(order), 0, -1)
    adjusted.flat[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
