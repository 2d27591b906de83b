"""A short list of models for one's own languages: which models can be used at all, and how good they are there.

The board and the command line make the same list with it, of models measured here and models that others reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from panglot.score.pivot import Cells, english_among

WITHIN, FROM_ENGLISH, ALL_WAYS = "within", "from English", "all"
DIRECTIONS = {
    WITHIN: "Questions and passages in the same language.",
    FROM_ENGLISH: "English questions, passages in each language.",
    ALL_WAYS: "Both of these, and questions in each language on English passages.",
}

OPEN_LICENCES = ("apache", "mit", "bsd", "cc0", "cc-by-4.0", "cc-by-sa-4.0", "mpl", "isc", "unlicense")
"""Licences that let anybody use a model for any purpose, perhaps with a version behind a hyphen."""


class Candidate(NamedTuple):
    """A model, its scores by query and candidate language, and what is stated of it.

    `facts` may hold `parameters`, `licence`, `weights`, `max_length` and `modalities`; what is not stated is missing.
    """

    name: str
    cells: Cells
    facts: Mapping[str, Any]


class Wish(NamedTuple):
    """What a model must have. What is not stated of a model counts as not met."""

    languages: tuple[str, ...]
    direction: str = WITHIN
    most_parameters: float | None = None
    open_licence: bool = False
    open_weights: bool = False
    least_length: int | None = None
    """Tokens that it must read."""
    modality: str = ""


class Choice(NamedTuple):
    """A model of the list: its mean over the languages, and the score of its worst and best language."""

    candidate: Candidate
    mean: float
    low: float
    high: float
    by_language: Mapping[str, float]
    behind: float
    """How far its mean is behind that of the first."""
    gives_up: str
    """The language in which it is furthest behind the first; empty where it is behind in none."""


def is_open_licence(licence: str) -> bool:
    """Whether a licence lets anybody use a model for any purpose."""
    name = licence.lower()
    return any(name == known or name.startswith(f"{known}-") for known in OPEN_LICENCES)


def meets(facts: Mapping[str, Any], wish: Wish) -> bool:
    """Whether what is stated of a model meets a wish."""
    parameters, length = facts.get("parameters"), facts.get("max_length")
    modalities = facts.get("modalities") or "text"
    return (
        (wish.most_parameters is None or (parameters is not None and parameters <= wish.most_parameters))
        and (not wish.open_licence or is_open_licence(facts.get("licence") or ""))
        and (not wish.open_weights or facts.get("weights") == "open")
        and (wish.least_length is None or (length is not None and length >= wish.least_length))
        and (not wish.modality or wish.modality in modalities)
    )


def cells_of(language: str, direction: str, english: str | None) -> list[tuple[str, str]]:
    """The cells that say how good a model is in a language; English and itself alone has one."""
    if english is None or language == english or direction == WITHIN:
        return [(language, language)]
    if direction == FROM_ENGLISH:
        return [(english, language)]
    return [(language, language), (english, language), (language, english)]


def shortlist(candidates: Iterable[Candidate], wish: Wish, known: Sequence[str], most: int = 10) -> list[Choice]:
    """The best models that meet a wish, by their means over its languages.

    Only models that have every cell are compared.

    :param known: all languages of the task, among them English where it has it
    """
    english = english_among(known)
    wanted = {language: cells_of(language, wish.direction, english) for language in wish.languages}
    scored: list[tuple[float, Candidate, dict[str, float]]] = []
    for candidate in candidates:
        cells = [cell for each in wanted.values() for cell in each]
        if cells and all(cell in candidate.cells for cell in cells) and meets(candidate.facts, wish):
            found = {name: float(np.mean([candidate.cells[cell] for cell in each])) for name, each in wanted.items()}
            scored.append((float(np.mean(list(found.values()))), candidate, found))
    scored.sort(key=lambda row: (-row[0], row[1].name))
    choices = []
    for mean, candidate, found in scored[:most]:
        best_mean, _, best = scored[0]
        furthest = max(found, key=lambda name: best[name] - found[name])
        gives_up = furthest if best[furthest] > found[furthest] else ""
        choices.append(
            Choice(candidate, mean, min(found.values()), max(found.values()), found, best_mean - mean, gives_up)
        )
    return choices
