"""BM25: the lexical baseline, with a separate index and analyser for every candidate language.

Texts are split into words at white space and punctuation, lower-cased, and stemmed if Snowball supports the language.
Scripts without spaces are split into overlapping character bigrams. A query is analysed like the candidates, so across
languages only shared words match: names, numbers, loanwords.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.options import Options
from panglot.languages import Language, parse_language
from panglot.progress import Progress
from panglot.retrieve.similarity import ScoreBlocks

Analyser: TypeAlias = Callable[[str], list[str]]


def load(_: str, options: Options) -> Bm25:
    """Return BM25 with the defaults of bm25s: Lucene's variant, k1 = 1.5, b = 0.75."""
    return Bm25()


class Bm25:
    """BM25 as a scorer, without vectors."""

    card = ModelCard(
        name="bm25",
        revision=version("bm25s"),
        library=f"bm25s {version('bm25s')}, PyStemmer {version('PyStemmer')}",
        similarity="lexical",
        licence="MIT",
        note="Lucene BM25, k1 1.5, b 0.75, one index per candidate language. Snowball stemmer where there is one; "
        "character bigrams in scripts without spaces.",
    )

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Index the candidates of every language and return the scores."""
        return _Bm25Scores(pool, progress)


class _Bm25Scores:
    def __init__(self, pool: Pool, progress: Progress) -> None:
        import bm25s

        logging.getLogger("bm25s").setLevel(logging.WARNING)
        self._queries = pool.queries.texts
        self._total = len(pool.candidates)
        self._indices: list[tuple[slice, Analyser, Any]] = []
        ends = np.cumsum(pool.sizes).tolist()
        with progress("indexing", self._total) as advance:
            for language, size, end in zip(pool.languages, pool.sizes.tolist(), ends, strict=True):
                if size:
                    analyse = analyser(language)
                    index = bm25s.BM25()
                    words = [analyse(text) for text in pool.candidates.texts[end - size : end]]
                    if any(words):  # without any, nothing can be indexed, and all score 0
                        index.index(words, show_progress=False)
                        self._indices.append((slice(end - size, end), analyse, index))
                    advance(size)

    def block(self, start: int, stop: int) -> Floats:
        """Return BM25 scores [stop - start, candidates]; candidates that share no word with the query score 0."""
        scores = np.zeros((stop - start, self._total), np.float32)
        for candidates, analyse, index in self._indices:
            for row, query in enumerate(self._queries[start:stop]):
                known = [word for word in analyse(query) if word in index.vocab_dict]
                if known:
                    scores[row, candidates] = index.get_scores(known)
        return scores


@cache
def analyser(language: str) -> Analyser:
    """Return the function that splits a text in this language into index terms."""
    words = re.compile(f"[\\w{_combining_marks()}]+").findall
    known = parse_language(language)
    if known and known.is_unspaced:
        return lambda text: [pair for word in words(text.lower()) for pair in _bigrams(word)]
    stemmed = _stemmer_name(known) if known else ""
    if not stemmed:
        return lambda text: words(text.lower())
    import Stemmer

    stemmer = Stemmer.Stemmer(stemmed)
    return lambda text: stemmer.stemWords(words(text.lower()))


def _stemmer_name(language: Language) -> str:
    """Return Snowball's stemmer for a language or its macrolanguage in the supported script; empty if none."""
    if language.script != language.usual_script and language.code not in _STEMMED_IN_ANY_SCRIPT:
        return ""
    return _SNOWBALL.get(language.code) or _SNOWBALL.get(language.macrolanguage, "")


def _bigrams(word: str) -> Sequence[str]:
    return [word] if len(word) == 1 else [word[place : place + 2] for place in range(len(word) - 1)]


@cache
def _combining_marks() -> str:
    """Return vowel signs and accents: parts of words in Hindi, Thai or Arabic, but not matched by Python's `\\w`."""
    return "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M")


_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Snowball stemmers by language code."""

_STEMMED_IN_ANY_SCRIPT = ("sr",)
"""Languages stemmed in any script: Snowball's Serbian stemmer transliterates Cyrillic first."""
