"""A pool scored without the languages of its vectors; the vectors come from the cache, so nothing is encoded again.

What a method is fitted on is part of the configuration. On the *corpus*, candidates are fitted on themselves, as they
are known when indexed, and queries on the other half of the question clusters. On a *file* of texts with
languages, one JSON object `{"text": …, "language": …}` a line, both roles are fitted on those texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import Items, Pool
from panglot.encode.batches import ItemKeys, Texts
from panglot.encode.cache import VectorCache
from panglot.encode.encoding import encode
from panglot.encode.model import Composite, Model, ModelCard, Role, Scorer
from panglot.encode.scoring import Scored
from panglot.errors import BadData, BadEncoder
from panglot.lines import read_lines
from panglot.progress import Progress, silent
from panglot.remedies.debias import Fit, Method, apply_in_folds, parse_method
from panglot.retrieve.similarity import DenseScores

CORPUS = "corpus"
"""The fit on what is indexed."""


@dataclass(frozen=True)
class Debias:
    """A method and what it is fitted on; `fit` is `CORPUS` or the path of a file."""

    method: Method
    fit: str = CORPUS

    @classmethod
    def parse(cls, method: str, fit: str = CORPUS) -> Debias:
        """From names that a person typed.

        :raises UnknownName: there is no such method.
        :raises BadData: the file of texts is missing or is not of its form.
        """
        made = cls(parse_method(method), fit)
        if fit != CORPUS:
            made.texts()
        return made

    def card(self, card: ModelCard) -> ModelCard:
        """The model's card with this in its settings: it is another configuration of the model."""
        digest = hashlib.sha256(json.dumps(self.texts()).encode()).hexdigest()[:12] if self.fit != CORPUS else CORPUS
        return card.model_copy(
            update={"settings": (*card.settings, f"debias={self.method.name}", f"debias_fit={digest}")}
        )

    def texts(self) -> list[tuple[str, str]]:
        """Language and text of each line of the file.

        :raises BadData: naming file and line.
        """
        return list(_read_texts(Path(self.fit)))

    def applied(
        self, scored: Scored, model: Model, pool: Pool, cache: VectorCache | None = None, progress: Progress = silent
    ) -> Scored:
        """The pool scored again from vectors without their languages.

        :raises BadEncoder: the model makes no vectors, or nothing is left of some.
        """
        if scored.queries is None or scored.candidates is None:
            raise BadEncoder(f"{model.card.name} makes no vectors, so there is nothing to take languages out of.")
        queries, candidates = scored.queries.vectors, scored.candidates.vectors
        asked, offered = pool.queries.language, pool.candidates.language
        unit, languages = model.card.similarity == "cosine", pool.languages
        if self.fit == CORPUS:
            left = apply_in_folds(self.method, queries, asked, pool.cluster, languages, unit)
            fit = self.method.fit(candidates, offered, languages)
        else:
            own, fit = (self._fit(model, role, languages, cache, progress) for role in ("query", "passage"))
            left = self.method.apply(own, queries, asked, unit)
        rest = self.method.apply(fit, candidates, offered, unit)
        return Scored(
            DenseScores(left, rest), replace(scored.queries, vectors=left), replace(scored.candidates, vectors=rest)
        )

    def _fit(
        self, model: Model, role: Role, languages: tuple[str, ...], cache: VectorCache | None, progress: Progress
    ) -> Fit:
        assert not isinstance(model, Scorer | Composite)
        wanted = [(language, text) for language, text in self.texts() if language in languages]
        place: Ints = np.array([languages.index(language) for language, _ in wanted], np.int16)
        items = Items(tuple(f"line {n}" for n in range(len(wanted))), tuple(text for _, text in wanted), place)
        item_keys = ItemKeys(languages, [items])
        label = f"encoding {Path(self.fit).name}"
        encoding = encode(model.card, Texts(model, role, item_keys), role, cache, label, progress)
        vectors: Floats = encoding.vectors[encoding.places(item_keys.keys[0])]
        return self.method.fit(vectors, place, languages)


def _read_texts(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
            language, text = row["language"], row["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadData(f'{path}, line {number}: expected {{"text": …, "language": …}}.') from error
        if not (isinstance(language, str) and isinstance(text, str) and text.strip()):
            raise BadData(f"{path}, line {number}: the language and a text that is not blank must be strings.")
        yield language, text
