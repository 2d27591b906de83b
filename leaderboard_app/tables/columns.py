"""What each number of a table means, how its column is headed, and which way it is better."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from leaderboard_app.tables.board import DISTANCE, OWN_LANGUAGE
from panglot.score.bias import MEASURES
from panglot.score.settings import MEANINGS

SENTENCES = {
    **MEANINGS,
    "cross to it": "Queries in the other languages, candidates in this one.",
    "image-text": "Mean of multi over the model's text-to-image tasks.",
    **{measure.name: measure.sentence for measure in MEASURES},
    "language_spread": "Best minus worst language of the headline metric in the pool of all languages.",
    "language_deviation": "Standard deviation over the languages of the headline metric in the pool of all languages.",
}

SHORT = {DISTANCE: "norm. rank distance", OWN_LANGUAGE: "own language"}
"""Headings of columns whose names are long."""

Better = Literal["higher", "lower", "blind"]
"""`blind`: the nearer to what a language-blind ranker gets."""

HIGHER = ("balance", "mono", "cross", "multi", "image-text", "texts per second", "cross to it", "average precision")
PIVOT = ("English pivot", "from English", "to English")

BETTER: dict[str, Better] = {
    **dict.fromkeys((*HIGHER, *PIVOT, "score", "mean", "worst", "best"), "higher"),
    **dict.fromkeys(("best rank", "worst rank", "rank distance", "best − worst"), "lower"),
    "rank_distance": "lower",
    "normalised_rank_distance": "lower",
    "complete@20": "higher",
    "complete@100": "higher",
    "max_rank": "lower",
    "kendall_w": "lower",
    "kendall_w_pooled": "lower",
    "same_language_ratio@10": "blind",
    "language_jsd@10": "lower",
    "first_hit_own_language": "blind",
    "remove_one_target": "blind",
    "strong_alignment": "higher",
    "weak_alignment": "higher",
    "alignment_gap": "blind",
    "consistency@10": "higher",
    "top_hit_right_own": "higher",
    "top_hit_right_other": "higher",
    "top_hit_wrong_own": "lower",
    "top_hit_wrong_other": "lower",
    "hubness@10": "lower",
    "hub_share@10": "lower",
    "english_pool_max_rank": "lower",
    "english_pool_complete@10": "higher",
    "english_pool_own_first": "blind",
    "modality_gap": "blind",
    "same_modality_ratio@10": "blind",
    "language_spread": "lower",
    "language_deviation": "lower",
}

DIRECTION = {name: "↑" if better == "higher" else "↓" for name, better in BETTER.items() if better != "blind"}
"""Which way a column is better, for its heading."""


def headed(name: str, title: str = "") -> str:
    """The name of a quantity, or its title, with an arrow that says which way it is better: `multi ↑`."""
    return f"{title or name} {DIRECTION.get(name, '')}".strip()


SAID: dict[Better, str] = {
    "higher": "Higher is better.",
    "lower": "Lower is better.",
    "blind": "The closer to the language-blind value, the better.",
}


def badness(name: str, value: float, blind: float | None) -> float:
    """What puts the best value of a measure first when sorted by it; a ratio is as far from 1 at 1/2 as at 2."""
    better = BETTER[name]
    if better != "blind" or blind is None:
        return -value if better == "higher" else value
    if "_ratio@" in name:
        return abs(math.log(value / blind)) if value > 0 and blind > 0 else math.inf
    return abs(value - blind)


def best_of(name: str, values: Iterable[float]) -> float:
    """The best of some values of a measure; of a ratio the one nearest to 1, which a language-blind ranker has."""
    return min(values, key=lambda value: badness(name, value, 1.0))


def falls(name: str) -> bool:
    """Whether a table sorted by this column begins with the largest value."""
    return BETTER.get(name) == "higher"
