"""What passages contain and queries leave: so that no batch offers a right answer as a wrong one, or a mere copy."""

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
from panglot.train.words import Units, is_kept, normalised

HEADS = {False: (1, 2, 4), True: (2, 4, 8)}
"""By how many units a query is looked up, words or characters: the most that it has. One character is no word."""

_EDGES = " \t\r\n,;:"
"""What is left over at the ends of a passage when a sentence or a name is taken out of it."""


class GroupText(NamedTuple):
    """The query and the passage of a group in one language."""

    group: int
    language: str
    query: str
    passage: str


def find_contained(texts: Iterable[GroupText]) -> set[tuple[int, int]]:
    """Pairs of groups (a, b) where a passage of a contains, in some language, the query of b, by whole words.

    A query that is found in one language is taken to be there in the others too, since groups translate each other.
    """
    by_language: dict[str, list[GroupText]] = defaultdict(list)
    for text in texts:
        by_language[text.language].append(text)
    return {found for language, own in by_language.items() for found in _contained(own, is_unspaced(language))}


def _contained(texts: list[GroupText], unspaced: bool) -> Iterator[tuple[int, int]]:
    """The pairs of one language: queries are looked up by their first units, and then compared as a whole."""
    queries = normalised([text.query for text in texts])
    passages = normalised([text.passage for text in texts])
    asked, offered = Units.of(queries, unspaced), Units.of(passages, unspaced)
    sizes = _head_sizes(np.bincount(asked.text, minlength=len(texts)), HEADS[unspaced])
    queries, passages = (list(map(_as_whole, own, repeat(unspaced))) for own in (queries, passages))
    for size in HEADS[unspaced]:
        groups: dict[int, dict[str, set[int]]] = {}
        for head, place in _heads(asked.runs(size)):
            if sizes[place] == size:
                groups.setdefault(head, {}).setdefault(queries[place], set()).add(texts[place].group)
        for head, place in _found(offered.runs(size), groups):
            for query, askers in groups[head].items():
                if query in passages[place]:
                    own = texts[place].group
                    yield from ((own, group) for group in askers if group != own)


def _head_sizes(counts: Ints, sizes: Sequence[int]) -> Ints:
    """By how many units each query is looked up; by none where it is too short."""
    return np.array([0, *sizes])[np.searchsorted(sizes, counts, side="right")]


def _heads(runs: Units) -> Iterator[tuple[int, int]]:
    """The first run of each text, with the text's place."""
    texts, first = np.unique(runs.text, return_index=True)
    return zip(runs.numbers[first].tolist(), texts.tolist(), strict=True)


def _found(runs: Units, heads: Collection[int]) -> Iterator[tuple[int, int]]:
    """Heads that stand in texts, each with the text's place, once."""
    known = np.isin(runs.numbers, np.fromiter(heads, np.int64, len(heads)))
    found = np.unique(np.stack([runs.numbers[known], runs.text[known]]), axis=1)
    return zip(*found.tolist(), strict=True)


def _as_whole(text: str, unspaced: bool) -> str:
    """A string that is part of another one if its units are."""
    return text.replace(" ", "") if unspaced else f" {text} "


def without_query(query: str, passage: str, language: str, share: float) -> str:
    """The passage without the query, for this share of the pairs in whose passage it stands word for word.

    Inverse cloze, as in ORQA (arXiv 1906.00300), which takes out nine sentences of ten. Whether a pair is one of them
    depends on its texts alone. A passage of which nothing would be left stays whole.
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
    """Whether a character is one of a word; nothing is not."""
    return any(map(is_kept, unicodedata.normalize("NFKC", character)))


def _share_of(query: str, passage: str) -> float:
    """A number in [0, 1) that follows from the texts."""
    digest = hashlib.sha256(f"{query}\0{passage}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
