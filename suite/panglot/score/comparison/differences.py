"""Differences between two models in any number of cells, with their statistics and Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from panglot.arrays import Bools, Floats

ALPHA = 0.05
"""Significance level."""
POWER = 0.80
"""Power at which the smallest detectable difference is computed."""


@dataclass(frozen=True, eq=False)
class Differences:
    """The differences between two models in any number of cells.

    All arrays have the same shape and hold NaN where the data gives no value. `one` and `other` are the models' scores,
    `difference` = other − one, and `low` and `high` its 95 % interval. `p` is the uncorrected two-sided p-value: the
    share of swaps, the unswapped data included, whose difference is at least as far from 0 as the observed one.

    With n clusters that contribute, i[g] the influence of cluster g on the difference (centred values, summing to 0)
    and s = n × the standard deviation of i (n − 1 in the denominator):

    - `effect` = difference / s, Cohen's d for paired values; 0 if nothing differs.
    - `detectable` = (t(1 − α/2) + t(power)) × s / √n, about 2.8 × s / √n with many clusters: the true difference that
      a single test at α = .05 detects in 80 % of such samples. The t are quantiles of Student's t distribution with
      (effective clusters − 1) degrees of freedom. NaN if no difference could be significant.
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
        """A subset of the cells by any NumPy index: a smaller family with a milder correction."""
        return Differences(*(getattr(self, field.name)[cells] for field in fields(self)))

    def reshape(self, *shape: int) -> Differences:
        """The same cells in another shape."""
        return Differences(*(getattr(self, field.name).reshape(shape) for field in fields(self)))

    @cached_property
    def adjusted(self) -> Floats:
        """p after Holm's correction over all cells."""
        return holm(self.p)

    @cached_property
    def found(self) -> Bools:
        """Whether each difference is significant at a family-wise α of .05."""
        return self.adjusted <= ALPHA

    @property
    def cells(self) -> int:
        """Number of tests in the family: cells with a p-value."""
        return int((~np.isnan(self.p)).sum())


def holm(p: Floats) -> Floats:
    """Holm-corrected (1979) p-values for a family of any shape; NaN marks a cell without a test and stays NaN.

    The i-th smallest of m p-values is multiplied by m − i + 1, then made monotone and capped at 1.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, axis=None)[: int((~np.isnan(p)).sum())]
    steps = p.flat[order] * np.arange(len(order), 0, -1)
    adjusted.flat[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
