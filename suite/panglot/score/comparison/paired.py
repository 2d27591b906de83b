"""Do two models differ: paired tests over clusters of questions, with their limits.

A cluster is the unit that is swapped, drawn and counted: questions on one article, in all languages, are not
independent of each other.

- Test: see `PERMUTATION_TEST`.
- Several tests at once: Holm (1979) over the family that is looked at.
- Interval: that of the cluster bootstrap of `panglot.score.bootstrap`, the same draws for both models.
- What could have been found: effect size and smallest detectable difference; formulas at `Differences`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import ceil

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.errors import BadResult, UnknownName
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import FEWEST, SEED, draw_clusters, effective, scores_of, student
from panglot.score.comparison.contributions import (
    BALANCE,
    Contributions,
    check_same_counts,
    contributions,
    members_of,
    with_balance,
    with_linear_balance,
)
from panglot.score.settings import SCORES, SETTINGS

PERMUTATION_TEST = (
    "Paired permutation, two-sided. Under the hypothesis that the two models are alike, all values of a "
    "cluster could as well be the other model's (Smucker et al., 2007; Dror et al., 2018). Swaps are signs, "
    "so one product of signs [swaps, clusters] and differences of shares [clusters, cells] permutes every "
    "cell at once. Where there are no more swaps than draws, each is made once and p is exact."
)

DRAWS = 10_000
ALPHA = 0.05
POWER = 0.80
CHUNK = 1000
"""Draws that are in memory at once."""

ROUNDING = 1e-12
"""Differences closer than this are equal: scores are at most 1, and sums of shares keep 15 digits of them."""


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


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on one task, in three families of tests.

    `by_setting` [settings]; `by_language` [query languages, settings without balance]; `by_pair` [query languages,
    candidate languages], where the diagonal is `mono` of each language. `cross` of a language is as query language.
    """

    metric: str
    settings: tuple[str, ...]
    query_languages: tuple[str, ...]
    languages: tuple[str, ...]
    clusters: int
    swaps: int
    by_setting: Differences
    by_language: Differences
    by_pair: Differences

    @property
    def language_settings(self) -> tuple[str, ...]:
        """The columns of `by_language`."""
        return tuple(name for name in self.settings if name != "balance")

    @property
    def least_p(self) -> float:
        """The least p that a test can give here: the data itself is always as far out as the data."""
        return 1 / self.swaps

    @property
    def divided(self) -> bool:
        """Whether nothing is known of a pool of all languages."""
        return "multi" in self.settings and bool(np.isnan(self.by_setting.one[self.settings.index("multi")]))

    def only(self, setting: str | None = None, language: str | None = None) -> Comparison:
        """One setting, the queries of one language, or both: choose them before looking, the correction follows.

        :raises UnknownName: no such setting or language.
        """
        chosen = self
        if language is not None:
            row = [place_of("language", language, self.query_languages)]
            chosen = replace(
                chosen,
                settings=self.language_settings,
                query_languages=(language,),
                by_setting=self.by_language[row[0]],
                by_language=self.by_language[row],
                by_pair=self.by_pair[row],
            )
        if setting is not None:
            column = [place_of("setting", setting, chosen.language_settings)]
            chosen = replace(
                chosen,
                settings=(setting,),
                by_setting=chosen.by_setting[column],
                by_language=chosen.by_language[:, column],
            )
        return chosen


def compare(one: Evidence, other: Evidence, metric: str, draws: int = DRAWS) -> Comparison:
    """Every setting, query language and pair of two models, tested over the same clusters of questions.

    :raises BadResult: the two do not hold the same queries.
    """
    check_same_queries(one, other)
    return compare_contributions(contributions(one, metric), contributions(other, metric), metric, draws)


def compare_contributions(one: Contributions, other: Contributions, metric: str, draws: int = DRAWS) -> Comparison:
    """The same from contributions that are already there, for a page that keeps them."""
    check_same_counts(one, other)
    languages = len(one.languages)
    cells = _differences(one, other, members_of(languages), draws)
    ends = np.cumsum([BALANCE + 1, len(SETTINGS) * languages])
    return Comparison(
        metric=metric,
        settings=SCORES,
        query_languages=one.languages,
        languages=one.languages,
        clusters=len(one.total),
        swaps=swaps_of(len(one.total), draws),
        by_setting=cells[: ends[0]],
        by_language=cells[ends[0] : ends[1]].reshape(languages, len(SETTINGS)),
        by_pair=cells[ends[1] :].reshape(languages, languages),
    )


def check_same_queries(one: Evidence, other: Evidence) -> None:
    """Two models can be paired where they answered the same queries.

    :raises BadResult: they did not.
    """
    left_out = {*one.query_ids} ^ {*other.query_ids}
    if left_out:
        raise BadResult(f"{len(left_out)} queries stand in one of the two only, {min(left_out)} among them.")
    alike = one.languages == other.languages and one.query_ids == other.query_ids
    if not alike or any(
        (getattr(one, name) != getattr(other, name)).any() for name in ("group", "cluster", "query_language")
    ):
        raise BadResult("The two hold the same queries in another order, other languages, groups or clusters.")


