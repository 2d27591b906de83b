"""A pool scored without the languages of its vectors; the vectors come from the cache, so nothing is encoded again.

What a method is fitted on is part of the configuration. On the *corpus*, candidates are fitted on themselves, as they
are known when indexed, and queries on the other half of the question clusters. On a *file* of texts with languages,
queries and passages are fitted on those texts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from panglot.arrays import Ints
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.model import Model, ModelCard
from panglot.encode.scoring import Scored, score_pool
from panglot.errors import BadEncoder, PanglotError
from panglot.progress import Progress, silent
from panglot.remedies.debias import Method, apply_in_folds, parse_method
from panglot.remedies.detect import detect_languages, detector
from panglot.remedies.fit_texts import FitTexts, fit_roles
from panglot.retrieve.similarity import DenseScores

CORPUS = "corpus"
"""The fit on what is indexed."""


@dataclass(frozen=True)
class Debias:
    """A method, the texts that it is fitted on, the corpus where there are none, and how query languages are known."""

    method: Method
    texts: FitTexts | None = None
    detect: bool = False

    @classmethod
    def parse(cls, method: str, fit: str = CORPUS, detect: bool = False) -> Debias:
        """From what a person typed: `fit` is `corpus` or the path of a file.

        :raises UnknownName: there is no such method.
        :raises BadData: the file of texts is missing or is not of its form.
        :raises PanglotError: languages are to be detected for a method that needs none, or no detector is installed.
        """
        parsed = parse_method(method)
        if detect and not parsed.knows_language:
            raise PanglotError(f"{method} needs no language of a query. Leave out --debias-language detect.")
        if detect:
            detector()
        return cls(parsed, None if fit == CORPUS else FitTexts.read(Path(fit)), detect)

    def card(self, card: ModelCard) -> ModelCard:
        """The model's card with this in its settings: it is another configuration of the model."""
        settings = [f"debias={self.method.name}", f"debias_fit={self.texts.digest if self.texts else CORPUS}"]
        if self.detect:
            settings.append(f"debias_language={detector()}")
        return card.model_copy(update={"settings": (*card.settings, *settings)})

    def score_pool(
        self, model: Model, pool: Pool, cache: VectorCache | None = None, progress: Progress = silent
    ) -> Scored:
        """The pool scored from vectors without their languages; of a fusion, those members change that make vectors.

        :raises BadEncoder: the model makes no vectors, or nothing is left of some.
        """
        changed: list[Model] = []

        def change(scored: Scored, part: Model) -> Scored:
            if not isinstance(scored.scores, DenseScores):
                return scored
            changed.append(part)
            return self._without_languages(scored, part, pool, cache, progress)

        scored = score_pool(model, pool, cache, progress, change)
        if not changed:
            raise BadEncoder(f"{model.card.name} makes no vectors, so there is nothing to take languages out of.")
        return scored

    def _without_languages(
        self, scored: Scored, model: Model, pool: Pool, cache: VectorCache | None, progress: Progress
    ) -> Scored:
        assert isinstance(scored.scores, DenseScores)
        queries, candidates, languages = scored.scores.queries, scored.scores.candidates, pool.languages
        asked, offered = self._query_languages(pool), pool.candidates.language
        unit = model.card.similarity == "cosine"
        if self.texts:
            texts = self.texts.spelled_as(languages)
            known = (*languages, *(name for name in texts.counts if name not in languages))
            vectors, place = texts.encode(model, known, cache, progress)
            fits = fit_roles(self.method, vectors, place, known)
            left = self.method.apply(fits["query"], queries, asked, unit)
            rest = self.method.apply(fits["passage"], candidates, offered, unit)
        else:
            left = apply_in_folds(self.method, queries, asked, pool.cluster, languages, unit)
            rest = self.method.apply(self.method.fit(candidates, offered, languages), candidates, offered, unit)
        return Scored(
            DenseScores(left, rest),
            scored.queries and replace(scored.queries, vectors=left),
            scored.candidates and replace(scored.candidates, vectors=rest),
        )

    def _query_languages(self, pool: Pool) -> Ints:
        return detect_languages(pool.queries, pool.languages) if self.detect else pool.queries.language
