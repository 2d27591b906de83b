"""The ranking of many models, with rank intervals and a compact letter display of significant differences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import erfc

import numpy as np

from panglot import html
from panglot.arrays import Bools, Floats
from panglot.errors import BadResult
from panglot.numbers import count, interval, short
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import Score, as_score, draw_clusters, effective, scores_of, tails
from panglot.score.comparison.contributions import (
    BALANCE,
    Contributions,
    check_same_counts,
    contributions,
    members_of,
    place_of,
    with_balance,
    with_linear_balance,
)
from panglot.score.comparison.differences import ALPHA, holm
from panglot.score.comparison.paired import ROUNDING, SWAPS, check_same_queries, sign_chunks, swaps_of
from panglot.score.settings import SCORES, SETTINGS

RANK_INTERVALS = (
    "The rank interval covers the middle 95 % of a model's ranks over the bootstrap draws, which are the same "
    "for all models; a rank is one plus the number of better models. Pairs of models are tested with the same "
    "sign flips as a comparison of two models; balance is linearised (first order)."
)
LETTERS = "Two models share a letter if and only if no significant difference between them was found."
LEGEND = LETTERS.removesuffix(".") + " (paired permutation tests, α = .05, Holm over {pairs}). Intervals: bootstrap."

RADEMACHER = 1 / (4 * (erfc(1) / 2))
"""For every x, a Rademacher sum exceeds x standard deviations with at most 3.18 times the probability of a normal
variable (Bentkus and Dzindzalieta, 2015)."""


@dataclass(frozen=True)
class Standing:
    """One model in a ranking: its rank, the ends of the rank's 95 % interval, its score and its letters.

    If there are too few clusters for an interval, `low` and `high` span all ranks.
    """

    name: str
    place: int
    low: int
    high: int
    score: Score
    letters: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Standings:
    """Models on one task, best first. `p` [models, models] is Holm-corrected over all pairs, NaN on the diagonal.

    `left_out` gives, for each result that could not be ranked, the reason.
    """

    metric: str
    setting: str
    clusters: int
    models: tuple[Standing, ...]
    p: Floats
    task: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Task, metric and setting of the ranking, and the number of clusters."""
        clusters = f"{count(self.clusters, 'cluster')} of questions"
        return ", ".join(filter(None, (self.task, f"{self.metric} in {self.setting}", clusters)))

    @property
    def legend(self) -> str:
        """The meaning of letters and intervals."""
        return LEGEND.format(pairs=count(len(self.models) * (len(self.models) - 1) // 2, "pair"))

    def __repr__(self) -> str:
        models = ", ".join(f"{each.place} {each.name} {short(each.score.value)}" for each in self.models)
        return f"<Standings on {self.title}: {models}>"

    def _repr_html_(self) -> str:
        return html.page(
            html.heading(self.title),
            html.table(("model", "rank", "95 % of rank", self.setting, "95 % interval", "group"), self._rows()),
            html.legend(self.legend),
            *(html.legend(f"not ranked: {name}: {reason}") for name, reason in self.left_out.items()),
        )

    def _rows(self) -> Iterator[Sequence[str]]:
        for model in self.models:
            ends = f"{model.low}–{model.high}" if model.low < model.high else str(model.low)
            score = model.score
            yield (
                model.name,
                str(model.place),
                ends,
                short(score.value),
                interval(score.low, score.high),
                " ".join(model.letters),
            )


def rank(models: Mapping[str, Evidence], metric: str, setting: str = "multi") -> Standings:
    """Rank models by their score in mono, cross, multi or balance; see `RANK_INTERVALS` and `LETTERS`.

    :param models: the evidence of each model by its name.
    :raises BadResult: the models do not have the same queries, or the setting has no value.
    :raises UnknownName: there is no such metric or setting.
    """
    first = next(iter(models.values()))
    for evidence in models.values():
        check_same_queries(first, evidence)
    added = {name: contributions(evidence, metric) for name, evidence in models.items()}
    return rank_contributions(added, metric, setting)


def rank_contributions(models: Mapping[str, Contributions], metric: str, setting: str = "multi") -> Standings:
    """Like `rank`, but from precomputed contributions.

    :raises BadResult: the models do not have the same queries, or the setting has no value.
    :raises UnknownName: there is no such setting.
    """
    place_of("setting", setting, SCORES)
    first = next(iter(models.values()))
    for model in models.values():
        check_same_counts(first, model)
    weights = draw_clusters(len(first.total))
    columns = [_column(model, weights, setting) for model in models.values()]
    clusters = _effective(first, setting)
    drawn, shares = (np.stack(parts, axis=1) for parts in zip(*columns, strict=True))
    if np.isnan(drawn[0]).any():
        raise BadResult(f"The setting {setting} has no value for the languages {', '.join(first.languages)}.")
    order = np.argsort(-drawn[0], kind="stable")
    names = np.array(list(models), object)[order]
    p = _pairwise_p(shares[:, order])
    return Standings(metric, setting, len(first.total), _standings(names.tolist(), drawn[:, order], clusters, p), p)


def comparable(models: Mapping[str, Contributions], compared: Collection[str] = ()) -> dict[str, Contributions]:
    """The best set of models that share the same queries in the same clusters.

    Prefer the set with the most models in `compared` (those whose evidence was checked against the task's data), then
    the largest set, then the first.
    """
    sets: list[dict[str, Contributions]] = []
    for name, model in models.items():
        for alike in sets:
            with suppress(BadResult):
                check_same_counts(next(iter(alike.values())), model)
                alike[name] = model
                break
        else:
            sets.append({name: model})
    return max(sets, key=lambda alike: (len(alike.keys() & set(compared)), len(alike)), default={})


def _column(model: Contributions, weights: Floats, setting: str) -> tuple[Floats, Floats]:
    """Scores in one setting, [1 + draws], and their shares by cluster, [clusters]."""
    rows = _rows_of(model, setting)
    drawn, shares = model.drawn(weights, rows), model.shares(rows)
    if setting == "balance":
        drawn, shares = with_balance(drawn), with_linear_balance(shares, shares.sum(axis=0))
    return drawn[:, -1], shares[:, -1]


def _rows_of(model: Contributions, setting: str) -> Bools:
    """Which basics the setting averages, [1, basics]; for balance, those of its three parts, [3, basics]."""
    members = members_of(len(model.languages))[:BALANCE]
    return members if setting == "balance" else members[[SETTINGS.index(setting)]]


def _effective(model: Contributions, setting: str) -> float:
    """The effective number of clusters behind a setting; for balance, the smallest of its parts."""
    return float(effective(model.weights(_rows_of(model, setting))).min())


def _standings(names: list[str], drawn: Floats, clusters: float, p: Floats) -> tuple[Standing, ...]:
    """Standings of ordered models, from scores [1 + draws, models] and corrected p [models, models]."""
    ranks = np.stack([1 + (scores > scores[:, None] + ROUNDING).sum(axis=1) for scores in drawn])
    low, high = [1] * len(names), [len(names)] * len(names)
    tail = float(tails(np.array(clusters)))
    if not np.isnan(tail):
        ends = np.quantile(ranks[1:], [tail, 1 - tail], axis=0, method="inverted_cdf")
        low, high = ends.astype(int).tolist()
    scores = map(as_score, scores_of(drawn, np.array(clusters)).tolist())
    return tuple(
        Standing(*model)
        for model in zip(names, ranks[0].tolist(), low, high, scores, _letters(p <= ALPHA), strict=True)
    )


def _pairwise_p(shares: Floats) -> Floats:
    """Holm-corrected p of every pair of models, [models, models], from shares [clusters, models].

    Flipping the signs of each model's shares flips those of every pair's difference. Holm's correction over thousands
    of pairs needs smaller p-values than an affordable number of draws can give, so p is the smaller of the sampled
    share and an upper bound of the exact p: with v the sum of the squared differences of shares,
    P(|sum of signed differences| ≥ d) is at most 3.18 × P(|Z| ≥ d / √v) for a standard normal Z (see RADEMACHER).
    """
    models = shares.shape[1]
    scores = shares.sum(axis=0)
    observed = np.abs(scores - scores[:, None])
    reached = np.zeros((models, models), np.int64)
    for signs in sign_chunks(len(shares), SWAPS):
        swapped = np.ascontiguousarray((signs @ shares).T)
        for model in range(models - 1):
            apart = np.abs(swapped[model + 1 :] - swapped[model])
            reached[model, model + 1 :] += (apart >= observed[model, model + 1 :, None] - ROUNDING).sum(axis=1)
    pairs = np.triu_indices(models, 1)
    sampled = reached[pairs] / swaps_of(len(shares), SWAPS)
    p = np.full((models, models), np.nan)
    p[pairs] = holm(np.minimum(sampled, _bound(shares, observed)[pairs]))
    p.T[pairs] = p[pairs]
    return p


def _bound(shares: Floats, observed: Floats) -> Floats:
    """Upper bound on the exact permutation p of every pair of models, [models, models]."""
    products = shares.T @ shares
    squares = np.diag(products)
    variance = np.maximum(squares + squares[:, None] - 2 * products, ROUNDING**2)
    return RADEMACHER * np.vectorize(erfc, otypes=[float])(observed / np.sqrt(2 * variance))


def _letters(different: Bools) -> list[tuple[str, ...]]:
    """Compact letter display (Piepho, 2004) of ordered models, from significant differences [models, models].

    "No difference found" is not transitive: a may not differ from b, nor b from c, and a may still differ from c.
    Disjoint groups would hide that or claim a difference that was not found; letters are exact. Each letter stands for
    a set of models with no significant difference among them, and the letters together cover every such pair (a clique
    cover; Gramm et al., 2007). They are grown from the best model down.
    """
    alike = ~different | np.eye(len(different), dtype=bool)
    covered: Bools = np.zeros(alike.shape, bool)
    letters: list[tuple[str, ...]] = [() for _ in alike]
    groups = 0
    for first, second in np.argwhere(np.triu(alike)).tolist():
        alone = first == second
        if covered[first, second] or (alone and alike[first].sum() > 1):
            continue
        members = _grow([first] if alone else [first, second], alike)
        covered[np.ix_(members, members)] = True
        for member in members:
            letters[member] += (_letter(groups),)
        groups += 1
    return letters


def _grow(members: list[int], alike: Bools) -> list[int]:
    """Add each model, best first, that does not differ from any member."""
    allowed: Bools = alike[members].sum(axis=0) == len(members)
    allowed[members] = False
    while allowed.any():
        members = [*members, int(allowed.argmax())]
        allowed &= alike[members[-1]]
        allowed[members[-1]] = False
    return sorted(members)


def _letter(number: int) -> str:
    """The letter for a number from 0: a, b, … z, aa, ab, …"""
    before, place = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + place)
