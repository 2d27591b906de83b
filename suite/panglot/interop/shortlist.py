"""A short list of models for some languages, a direction and limits on size and licence, from scores of one task.

Intervals are over languages: reported scores come without queries, so the spread of a model over languages is all that
can be told. With few chosen languages that spread is taken from the languages that models score most alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from panglot.arrays import Floats
from panglot.data.image import IMAGES
from panglot.encode.options import flag
from panglot.encode.registry import EMBEDDED
from panglot.errors import PanglotError
from panglot.interop.field import Reported
from panglot.score.bootstrap import student
from panglot.score.pivot import cells_of_means

Direction: TypeAlias = Literal["within", "english", "all"]
Cell: TypeAlias = tuple[str, str]

DIRECTIONS: dict[Direction, str] = {
    "within": "queries and passages in the same language",
    "english": "English queries on passages in the language, and the reverse",
    "all": "within the language, and across English both ways",
}

OPEN_LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-3.0"}
)
"""Licences that allow any use, commercial use included."""

LEAST_LANGUAGES = 5
"""With fewer chosen languages, the spread is taken from these and their neighbours."""

NEIGHBOURS = 10
"""Number of languages that models score most like a chosen one."""

LEVEL = 0.95

REPEATABLE = ("query_prompt", "passage_prompt", "precision", "backend", "truncate_dim", "max_length", "debias")
"""Settings in a revision that options of `panglot run` repeat."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of a model; None and False ask nothing. A model of unknown size or length fails a limit on it."""

    languages: tuple[str, ...]
    direction: Direction = "within"
    max_parameters: int | None = None
    open_licence: bool = False
    open_weights: bool = False
    min_length: int | None = None


class Interval(NamedTuple):
    """A value with its 95 % interval over languages; the ends are NaN if there are too few."""

    value: float
    low: float
    high: float


class Choice(NamedTuple):
    """One model of a short list.

    `behind` is how far the best of the list is above it; `tied` tells whether that interval contains 0. `weakest` is
    the cell with the lowest score.
    """

    model: Reported
    score: Interval
    behind: Interval
    tied: bool
    weakest: Cell
    weakest_score: float


class Shortlist(NamedTuple):
    """The models that fulfil the wishes, best first, and what the limits cost.

    `best_of_all` is the best model without limits, and `price` how far it is above the best of the list; both are None
    if that is the same model. `incomplete` counts models that lack a cell, `excluded` those beyond a limit.
    """

    choices: tuple[Choice, ...]
    best_of_all: Reported | None
    price: Interval | None
    incomplete: int
    excluded: int

    @property
    def smallest_tied(self) -> Choice | None:
        """The smallest model that is not clearly worse than the best; None if no size is known."""
        known = [each for each in self.choices if each.tied and each.model.facts.get("parameters")]
        return min(known, key=lambda each: each.model.facts["parameters"], default=None)

    @property
    def first_to_run(self) -> Choice | None:
        """The best model that may be suggested to run: built in or from the Hub, with weights that are not closed.

        A name with a prefix, which a stranger's result can have, could run code or send texts and a key to a host.
        """
        return next((each for each in self.choices if can_run(each.model) and not is_closed(each.model)), None)


def can_run(model: Reported) -> bool:
    """Whether a command can load a model as it was measured, and does no harm whoever has chosen its name."""
    is_known = model.model in EMBEDDED or re.fullmatch(r"[\w.-]+/[\w.-]+", model.model, re.ASCII)
    return bool(is_known) and options_of(model) is not None


def options_of(model: Reported) -> list[str] | None:
    """The options of `panglot run` that repeat the settings in a model's revision; None if no options do.

    A method of debiasing that was fitted on a file cannot be repeated: the result does not hold its texts.
    """
    options: list[str] = []
    for setting in filter(None, model.revision.partition("+")[2].split("+")):
        name, _, value = setting.partition("=")
        if name == "debias_language":
            options += ["--debias-language", "detect"]
        elif name in REPEATABLE and value:
            options += [flag(name), value]
        elif setting != "debias_fit=corpus":
            return None
    return options


def called(model: Reported) -> str:
    """The name of a model, and its settings if it was measured here, where one model can have several."""
    settings = model.revision.partition("+")[2].replace("+", ", ") if "trust" in model.facts else ""
    return f"{model.model} ({settings})" if settings else model.model


def is_closed(model: Reported) -> bool:
    """Whether the weights of a model are known not to be public."""
    return bool(model.facts.get("weights") == "closed")


def shortlist(models: Sequence[Reported], languages: Sequence[str], wishes: Wishes) -> Shortlist:
    """Choose among models with scores on a task whose languages are `languages`.

    :raises PanglotError: the task has no cells for these languages and this direction.
    """
    cells = cells_of(wishes.languages, languages, wishes.direction)
    complete = [model for model in models if all(cell in model.cells for cell in cells)]
    allowed = [model for model in complete if _fulfils(model.facts, wishes)]
    best = max(complete, key=lambda model: _mean(model, cells), default=None)
    ordered = sorted(allowed, key=lambda model: (-_mean(model, cells), model.model))
    others = cells_of([name for name in languages if name != IMAGES], languages, wishes.direction)
    alike = _alike(complete, cells, others)
    choices = tuple(_choice(model, ordered[0], cells, alike) for model in ordered)
    is_other = best is not None and bool(ordered) and best is not ordered[0]
    return Shortlist(
        choices,
        best if is_other else None,
        _difference(best, ordered[0], cells, alike) if is_other and best else None,
        len(models) - len(complete),
        len(complete) - len(allowed),
    )


