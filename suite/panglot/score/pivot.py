"""Within languages and across English: two means that models measured here and elsewhere both have.

mteb measures a language with itself and with English, and has no pool of all languages. Panglot's results hold the same
cells among others, so a model that was measured here and one whose scores were reported can be compared on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats
from panglot.data.image import IMAGES
from panglot.languages import canonical

Cells = Mapping[tuple[str, str], float]
"""Scores of one model by query and candidate language."""

COMPETENT = 0.5
"""A model whose `mono` is lower answers too few questions to say which language they are better asked in."""

MEANINGS = {
    "mono": "Mean over languages of queries and candidates in the same language (or of queries on images).",
    "from English": "Mean over the other languages of English queries on candidates in that language.",
    "to English": "Mean over the other languages of queries in that language on English candidates.",
    "English pivot": "Mean of `from English` and `to English`.",
    "bridge": "Place by `mono` minus place by `English pivot`, among models that have both. Above 0 the model is a "
    "bridge, better across languages than within them; below 0 it is an island.",
}

BRIDGE = f"bridge: {MEANINGS['bridge'][:1].lower()}{MEANINGS['bridge'][1:]}".replace("`", "")
"""The same as a sentence of its own, in plain text."""


class Pivot(NamedTuple):
    """The means of several models, float64 [models] each; NaN where a cell is missing."""

    mono: Floats
    from_english: Floats
    to_english: Floats

    @property
    def english(self) -> Floats:
        """The English pivot."""
        return (self.from_english + self.to_english) / 2

    @property
    def bridge(self) -> Floats:
        """Place by mono minus place by the English pivot, among models that have both; NaN for the others."""
        both = np.isfinite(self.mono) & np.isfinite(self.english)
        return places(np.where(both, self.mono, np.nan)) - places(np.where(both, self.english, np.nan))


def english_among(languages: Sequence[str]) -> str | None:
    """The code that means English in Latin script; None if there is none."""
    return next((language for language in languages if canonical(language) == "en-Latn"), None)


def english_pivot(models: Sequence[Cells], languages: Sequence[str]) -> Pivot:
    """The means over some languages; a model has a mean only if it has every cell of it."""
    return Pivot(*(_means(models, cells) for cells in cells_of_means(languages)))


def cells_of_means(languages: Sequence[str]) -> tuple[list[tuple[str, str]], ...]:
    """The cells of `mono`, `from English` and `to English`, the latter two empty without English or with images."""
    spoken = [language for language in languages if language != IMAGES]
    if IMAGES in languages:
        return [(language, IMAGES) for language in spoken], [], []
    english = english_among(spoken)
    others = [language for language in spoken if language != english] if english else []
    mono = [(language, language) for language in spoken]
    return mono, [(str(english), other) for other in others], [(other, str(english)) for other in others]


def places(values: Floats) -> Floats:
    """The place of each value, 1 for the largest, the mean place for equal values, NaN for NaN."""
    found = np.full(len(values), np.nan)
    there = np.flatnonzero(np.isfinite(values))
    _, group, sizes = np.unique(-values[there], return_inverse=True, return_counts=True)
    found[there] = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return found


def spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation over the pairs in which both are numbers; NaN if fewer than two differ."""
    both = np.isfinite(one) & np.isfinite(other)
    if not both.any():
        return math.nan
    first, second = (ranks - ranks.mean() for ranks in (places(one[both]), places(other[both])))
    spread = math.sqrt((first @ first) * (second @ second))
    return float(first @ second) / spread if spread else math.nan


def english_asks_better(
    models: Sequence[Cells], languages: Sequence[str], least: float = COMPETENT
) -> tuple[float, int]:
    """How often English questions retrieve passages in another language better than questions in that language do.

    The share of models and languages in which it does, and the number of models: those with a `mono` of at least
    `least`.
    """
    _, from_english, _ = cells_of_means(languages)
    mono = english_pivot(models, languages).mono
    chosen = [cells for cells, mean in zip(models, mono.tolist(), strict=True) if mean >= least]
    wins = [cells[cell] > cells[cell[1], cell[1]] for cells in chosen for cell in from_english if cell in cells]
    return (float(np.mean(wins)) if wins else math.nan), len(chosen)


def _means(models: Sequence[Cells], cells: Sequence[tuple[str, str]]) -> Floats:
    if not cells:
        return np.full(len(models), np.nan)
    return np.array([np.mean([model.get(cell, math.nan) for cell in cells]) for model in models], float)
