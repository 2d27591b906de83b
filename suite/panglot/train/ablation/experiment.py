"""The results of an ablation in one file: arms, seeds, scores, means with intervals, and tests between arms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from panglot.results.record import FORMAT, Format, Record, read_record

MEASURES = ("mono", "cross", "multi", "balance", "rank_distance", "normalised_rank_distance", "same_language_ratio@10")
"""The columns of all tables; the first four are settings of the task's headline metric."""


class Interval(NamedTuple):
    """A mean over seeds with its 95 % bootstrap interval over clusters of questions; all seeds share the draws."""

    value: float
    low: float
    high: float


class ArmTitle(NamedTuple):
    """An arm and its title."""

    name: str
    title: str
    alpha: float | None = None
    """Share of monolingual batches, if the arm is a point on the curve over this share."""
    varies: bool = True
    """Whether the arm depends on the seed."""

    @property
    def is_trained(self) -> bool:
        """Whether it was trained anew for each seed; a debiased form, `arm+method`, has the models of another arm."""
        return self.varies and "+" not in self.name


class RunRow(Record):
    """One model on one task."""

    arm: str
    seed: int
    recipe: str
    """Digest of the recipe."""
    steps: int
    seconds: float
    validation: float | None
    task: str
    scores: dict[str, float]
    """Scores by measure, without those that the task does not have."""
    influence: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Influence of each cluster of questions on these scores, on tested tasks; missing in files of earlier versions."""


class ArmRow(Record):
    """One arm on one task, over its seeds."""

    arm: str
    task: str
    seeds: int
    means: dict[str, float]
    spread: dict[str, float]
    """Standard deviation over seeds."""
    intervals: dict[str, Interval]
    """Intervals of mono, cross, multi and balance."""


class TestRow(Record):
    """Two arms on one task and setting: `difference` = other - one, of means over seeds.

    `low` and `high` are null if there are too few clusters for an interval. `p` is Holm-corrected over all rows of the
    file. `agreeing` counts the seeds whose difference has the same sign. Errors, p and `detectable`, the smallest
    difference that the strictest of the tests would find with a probability of .8, are those of
    `panglot.train.ablation.errors`. Files of earlier versions have no errors; their p is from a permutation test over
    clusters of questions.
    """

    __test__ = False

    one: str
    other: str
    task: str
    setting: str
    difference: float
    low: float | None
    high: float | None
    p: float
    agreeing: int
    clusters_error: float | None = None
    seeds_error: float | None = None
    detectable: float | None = None


class TrialRow(Record):
    """One combination of the settings that were chosen for an arm, and its validation score with the first seed."""

    arm: str
    settings: dict[str, Any]
    validation: float
    chosen: bool


class Experiment(Record):
    """The results of an ablation."""

    format: Format = FORMAT
    name: str
    title: str
    base: str
    """The base model of the recipe, or `scratch`."""
    metric: dict[str, str]
    """Headline metric of each task."""
    arms: tuple[ArmTitle, ...]
    """The arms, in the order of all tables."""
    seeds: tuple[int, ...]
    runs: tuple[RunRow, ...]
    means: tuple[ArmRow, ...]
    tests: tuple[TestRow, ...]
    trials: tuple[TrialRow, ...] = ()


def read_experiment(path: Path) -> Experiment:
    """Read the results of an ablation.

    :raises BadResult: the file is not a valid ablation result.
    """
    return read_record(path, Experiment)
