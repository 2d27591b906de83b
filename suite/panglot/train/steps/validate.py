"""Validation during training by retrieving translations of FLORES sentences; no evaluation set is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator

from panglot.errors import BadData
from panglot.train.data.training_sets import read_rows
from panglot.train.recipes.recipe import Recipe

FILE = "train/validation_flores_sib200.parquet"


class Bitext(NamedTuple):
    """The same sentences in several languages: `texts` [languages][sentences]."""

    languages: tuple[str, ...]
    texts: list[list[str]]


def read_bitext(recipe: Recipe) -> Bitext:
    """The first sentences of the validation set, in those of the recipe's languages that it has.

    :raises MissingData: the validation set is missing.
    :raises BadData: it has fewer than two of the languages.
    """
    by_language: dict[str, dict[int, str]] = {}
    for row in read_rows(FILE):
        by_language.setdefault(row["lang"], {})[row["id"]] = row["text"]
    languages = tuple(language for language in recipe.languages if language in by_language)
    if len(languages) < 2:
        raise BadData(
            f"Validation needs at least two of the validation set's languages: {', '.join(sorted(by_language))}."
        )
    shared = sorted(set.intersection(*(set(by_language[language]) for language in languages)))
    chosen = shared[: recipe.validation.sentences]
    return Bitext(languages, [[by_language[language][id_] for id_ in chosen] for language in languages])


class BitextEvaluator(BaseEvaluator):
    """Share of sentences whose translation is the nearest sentence in its language, over all ordered pairs."""

    def __init__(self, bitext: Bitext) -> None:
        super().__init__()
        self._bitext = bitext
        self.primary_metric = "bitext"

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """The share as `{"bitext": share}`."""
        return {"bitext": accuracy(model, self._bitext.texts)}


def accuracy(model: Any, texts: Sequence[Sequence[str]]) -> float:
    """Share of sentences that retrieve their translation first, averaged over ordered pairs of languages.

    `texts` is [languages][sentences]. Ties count against the model.
    """
    settings = {"convert_to_numpy": True, "normalize_embeddings": True, "show_progress_bar": False}
    flat = [text for language in texts for text in language]
    shape = (len(texts), len(texts[0]), -1)
    as_queries = np.asarray(model.encode_query(flat, **settings), np.float32).reshape(shape)
    as_candidates = np.asarray(model.encode_document(flat, **settings), np.float32).reshape(shape)
    found = []
    for first, queries in enumerate(as_queries):
        for second, candidates in enumerate(as_candidates):
            if first != second:
                scores = queries @ candidates.T
                at_least = (scores >= scores.diagonal()[:, None]).sum(axis=1)
                found.append((at_least == 1).mean())
    return float(np.mean(found))