def enough_draws(languages: int) -> int:
    """Draws whose smallest p, 1 / (1 + draws), is still half of α after Holm's correction over all pairs."""
    return max(DRAWS, ceil(2 * languages**2 / ALPHA))


def holm(p: Floats) -> Floats:
    """Holm's (1979) p-values for a family of any shape; NaN is no test and stays.

    The i-th smallest of m is multiplied by m − i + 1, is at least as large as the one before, and at most 1.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, axis=None)[: int((~np.isnan(p)).sum())]
    steps = p.flat[order] * np.arange(len(order), 0, -1)
    adjusted.flat[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def swaps_of(clusters: int, draws: int) -> int:
    """How many swaps a test looks at: all that differ where those are no more than the draws, else the draws.

    The data itself is one of them. All are 2^clusters, of which one half is the other with the models exchanged.
    """
    return min(1 << min(clusters - 1, 62), draws + 1)


def sign_chunks(clusters: int, draws: int, seed: int = SEED) -> Iterator[Floats]:
    """Which clusters are swapped (−1), the data itself first, [at most CHUNK swaps, clusters] at a time."""
    swaps = swaps_of(clusters, draws)
    random = np.random.default_rng(seed)
    for start in range(0, swaps, CHUNK):
        rows = np.arange(start, min(start + CHUNK, swaps))
        if swaps <= draws:
            swapped = rows[:, None] >> np.arange(clusters) & 1
        else:
            swapped = random.integers(0, 2, (len(rows), clusters), np.int8) * (rows > 0)[:, None]
        yield 1.0 - 2 * swapped


def _differences(one: Contributions, other: Contributions, members: Bools, draws: int) -> Differences:
    """All cells of `members_of`, with balance behind the settings."""
    shares, other_shares = one.shares(members), other.shares(members)
    weights = draw_clusters(len(shares))
    drawn, other_drawn = (with_balance(model.drawn(weights, members)) for model in (one, other))
    behind = one.weights(members)
    clusters = np.insert(effective(behind), BALANCE, effective(behind[:, :BALANCE]).min())
    taking_part = (behind > 0).sum(axis=0)
    taking_part = np.insert(taking_part, BALANCE, taking_part[:BALANCE].min())
    value, low, high = np.moveaxis(scores_of(other_drawn - drawn, clusters), -1, 0)
    influence, other_influence = (
        with_linear_balance(model.influence(members), own.sum(axis=0)[:BALANCE])
        for model, own in ((one, shares), (other, other_shares))
    )
    error = _standard_error(other_influence - influence, taking_part)
    same = np.abs(value) <= ROUNDING
    return Differences(
        one=drawn[0],
        other=other_drawn[0],
        difference=value,
        low=low,
        high=high,
        p=_permutation_p(shares, other_shares, draws),
        effect=np.where(same, 0.0, divide(value, error * np.sqrt(taking_part))),
        detectable=np.where(2.0 ** (1 - taking_part) <= ALPHA, _reach(clusters) * error, np.nan),
    )


def _permutation_p(shares: Floats, other_shares: Floats, draws: int) -> Floats:
    """Two-sided p of every cell with balance, [cells + 1], from shares [groups, cells].

    Where `middle` is half the sum of the two models' scores and s the signs, the models after the swaps score
    middle ± (s @ difference of shares) / 2. That holds for balance's three parts too, so it is their harmonic mean in
    each of the two swapped models.
    """
    difference = other_shares - shares
    middle = (other_shares + shares).sum(axis=0) / 2

    def between(swapped: Floats) -> Floats:
        return with_balance(middle + swapped / 2) - with_balance(middle - swapped / 2)

    observed = np.abs(between(difference.sum(axis=0)))
    reached = np.zeros(len(observed), np.int64)
    for signs in sign_chunks(len(shares), draws):
        reached += (np.abs(between(signs @ difference)) >= observed - ROUNDING).sum(axis=0)
    return np.where(np.isnan(observed), np.nan, reached / swaps_of(len(shares), draws))


def _standard_error(influence: Floats, taking_part: Ints) -> Floats:
    """The standard error of a sum of influences [clusters, cells] of so many clusters, [cells]."""
    return np.sqrt(divide(taking_part * (influence**2).sum(axis=0), np.maximum(taking_part - 1, 0)))


def _reach(clusters: Floats) -> Floats:
    """Standard errors from 0 to a difference that is found with the power `POWER`, [cells]."""
    freedom = np.where(clusters < FEWEST, np.nan, clusters) - 1
    return student(1 - ALPHA / 2, freedom) + student(POWER, freedom)


def place_of(kind: str, name: str, names: tuple[str, ...]) -> int:
    """Index of a name that a person gave.

    :raises UnknownName: it is not among the names.
    """
    if name not in names:
        raise UnknownName(kind, name, names)
    return names.index(name)
