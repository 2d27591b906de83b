"""What an ablation found, as one file: every arm, seed and score, means with intervals, and tests between arms."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from panglot.results.record import FORMAT, Format, Record, read_record

MEASURES = ("mono", "cross", "multi", "balance", "rank_distance", "normalised_rank_distance", "same_language_ratio@10")
"""The columns of every table; the first four are of the task's headline metric."""


class Interval(NamedTuple):
    """A mean over seeds with the 95 % bootstrap interval over clusters of questions, the same for every seed."""

    value: float
    low: float
    high: float


class ArmTitle(NamedTuple):
    """An arm and what it is, in a few words."""

    name: str
    title: str
    alpha: float | None = None
    """Share of monolingual batches, where the arm is a point of the curve over it."""


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
    """By measure; measures that the task does not give are left out."""


class ArmRow(Record):
    """One arm on one task, over its seeds."""

    arm: str
    task: str
    seeds: int
    means: dict[str, float]
    spread: dict[str, float]
    """Standard deviation over seeds."""
    intervals: dict[str, Interval]
    """Of mono, cross, multi and balance, whose uncertainty over questions is known."""


class TestRow(Record):
    """Two arms on one task and setting: `difference` = other - one, of means over seeds.

    `low` and `high` are null where there are too few clusters for an interval. `p` is of a paired permutation test over
    clusters of questions, after Holm's correction over all rows of the file;
    `agreeing` counts seeds whose own difference has the same sign.
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


class Experiment(Record):
    """An ablation."""

    format: Format = FORMAT
    name: str
    title: str
    base: str
    """What models started from."""
    metric: dict[str, str]
    """Headline metric of each task."""
    arms: tuple[ArmTitle, ...]
    """In the order of every table."""
    seeds: tuple[int, ...]
    runs: tuple[RunRow, ...]
    means: tuple[ArmRow, ...]
    tests: tuple[TestRow, ...]


def read_experiment(path: Path) -> Experiment:
    """Read an ablation's file.

    :raises BadResult: it is none.
    """
    return read_record(path, Experiment)
