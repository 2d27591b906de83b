"""Texts that a debiasing method is fitted on: a JSON Lines file of `{"text": …, "language": …}` objects."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.image import IMAGES
from panglot.data.pool import Items
from panglot.data.readers.jsonl import read_json_lines
from panglot.data.readers.own import MOST_LANGUAGES
from panglot.encode.batches import ItemKeys, Texts
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.encoding import encode
from panglot.encode.model import Composite, Model, Scorer
from panglot.errors import BadData, BadEncoder
from panglot.languages import match_language, shortest
from panglot.plain import is_blank
from panglot.progress import Progress, silent
from panglot.remedies.debias import Fit, Method

FIELDS = (("text", ()), ("language", ("lang",)))


@dataclass(frozen=True)
class FitTexts:
    """The `name` of a file, and the (language, text) of each line."""

    name: str
    rows: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> FitTexts:
        """Read a file.

        :raises MissingData: there is no such file.
        :raises BadData: a line is invalid, which the message names; or there are no texts or too many languages.
        """
        rows = tuple(_read_rows(path))
        if (found := len({language for language, _ in rows})) > MOST_LANGUAGES:
            raise BadData(f"{path} has {found:,} languages, more than {MOST_LANGUAGES:,}.")
        return cls(path.name, rows)

    @property
    def digest(self) -> str:
        """A hash (12 hex digits) of all languages and texts."""
        return hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()[:12]

    def spelled_as(self, languages: Sequence[str]) -> FitTexts:
        """The same texts with language codes spelled as in `languages` if they match: `zh` becomes `zh-Hans`."""
        spelling = {code: match_language(code, languages) for code in self.counts}
        spelled = {code: known[0] if len(known) == 1 else code for code, known in spelling.items()}
        return FitTexts(self.name, tuple((spelled[code], text) for code, text in self.rows))

    def beside(self, languages: Sequence[str]) -> tuple[FitTexts, tuple[str, ...]]:
        """The texts spelled as in `languages`, and these languages followed by those that only the texts have."""
        texts = self.spelled_as(languages)
        return texts, (*languages, *(name for name in texts.counts if name not in languages))

    @property
    def counts(self) -> dict[str, int]:
        """Number of texts in each language."""
        return dict(Counter(language for language, _ in self.rows))

    def check_apart(self, queries: Items) -> None:
        """Check that no query is among the texts, so that what is taken out of a query was learned from others.

        :raises BadData: a query is among them.
        """
        asked = {_words(text) for number, text in enumerate(queries.texts) if number not in queries.images}
        shared = [text for _, text in self.rows if _words(text) in asked]
        if shared:
            raise BadData(
                f"{self.name}: {len(shared):,} of {len(self.rows):,} texts are queries of the task, such as "
                f"{shared[0][:80]!r}. Fit the method on other texts."
            )

    def encode(
        self, model: Model, languages: Sequence[str], cache: VectorCache | None, progress: Progress = silent
    ) -> tuple[dict[Role, Floats], Ints]:
        """Vectors [texts, dim] of both roles, and the language [texts] of each text as an index into `languages`.

        :raises BadEncoder: the model does not produce text vectors.
        """
        if isinstance(model, Scorer | Composite):
            raise BadEncoder(
                f"{model.card.name} does not produce text vectors, so no method can be fitted on {self.name}."
            )
        items = self.items(languages)
        item_keys = ItemKeys(languages, [items])
        vectors: dict[Role, Floats] = {}
        for role in ("query", "passage"):
            texts = Texts(model, role, item_keys)
            encoding = encode(model.card, texts, role, cache, f"encoding {self.name}", progress)
            vectors[role] = encoding.vectors[encoding.places(item_keys.keys[0])]
        return vectors, items.language

    def items(self, languages: Sequence[str]) -> Items:
        """The texts as items; their languages index `languages`."""
        place = np.array([languages.index(language) for language, _ in self.rows], np.int16)
        ids = tuple(f"line {number}" for number, _ in enumerate(self.rows, 1))
        return Items(ids, tuple(text for _, text in self.rows), place)


def fit_roles(method: Method, vectors: dict[Role, Floats], language: Ints, languages: Sequence[str]) -> dict[Role, Fit]:
    """The fit of a method for each role, from vectors [texts, dim] of each role and `language` [texts].

    A method that needs no language at query time is fitted on both roles together, so that queries and passages share
    one set of directions.
    """
    if method.knows_language:
        return {role: method.fit(own, language, languages) for role, own in vectors.items()}
    together = np.concatenate(list(vectors.values()))
    return dict.fromkeys(vectors, method.fit(together, np.tile(language, len(vectors)), languages))


def _words(text: str) -> str:
    """A text as models read it: white space around it, or how much of it is between words, makes no difference."""
    return " ".join(text.split())


def _read_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Each language and text; a language keeps the spelling of its first line: `DE` becomes `de` if `de` came first."""
    spelling: dict[str, str] = {}
    for row in read_json_lines(path, FIELDS):
        text, language = row.text("text"), row.optional_name("language")
        if is_blank(text):
            raise row.error("the text is blank.")
        if not language:
            raise row.error("the field 'language' is missing.")
        if not language.isprintable() or language == IMAGES:
            raise row.error(f"{language!r} is not the language of a text.")
        yield spelling.setdefault(shortest(language), language), text
