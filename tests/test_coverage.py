"""Simulated articles: intervals over clusters hold the truth as often as they say, those over questions do not.

Questions share difficulty with their paragraph and their article: 48 articles, 5 paragraphs each, 5 questions each,
all asked in three languages. `PANGLOT_SIMULATIONS=2000` gives the figures of docs/metrics.md.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from panglot.score.bootstrap import Sample, effective, macro, scores_of
from panglot.score.comparison.contributions import Contributions
from panglot.score.comparison.paired import compare_contributions

SIMULATIONS = int(os.environ.get("PANGLOT_SIMULATIONS", "100"))
DEVIATIONS = 4
"""A share may be off by so many standard deviations of that many simulations: less than one test in ten thousand."""

LANGUAGES, PARAGRAPHS, QUESTIONS = 3, 5, 5
EASE = 0.4


def shares_allowed(low: float, high: float) -> tuple[float, float]:
    """From `low` to `high`, and as far beyond as chance can reach where simulations are few."""
    slack = DEVIATIONS * np.sqrt(0.05 * 0.95 / SIMULATIONS) if SIMULATIONS < 1000 else 0.0
    return low - slack, high + slack


def simulated(random: np.random.Generator, articles: int) -> np.ndarray:
    """Reciprocal ranks [articles, questions, languages], whose difficulty is shared at every level."""
    article = random.normal(0, 1, (articles, 1, 1, 1))
    paragraph = random.normal(0, 0.7, (articles, PARAGRAPHS, 1, 1))
    question = random.normal(0, 1, (articles, PARAGRAPHS, QUESTIONS, 1))
    language = random.normal(0, 1, (articles, PARAGRAPHS, QUESTIONS, LANGUAGES))
    hard = article + paragraph + question + language
    return 1 / (1 + np.floor(np.exp(1.2 * hard + EASE))).reshape(articles, -1, LANGUAGES)


@pytest.fixture(scope="module")
def truth() -> float:
    return float(simulated(np.random.default_rng(1), 20_000).mean())


def covers(values: np.ndarray, cluster: np.ndarray, truth: float) -> tuple[bool, float]:
    """Whether the interval of the macro mean of [queries, languages] holds the truth, and how wide it is."""
    language = np.tile(np.arange(LANGUAGES), len(values))
    sample = Sample(np.repeat(cluster, LANGUAGES), language, LANGUAGES)
    column = values.reshape(-1, 1)
    drawn, weights = sample.means({"it": column})["it"][..., 0], sample.weights(column)[..., 0]
    _, low, high = scores_of(macro(drawn), effective(macro(weights)))
    return low <= truth <= high, high - low


def coverage(articles: int, truth: float, by_question: bool = False, simulations: int = SIMULATIONS) -> float:
    random = np.random.default_rng(articles)
    found = []
    for _ in range(simulations):
        values = simulated(random, articles)
        number = np.arange(articles).repeat(values.shape[1])
        cluster = np.arange(len(number)) if by_question else number
        found.append(covers(values.reshape(-1, LANGUAGES), cluster, truth)[0])
    return float(np.mean(found))


@pytest.mark.parametrize(("articles", "least"), [(48, 0.93), (20, 0.92), (9, 0.90), (5, 0.87)])
def test_intervals_over_articles_hold_the_truth(articles: int, least: float, truth: float) -> None:
    low, high = shares_allowed(least, 0.97)
    assert low <= coverage(articles, truth) <= high


def test_intervals_over_questions_are_too_narrow(truth: float) -> None:
    assert coverage(48, truth, by_question=True, simulations=SIMULATIONS // 4) < 0.8


def pair(random: np.random.Generator, articles: int) -> tuple[Contributions, Contributions]:
    """Two models that are alike, each with difficulties of its own."""
    models = []
    for _ in range(2):
        total = simulated(random, articles).sum(axis=1)
        basics = np.zeros((articles, LANGUAGES, LANGUAGES + 1))
        basics[..., -1] = total
        count = np.zeros(basics.shape, np.int32)
        count[..., -1] = PARAGRAPHS * QUESTIONS
        names = tuple("abc")
        models.append(Contributions(names, basics.reshape(articles, -1), count.reshape(articles, -1)))
    return models[0], models[1]


@pytest.mark.parametrize("articles", [48, 8])
def test_false_positives_over_articles_are_five_in_a_hundred(articles: int) -> None:
    random = np.random.default_rng(3)
    p = [compare_contributions(*pair(random, articles), "map", draws=499).by_setting.p[2] for _ in range(SIMULATIONS)]
    low, high = shares_allowed(0.04, 0.06)
    assert low <= np.mean(np.array(p) <= 0.05) <= high
