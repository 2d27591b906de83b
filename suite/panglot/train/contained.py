"""What passages contain and queries leave: so that no batch offers a right answer as a wrong one, or a mere copy."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from panglot.languages import is_unspaced
from panglot.train.words import Units, normalised, runs, units

HEADS = {False: (1, 2, 4), True: (2, 4, 8)}
"""Units by which a query is looked up, of words and of characters: as many as it has. One character is no word."""

_EDGES = " \t\r\n,;:"
"""What is left over at the ends of a passage when a sentence or a name is taken out of it."""


class GroupText(NamedTuple):
    """The query and the passage of a group in one language."""

    group: int
    language: str
    query: str
    passage: str


def find_contained(texts: Iterable[GroupText]) -> set[tuple[int, int]]:
    """Pairs of groups (a, b) where a passage of a contains, in some language, the query of b: plain, by whole words.

    A query that is found in one language is taken to be there in the others too, since groups translate each other.
    """
    by_language: dict[str, list[GroupText]] = defaultdict(list)
    for text in texts:
        by_language[text.language].append(text)
    return {found for language, own in by_language.items() for found in _contained(own, language)}


def _contained(texts: list[GroupText], language: str) -> Iterator[tuple[int, int]]:
    """The pairs of one language: queries are looked up by their first units, and then compared as a whole."""
    unspaced = is_unspaced(language)
    queries: dict[int, dict[Units, dict[str, set[int]]]] = defaultdict(dict)
    for text in texts:
        found = units(normalised(text.query), unspaced)
        size = max((size for size in HEADS[unspaced] if size <= len(found)), default=0)
        if size:
            queries[size].setdefault(found[:size], {}).setdefault(_joined(found), set()).add(text.group)
    for text in texts:
        found = units(normalised(text.passage), unspaced)
        passage = _joined(found)
        for size, heads in queries.items():
            for head in runs(found, size) & heads.keys():
                for query, groups in heads[head].items():
                    if query in passage:
                        yield from ((text.group, group) for group in groups if group != text.group)


def _joined(parts: Units) -> str:
    """A string that is part of another one if the units are."""
    return parts if isinstance(parts, str) else f" {' '.join(parts)} "


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
    return bool(normalised(character))


def _share_of(query: str, passage: str) -> float:
    """A number in [0, 1) that follows from the texts."""
    digest = hashlib.sha256(f"{query}\0{passage}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
