"""Language bias in the multilingual pool: which languages an encoder ranks too high or too low.

Every measure is computed from per-language means of a few per-query statistics (`statistics`), so the values and their
bootstrap intervals come from one computation. Each measure is reported with the value of a language-blind ranker.
The measures assume parallel candidates: every language holds an equally good answer.
"""

from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.measures import HEADLINES, MEASURES, BiasMeasure, Statistics
from panglot.score.bias.selection import measures_of, of_the_whole, statistics

__all__ = [
    "HEADLINES",
    "MEASURES",
    "MIX_DEPTH",
    "BiasMeasure",
    "Statistics",
    "measures_of",
    "of_the_whole",
    "statistics",
]