def cells_of(chosen: Sequence[str], languages: Sequence[str], direction: Direction) -> list[Cell]:
    """The cells of some of a task's languages in one direction; with images, captions on images.

    :raises PanglotError: there are none.
    """
    images = [IMAGES] if IMAGES in languages else []
    english = [name for name in languages if cells_of_means([name, *chosen])[1]] if not images else []
    pivot = [english[0], *(name for name in chosen if name != english[0])] if english else list(chosen)
    within, _, _ = cells_of_means([*chosen, *images])
    _, from_english, to_english = cells_of_means(pivot)
    found = {"within": within, "english": from_english + to_english, "all": within + from_english + to_english}
    cells = found[direction]
    if not cells:
        raise PanglotError(
            f"There are no scores for the direction '{direction}' in {', '.join(chosen)}. Choose the direction within, "
            "or a language other than English."
        )
    return cells


def parse_parameters(text: str) -> int:
    """Parse a number of parameters: `600M`, `1.5B`, `600000000`.

    :raises PanglotError: it is not such a number.
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]+)?)\s*([KMB]?)", text.strip().upper())
    if not found or not float(found[1]):
        raise PanglotError(f"A number of parameters is e.g. 600M or 1.5B, not '{text}'.")
    return round(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}[found[2]])


def _fulfils(facts: dict[str, Any], wishes: Wishes) -> bool:
    parameters, length = facts.get("parameters"), facts.get("max_length")
    return (
        (wishes.max_parameters is None or (parameters is not None and parameters <= wishes.max_parameters))
        and (wishes.min_length is None or (length is not None and length >= wishes.min_length))
        and (not wishes.open_licence or str(facts.get("licence")).lower() in OPEN_LICENCES)
        and (not wishes.open_weights or facts.get("weights") == "open")
    )


def _choice(model: Reported, best: Reported, cells: list[Cell], alike: dict[Cell, float]) -> Choice:
    behind = _difference(best, model, cells, alike)
    weakest = min(cells, key=lambda cell: model.cells[cell])
    spread = _spread([model.cells[cell] - mean for cell, mean in alike.items() if cell in model.cells])
    value, low, high = _around(_mean(model, cells), spread, len(cells))
    score = Interval(value, *np.clip((low, high), 0, 1).tolist())
    tied = model is best or not behind.low > 0
    return Choice(model, score, behind, tied, weakest, model.cells[weakest])


def _difference(one: Reported, other: Reported, cells: list[Cell], alike: dict[Cell, float]) -> Interval:
    """How far one model is above another, with the spread of the difference over languages."""
    compared = [cell for cell in alike if cell in one.cells and cell in other.cells]
    spread = _spread([one.cells[cell] - other.cells[cell] for cell in compared])
    return _around(_mean(one, cells) - _mean(other, cells), spread, len(cells))


def _alike(models: Sequence[Reported], cells: list[Cell], others: list[Cell]) -> dict[Cell, float]:
    """The cells from which the spread is taken, each with its mean over models: the chosen, and neighbours if few.

    Neighbours of a cell are those with the smallest mean difference over the models that have all cells.
    """
    whole = [model for model in models if all(cell in model.cells for cell in others)]
    if not whole or len({name for cell in cells for name in cell}) >= LEAST_LANGUAGES:
        used, whole = cells, whole or list(models)
    else:
        scores: Floats = np.array([[model.cells[cell] for cell in others] for model in whole])
        places = [others.index(cell) for cell in cells]
        apart = np.abs(scores[:, places, None] - scores[:, None, :]).mean(axis=0)
        near = np.unique(np.argsort(apart, axis=1, kind="stable")[:, : NEIGHBOURS + 1])
        used = [others[place] for place in near.tolist()]
    return {cell: float(np.mean([model.cells[cell] for model in whole])) for cell in used}


def _spread(values: list[float]) -> tuple[float, int]:
    """Standard deviation, and the number of values behind it; NaN for fewer than two."""
    return (float(np.std(values, ddof=1)), len(values)) if len(values) > 1 else (math.nan, len(values))


def _around(value: float, spread: tuple[float, int], cells: int) -> Interval:
    deviation, behind = spread
    if behind < LEAST_LANGUAGES:
        return Interval(value, math.nan, math.nan)
    reach = float(student((1 + LEVEL) / 2, np.array(behind - 1.0))) * deviation / math.sqrt(cells)
    return Interval(value, value - reach, value + reach)


def _mean(model: Reported, cells: Sequence[Cell]) -> float:
    return float(np.mean([model.cells[cell] for cell in cells]))
