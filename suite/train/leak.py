"""Does the training data hold what models are measured on? Whole texts, runs of eight words, and pictures.

Texts are compared as NFKC, in lower case, without anything but letters, marks and digits. Where words are not divided
by spaces, 13 characters stand for eight words, 30 in Thai. Spellings of one language, as `th` and `tha_Thai`, are one.
Of tasks with images the pictures are compared, since their captions are names that any text may hold.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from suite.errors import BadData
from suite.image import IMAGES
from suite.languages import canonical, parse_language
from suite.pool import Pool
from suite.train.pairs import Pairs

WORDS = 8
CHARACTERS = {"Thai": 30}
CHARACTERS_OTHERWISE = 13


class _Kept(dict[int, str]):
    """What each character becomes, found out once."""

    def __missing__(self, character: int) -> str:
        kept = unicodedata.category(chr(character))[0] in ("L", "M", "N")
        self[character] = chr(character) if kept else " "
        return self[character]


_KEPT = _Kept()


class Leak(NamedTuple):
    """What one language of the training data, or its pictures (`zxx`), shares with an evaluation task."""

    task: str
    language: str
    texts: int
    """Training texts, or pictures, that were looked at."""
    exact: int
    """Of these, queries or candidates of the task."""
    overlapping: int
    """Training texts that share a run of eight words with one."""


def check_leaks(pairs: Pairs, pools: Mapping[str, Pool]) -> list[Leak]:
    """What the training data shares with each task, one row a language that both have.

    :raises BadData: a whole text of an evaluation task is in the training data.
    """
    trained: dict[str, list[str]] = defaultdict(list)
    for place, language in enumerate(pairs.languages):
        trained[canonical(language)] += map(plain, pairs.texts_of(place))
    leaks = []
    for task, pool in pools.items():
        if pool.has_images:
            leaks.append(_shared_pictures(task, pool, pairs))
            continue
        for language, texts in _texts_by_language(pool):
            if canonical(language) in trained:
                leaks.append(_leak(task, language, trained[canonical(language)], texts))
    found = [leak for leak in leaks if leak.exact]
    if found:
        listed = ", ".join(f"{leak.exact} of {leak.task} in {leak.language}" for leak in found)
        raise BadData(f"The training data holds texts of evaluation tasks: {listed}. Leave them out.")
    return leaks


def plain(text: str) -> str:
    """A text as it is compared: only letters, marks and digits, words divided by one space."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().translate(_KEPT).split())


def runs(text: str, language: str) -> Iterator[str]:
    """Every run of eight words, or of as many characters as stand for them, of a plain text."""
    known = parse_language(language)
    if known and known.is_unspaced:
        characters, size = text.replace(" ", ""), CHARACTERS.get(known.script, CHARACTERS_OTHERWISE)
        yield from (characters[start : start + size] for start in range(len(characters) - size + 1))
        return
    words = text.split(" ")
    yield from (" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


def _leak(task: str, language: str, trained: list[str], texts: Iterable[str]) -> Leak:
    plains = set(map(plain, texts))
    known = {run for text in plains for run in runs(text, language)}
    overlapping = sum(not known.isdisjoint(runs(text, language)) for text in trained)
    return Leak(task, language, len(trained), sum(text in plains for text in trained), overlapping)


def _shared_pictures(task: str, pool: Pool, pairs: Pairs) -> Leak:
    known = {image.sha256 for items in (pool.queries, pool.candidates) for image in items.images.values()}
    shared = sum(hashlib.sha256(image).hexdigest() in known for image in pairs.images)
    return Leak(task, IMAGES, len(pairs.images), shared, 0)


def _texts_by_language(pool: Pool) -> Iterator[tuple[str, list[str]]]:
    for place, language in enumerate(pool.languages):
        asked = [pool.queries.texts[item] for item in (pool.queries.language == place).nonzero()[0].tolist()]
        offered = [pool.candidates.texts[item] for item in (pool.candidates.language == place).nonzero()[0].tolist()]
        yield language, asked + offered
