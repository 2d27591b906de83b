"""Tables of models by language."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leaderboard_app.index.score_rows import ALL
from leaderboard_app.tables.board import scored
from leaderboard_app.tables.field import Scored
from panglot.data.image import IMAGES
from panglot.languages import language_name, parse_language, script_name
from panglot.score.pivot import english_among

ByLanguage = Mapping[str, float]
"""The score of one model by query language."""

MEANINGS = {
    "mono": "Queries in this language, candidates in the same language.",
    "cross": "Queries in this language, candidates in one other language, mean over those.",
    "multi": "Queries in this language, candidates of all languages in one pool.",
    "from English": "English queries, candidates in this language.",
    "to English": "Queries in this language, English candidates.",
}
"""What a number of a model in a language is."""

HARDEST, BY_NAME, BY_SCRIPT, BY_FAMILY = "hardest first", "name", "script", "family"
ORDERS = (HARDEST, BY_NAME, BY_SCRIPT, BY_FAMILY)
OTHER = "other"

FAMILIES = Path(__file__).parents[1] / "families.toml"


def scores_by_language(scores: pd.DataFrame, metric: str, setting: str) -> dict[str, dict[str, float]]:
    """Of each result, the score of each query language in a setting, from rows of the index."""
    found: dict[str, dict[str, float]] = {}
    for result, (name, _, query, candidate), score in scored(scores[scores["setting"] == setting]):
        if name == metric and query != ALL and candidate == (query if setting == "mono" else ALL):
            found.setdefault(result, {})[query] = score.value
    return found


def cells_by_language(model: Scored, languages: Sequence[str], kind: str) -> dict[str, float]:
    """The cells of one model by language: within it, from English or to English."""
    english = english_among(languages) or ""
    cells = model.cells
    found = {
        language: cells.get((language, IMAGES), cells.get((language, language)))
        if kind == "mono"
        else cells.get((english, language) if kind == "from English" else (language, english))
        for language in languages
        if kind == "mono" or language != english
    }
    return {language: value for language, value in found.items() if value is not None}


def grid_of(models: Mapping[str, ByLanguage], order: str, most: int) -> pd.DataFrame:
    """A row for each language and each of the best models that has it, languages and models in their order.

    How hard a language is goes by all models.
    """
    rows = [(language, model, value) for model, values in models.items() for language, value in values.items()]
    table = pd.DataFrame(rows, columns=["language", "model", "value"]).astype({"value": float})
    ease = table.groupby("language")["value"].mean()
    keys: dict[str, Callable[[str], tuple[Any, ...]]] = {
        HARDEST: lambda code: (float(ease[code]),),
        BY_NAME: lambda code: (language_name(code), code),
        BY_SCRIPT: lambda code: (script_of(code), language_name(code), code),
        BY_FAMILY: lambda code: (family_of(code), language_name(code), code),
    }
    languages = {code: place for place, code in enumerate(sorted(ease.index, key=keys[order]))}
    best = {name: place for place, name in enumerate(best_first(models)[:most])}
    table = table[table["model"].isin(best)]
    places = pd.DataFrame({"language": table["language"].map(languages), "model": table["model"].map(best)})
    return table.loc[places.sort_values(["language", "model"]).index].reset_index(drop=True)


def best_first(models: Mapping[str, ByLanguage]) -> list[str]:
    """Models by their means over the languages that all of them have."""
    shared = shared_languages(models.values())
    means = {name: np.mean([values[code] for code in shared]) if shared else 0.0 for name, values in models.items()}
    return sorted(means, key=lambda name: -means[name])


def shared_languages(models: Iterable[ByLanguage]) -> list[str]:
    """The languages that all models have."""
    listed = list(models)
    return [code for code in (listed[0] if listed else ()) if all(code in values for values in listed)]


def spread_table(models: Mapping[str, ByLanguage]) -> pd.DataFrame:
    """Of each model its mean, its worst and best language, and how far they are apart; the best mean first."""
    rows = []
    for name in best_first(models):
        values = models[name]
        worst, best = (pick(values, key=lambda code: values[code]) for pick in (min, max))
        mean = float(np.mean(list(values.values())))
        rows.append(
            {
                "model": name,
                "languages": len(values),
                "mean": mean,
                "worst": values[worst],
                "worst language": language_name(worst),
                "best": values[best],
                "best language": language_name(best),
                "best − worst": values[best] - values[worst],
            }
        )
    return pd.DataFrame(rows)


def script_of(code: str) -> str:
    """The name of a language's script; `other` where that is unknown."""
    language = parse_language(code)
    name = script_name(language.script) if language else ""
    return f"{name[0].upper()}{name[1:]}" if name else OTHER  # some are words beside a language: Chinese, simplified


def family_of(code: str) -> str:
    """The family of a language, as Glottolog has it; `other` where the table has none."""
    language = parse_language(code)
    return _families().get(language.code, OTHER) if language else OTHER


GROUPS: Mapping[str, Callable[[str], str]] = {BY_SCRIPT: script_of, BY_FAMILY: family_of}
"""What languages are grouped by in some of the orders."""


def group_table(models: Mapping[str, ByLanguage], order: str) -> pd.DataFrame:
    """A row for each script or family: how many languages, the mean over models and languages, the hardest language.

    The hardest group comes first.
    """
    groups: dict[str, dict[str, float]] = {}
    for code, mean in hardest(models, most=10_000):
        groups.setdefault(GROUPS[order](code), {})[code] = mean
    rows = [
        {
            order: group,
            "languages": len(codes),
            "mean": float(np.mean(list(codes.values()))),
            "worst": min(codes.values()),
            "worst language": language_name(min(codes, key=lambda code: codes[code])),
        }
        for group, codes in groups.items()
    ]
    return pd.DataFrame(rows).sort_values("mean", ignore_index=True, kind="stable")


@cache
def _families() -> dict[str, str]:
    table = tomllib.loads(FAMILIES.read_text(encoding="utf-8"))
    return {code: family for family, codes in table.items() for code in codes}


def hardest(models: Mapping[str, ByLanguage], most: int = 5) -> list[tuple[str, float]]:
    """The languages with the lowest means over the models that have them, the lowest first."""
    found: dict[str, list[float]] = {}
    for values in models.values():
        for code, value in values.items():
            found.setdefault(code, []).append(value)
    means = sorted((float(np.mean(values)), code) for code, values in found.items())
    return [(code, mean) for mean, code in means[:most]]


def mean_pairs(scores: pd.DataFrame, metric: str, languages: Sequence[str]) -> pd.DataFrame:
    """The mean over results of every ordered pair of languages: `query, candidate, value`."""
    single = (scores["metric"] == metric) & (scores["query"] != ALL) & (scores["candidate"] != ALL)
    means = scores[single].groupby(["query", "candidate"], observed=True)["value"].mean()
    rows = [(query, candidate, means.get((query, candidate))) for query in languages for candidate in languages]
    table = pd.DataFrame(rows, columns=["query", "candidate", "value"]).astype({"value": float})
    asked = table.groupby("query")["value"].transform("count") > 0
    return table[asked & (table.groupby("candidate")["value"].transform("count") > 0)]
