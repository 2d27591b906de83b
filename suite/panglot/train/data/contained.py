"""Queries contained in passages: they would make false negatives in a batch, or reduce retrieval to finding a copy."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from panglot.arrays import Ints
from panglot.languages import is_unspaced
from panglot.train.data.words import Units, is_kept, normalised, occurs_in

HEADS = {False: (1, 2, 4), True: (2, 4, 8)}
"""Units (words, or characters of unspaced languages) by which a query is looked up; the largest that fits is used.
A single character is too short to be a word."""

_EDGES = " \t\r\n,;:"
"""Characters stripped from the ends of a passage after a sentence or a name was removed from it."""


class GroupText(NamedTuple):
    """The query and the passage of a group in one language."""

    group: int
    language: str
    query: str
    passage: str


def find_contained(texts: Iterable[GroupText]) -> set[tuple[int, int]]:
    """Pairs of groups (a, b) such that a passage of a contains the query of b as whole words in some language.

    The entries of a group are translations, so a query found in one language counts as contained in all.
    """
    by_language: dict[str, list[GroupText]] = defaultdict(list)
    for text in texts:
        by_language[text.language].append(text)
    return {found for language, own in by_language.items() for found in _contained(own, is_unspaced(language))}


def _contained(texts: list[GroupText], unspaced: bool) -> Iterator[tuple[int, int]]:
    """The pairs of one language: queries are looked up by their first units, then compared in full."""
    queries = normalised([text.query for text in texts])
    passages = normalised([text.passage for text in texts])
    query_units, passage_units = Units.of(queries, unspaced), Units.of(passages, unspaced)
    sizes = _head_sizes(np.bincount(query_units.text, minlength=len(texts)), HEADS[unspaced])
    queries, passages = (list(map(_as_whole, own, repeat(unspaced))) for own in (queries, passages))
    for size in HEADS[unspaced]:
        groups: dict[int, dict[str, set[int]]] = {}
        for head, place in _heads(query_units.runs(size)):
            if sizes[place] == size:
                groups.setdefault(head, {}).setdefault(queries[place], set()).add(texts[place].group)
        for head, place in _found(passage_units.runs(size), groups):
            for query, with_query in groups[head].items():
                if query in passages[place]:
                    own = texts[place].group
                    yield from ((own, group) for group in with_query if group != own)


def _head_sizes(counts: Ints, sizes: Sequence[int]) -> Ints:
    """Number of units by which each query is looked up, [queries]; 0 if it is too short."""
    return np.array([0, *sizes])[np.searchsorted(sizes, counts, side="right")]


def _heads(runs: Units) -> Iterator[tuple[int, int]]:
    """The first run of each text, with the text's index."""
    first = np.flatnonzero(np.diff(runs.text, prepend=-1))
    return zip(runs.numbers[first].tolist(), runs.text[first].tolist(), strict=True)


def _found(runs: Units, heads: Collection[int]) -> Iterator[tuple[int, int]]:
    """Heads that occur in texts, each with the text's index, without duplicates."""
    known = occurs_in(runs.numbers, np.fromiter(heads, np.int64, len(heads)))
    found = np.unique(np.stack([runs.numbers[known], runs.text[known]]), axis=1)
    return zip(*found.tolist(), strict=True)


def _as_whole(text: str, unspaced: bool) -> str:
    """A string form in which substring search matches whole units only."""
    return text.replace(" ", "") if unspaced else f" {text} "


def without_query(query: str, passage: str, language: str, share: float) -> str:
    """Remove the query from the passage, for the given share of the pairs whose passage contains it verbatim.

    This is the inverse cloze task of ORQA (arXiv 1906.00300), which removes nine of ten sentences. Which pairs are
    chosen depends only on their texts. A passage that would become empty is not changed.
    """
    if query not in passage or not query.strip() or _share_of(query, passage) >= share:
        return passage
    rest, *others = passage.split(query)
    for part in others:
        inside_a_word = not is_unspaced(language) and (_is_word(rest[-1:]) or _is_word(part[:1]))
        rest = f"{rest}{query}{part}" if inside_a_word else f"{rest.rstrip()} {part.lstrip()}"
    rest = rest.strip(_EDGES)
    return rest if any(map(_is_word, rest)) else passage


def _is_word(character: str) -> bool:
    """Whether a character is part of a word; False for an empty string."""
    return any(map(is_kept, unicodedata.normalize("NFKC", character)))


def _share_of(query: str, passage: str) -> float:
    """A pseudo-random number in [0, 1) derived from the texts."""
    digest = hashlib.sha256(f"{query}\0{passage}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
