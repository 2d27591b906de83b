"""Validation during training on texts of neither training nor evaluation.

FLORES sentences retrieve their translations; sentences of NTREX documents that are kept out of training retrieve the
passages that they were taken from, within and across languages and from a pool of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator

from panglot.arrays import Floats
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.errors import BadData
from panglot.train.data.training_sets import read_rows, validation_documents
from panglot.train.recipes.recipe import Recipe

FILE = "train/validation_flores_sib200.parquet"

VALIDATION = "validation"
"""The score that decides: the mean of all validation scores."""


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


def read_passages(recipe: Recipe) -> Pool | None:
    """The passages of the documents that the recipe keeps out of training; None if there are none.

    A query is a sentence, its passage the sentences before and after it in any language; no passages overlap.

    :raises MissingData: NTREX is missing.
    """
    queries, candidates, judgements = list[Query](), list[Candidate](), list[Judgement]()
    for number, document in enumerate(validation_documents(recipe.validation.documents)):
        spoken = [language for language in recipe.languages if language in document]
        for place in range(1, min(len(document[language]) for language in spoken) - 1, 3):
            group = f"{number}:{place}"
            ids = {language: f"{group}:{language}" for language in spoken}
            for language, name in ids.items():
                before, sentence, after = document[language][place - 1 : place + 2]
                queries.append(Query(name, sentence, language, group, cluster=str(number)))
                candidates.append(Candidate(name, f"{before} {after}", language))
                judgements += [Judgement(name, other) for other in ids.values()]
    return Pool.of(recipe.languages, queries, candidates, judgements) if queries else None


class Validator(BaseEvaluator):
    """Scores a model on the validation texts.

    `bitext` is the share of sentences whose translation is the nearest sentence in its language, over all ordered
    pairs; `passages` is the balance of MAP (`panglot.score`). Their mean is `validation`.
    """

    def __init__(self, bitext: Bitext, passages: Pool | None) -> None:
        super().__init__()
        self._bitext, self._passages = bitext, passages
        self.primary_metric = VALIDATION

    @property
    def texts(self) -> list[str]:
        """All validation texts."""
        pool = self._passages
        passages = (*pool.queries.texts, *pool.candidates.texts) if pool else ()
        return [text for language in self._bitext.texts for text in language] + list(passages)

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """The scores by name."""
        scores = {"bitext": accuracy(model, self._bitext.texts)}
        if self._passages:
            scores["passages"] = balance(model, self._passages)
        return {**scores, VALIDATION: float(np.mean(list(scores.values())))}


def read_validator(recipe: Recipe) -> Validator | None:
    """The validator of a recipe; None if it has no validation.

    :raises MissingData: a validation set is missing.
    :raises BadData: the FLORES sentences are in fewer than two of the recipe's languages.
    """
    return Validator(read_bitext(recipe), read_passages(recipe)) if recipe.validation.every else None


def accuracy(model: Any, texts: Sequence[Sequence[str]]) -> float:
    """Share of sentences that retrieve their translation first, averaged over ordered pairs of languages.

    `texts` is [languages][sentences]. Ties count against the model.
    """
    flat = [text for language in texts for text in language]
    shape = (len(texts), len(texts[0]), -1)
    as_queries, as_candidates = (vectors.reshape(shape) for vectors in _vectors(model, flat, flat))
    found = []
    for first, queries in enumerate(as_queries):
        for second, candidates in enumerate(as_candidates):
            if first != second:
                scores = queries @ candidates.T
                at_least = (scores >= scores.diagonal()[:, None]).sum(axis=1)
                found.append((at_least == 1).mean())
    return float(np.mean(found))


def balance(model: Any, pool: Pool) -> float:
    """Balance of MAP on a pool: the harmonic mean over the settings that it has."""
    from panglot.retrieve.ranking import collect_evidence
    from panglot.retrieve.similarity import DenseScores
    from panglot.score.summary import score_evidence

    evidence = collect_evidence(pool, DenseScores(*_vectors(model, pool.queries.texts, pool.candidates.texts)))
    found = score_evidence(evidence, "map", ["map"], draws=2, measures=())
    return found.balance["map"].value


def _vectors(model: Any, queries: Sequence[str], passages: Sequence[str]) -> tuple[Floats, Floats]:
    """Normalised vectors [texts, dimension] of queries and of passages."""
    settings = {"convert_to_numpy": True, "normalize_embeddings": True, "show_progress_bar": False}
    return (
        np.asarray(model.encode_query(list(queries), **settings), np.float32),
        np.asarray(model.encode_document(list(passages), **settings), np.float32),
    )
