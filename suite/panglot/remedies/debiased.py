"""Score a pool with debiased vectors. The original vectors come from the cache, so nothing is encoded again.

What a method is fitted on is part of the model's configuration. With *corpus*, candidates are fitted on themselves,
since they are known at indexing time, and queries on the other half of the question clusters. With a *file* of texts
and their languages, queries and passages are fitted on those texts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from panglot.arrays import Ints
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard
from panglot.encode.model import Model
from panglot.encode.scoring import Scored, score_pool
from panglot.errors import BadEncoder, PanglotError
from panglot.progress import Progress, silent
from panglot.remedies.debias import Method, apply_in_folds, parse_method
from panglot.remedies.detect import detect_languages, detector
from panglot.remedies.fit_texts import FitTexts, fit_roles
from panglot.retrieve.similarity import DenseScores

CORPUS = "corpus"
"""Fit on the indexed corpus."""


@dataclass(frozen=True)
class Debias:
    """A debiasing method and its fit: `texts`, or the corpus if None; `detect` detects the languages of queries."""

    method: Method
    texts: FitTexts | None = None
    detect: bool = False

    @classmethod
    def parse(cls, method: str, fit: str = CORPUS, detect: bool = False) -> Debias:
        """Parse command-line values: `fit` is `corpus` or the path of a file.

        :raises UnknownName: there is no such method.
        :raises MissingData: the file of texts does not exist.
        :raises BadData: the file of texts has an invalid line.
        :raises PanglotError: detection is requested for a method that needs no language, or is not installed.
        """
        parsed = parse_method(method)
        if detect and not parsed.knows_language:
            raise PanglotError(f"{method} does not use query languages. Remove --debias-language detect.")
        if detect:
            detector()
        return cls(parsed, None if fit == CORPUS else FitTexts.read(Path(fit)), detect)

    def card(self, card: ModelCard) -> ModelCard:
        """The model's card with the debiasing in its settings: a different configuration of the model."""
        settings = [f"debias={self.method.name}", f"debias_fit={self.texts.digest if self.texts else CORPUS}"]
        if self.detect:
            settings.append(f"debias_language={detector()}")
        return card.model_copy(update={"settings": (*card.settings, *settings)})

    def score_pool(
        self, model: Model, pool: Pool, cache: VectorCache | None = None, progress: Progress = silent
    ) -> Scored:
        """Score the pool with debiased vectors; in a fusion, only the members that make vectors change.

        :raises BadEncoder: the model does not produce vectors, the method cannot be fitted, or vectors become zero.
        :raises BadData: a query is among the texts that the method is fitted on.
        """
        changed: list[Model] = []

        def change(scored: Scored, part: Model) -> Scored:
            if not isinstance(scored.scores, DenseScores):
                return scored
            changed.append(part)
            return self._debiased(scored, part, pool, cache, progress)

        scored = score_pool(model, pool, cache, progress, change)
        if not changed:
            raise BadEncoder(f"{model.card.name} does not produce vectors, so it cannot be debiased.")
        return scored

    def _debiased(
        self, scored: Scored, model: Model, pool: Pool, cache: VectorCache | None, progress: Progress
    ) -> Scored:
        assert isinstance(scored.scores, DenseScores)
        queries, candidates, languages = scored.scores.queries, scored.scores.candidates, pool.languages
        query_language, candidate_language = self._query_languages(pool), pool.candidates.language
        unit = model.card.similarity == "cosine"
        if self.texts:
            self.texts.check_apart(pool.queries)
            texts, known = self.texts.beside(languages)
            vectors, place = texts.encode(model, known, cache, progress)
            fits = fit_roles(self.method, vectors, place, known)
            queries = self.method.apply(fits["query"], queries, query_language, unit)
            candidates = self.method.apply(fits["passage"], candidates, candidate_language, unit)
        else:
            queries = apply_in_folds(self.method, queries, query_language, pool.cluster, languages, unit)
            fit = self.method.fit(candidates, candidate_language, languages)
            candidates = self.method.apply(fit, candidates, candidate_language, unit)
        return Scored(
            DenseScores(queries, candidates),
            scored.queries and replace(scored.queries, vectors=queries),
            scored.candidates and replace(scored.candidates, vectors=candidates),
        )

    def _query_languages(self, pool: Pool) -> Ints:
        return detect_languages(pool.queries, pool.languages) if self.detect else pool.queries.language
