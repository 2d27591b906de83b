"""Texts that a method is fitted on: a file with one JSON object `{"text": …, "language": …}` a line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import Items
from panglot.encode.batches import ItemKeys, Texts
from panglot.encode.cache import VectorCache
from panglot.encode.encoding import encode
from panglot.encode.model import Composite, Model, Role, Scorer
from panglot.errors import BadData, BadEncoder
from panglot.languages import match_language
from panglot.lines import read_lines
from panglot.progress import Progress, silent
from panglot.remedies.debias import Fit, Method


@dataclass(frozen=True)
class FitTexts:
    """The `name` of a file, and language and text of each of its lines."""

    name: str
    rows: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> FitTexts:
        """From a file.

        :raises BadData: naming file and line.
        """
        return cls(path.name, tuple(_read_rows(path)))

    @property
    def digest(self) -> str:
        """A hash of all languages and texts."""
        return hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()[:12]

    def spelled_as(self, languages: Sequence[str]) -> FitTexts:
        """The same texts, with languages spelled as these are where they mean the same: `zh` becomes `zh-Hans`."""
        spelling = {code: match_language(code, languages) for code in self.counts}
        spelled = {code: known[0] if len(known) == 1 else code for code, known in spelling.items()}
        return FitTexts(self.name, tuple((spelled[code], text) for code, text in self.rows))

    @property
    def counts(self) -> dict[str, int]:
        """Texts in each language."""
        return dict(Counter(language for language, _ in self.rows))

    def encode(
        self, model: Model, languages: Sequence[str], cache: VectorCache | None, progress: Progress = silent
    ) -> tuple[dict[Role, Floats], Ints]:
        """Vectors [texts, dim] of both roles, and languages [texts] as places among `languages`.

        :raises BadEncoder: the model makes no vectors of texts.
        """
        if isinstance(model, Scorer | Composite):
            raise BadEncoder(f"{model.card.name} makes no vectors of texts, so {self.name} cannot be fitted on.")
        place: Ints = np.array([languages.index(language) for language, _ in self.rows], np.int16)
        ids = tuple(f"line {number}" for number, _ in enumerate(self.rows, 1))
        item_keys = ItemKeys(languages, [Items(ids, tuple(text for _, text in self.rows), place)])
        vectors: dict[Role, Floats] = {}
        for role in ("query", "passage"):
            texts = Texts(model, role, item_keys)
            encoding = encode(model.card, texts, role, cache, f"encoding {self.name}", progress)
            vectors[role] = encoding.vectors[encoding.places(item_keys.keys[0])]
        return vectors, place


def fit_roles(method: Method, vectors: dict[Role, Floats], language: Ints, languages: Sequence[str]) -> dict[Role, Fit]:
    """What a method learns from in each role.

    A method that needs no language at query time learns from both roles together, so that one set of directions serves
    queries and passages.
    """
    if method.knows_language:
        return {role: method.fit(own, language, languages) for role, own in vectors.items()}
    together = np.concatenate(list(vectors.values()))
    return dict.fromkeys(vectors, method.fit(together, np.tile(language, len(vectors)), languages))


def _read_rows(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
            language, text = row["language"], row["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadData(f'{path}, line {number}: expected {{"text": …, "language": …}}.') from error
        if not (isinstance(language, str) and isinstance(text, str) and text.strip()):
            raise BadData(f"{path}, line {number}: the language and a text that is not blank must be strings.")
        yield language, text
