"""Language bias in the pool of all languages: which languages an encoder pushes up or down.

Every measure is a function of means per query language of a few numbers per query (`statistics`), so values and
bootstrap intervals come from one computation. Each stands beside the value that a language-blind ranker gets.
Meaningful only where the candidates are parallel: every language holds an equally good answer.
"""

from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.measures import MEASURES, BiasMeasure, Statistics
from panglot.score.bias.selection import measures_of, of_the_whole, statistics

__all__ = ["MEASURES", "MIX_DEPTH", "BiasMeasure", "Statistics", "measures_of", "of_the_whole", "statistics"]
