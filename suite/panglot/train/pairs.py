"""Training pairs as arrays: which text asks, what answers, in which languages, and what must not meet in a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Ints
from panglot.train.contained import GroupText, find_contained, without_query

NO_INDEX = -1
"""In place of an index: no negative, or an image, which has no language."""


class TextPair(NamedTuple):
    """A query and its passage in one language, as an adapter yields them.

    Entries of one `group` translate each other, so the query of one finds the passage of any other; entries of one
    `cluster` are too alike to be negatives of each other.
    """

    group: str
    language: str
    query: str
    passage: str
    negative: str | None = None
    cluster: str | None = None


class ImageCaption(NamedTuple):
    """A caption of an image, as an adapter yields it; `image` is the id of the picture."""

    image: str
    language: str
    text: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs that a model may be trained on.

    `query`, `passage`, `whole` and `negative` [pairs] index `texts`; `passage` indexes `images` where `has_image`.
    `whole` is the passage before its query was taken out of it. `origin` [pairs] indexes `sets`, the languages index
    `languages`. `keys` [pairs, 4] are the pair's group, cluster, query and passage as numbers of one range each: two
    pairs that share one must not meet in a batch, since the passage of the first may answer the query of the second.
    Nor must two pairs of which one has the key of a group that `apart` gives for the group of the other: a passage of
    one contains the query of the other.
    """

    languages: tuple[str, ...]
    sets: tuple[str, ...]
    texts: tuple[str, ...]
    images: tuple[bytes, ...]
    query: Ints
    passage: Ints
    whole: Ints
    negative: Ints
    query_language: Ints
    passage_language: Ints
    origin: Ints
    has_image: Bools
    keys: Ints
    apart: Mapping[int, frozenset[int]]

    def __len__(self) -> int:
        return len(self.query)

    def texts_of(self, language: int) -> list[str]:
        """The different texts of one language."""
        asked = self.query[self.query_language == language]
        answers = self.whole[self.passage_language == language]
        return [self.texts[text] for text in np.unique(np.concatenate([asked, answers])).tolist()]


class PairsBuilder:
    """Collects data sets into one table."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._language = {language: place for place, language in enumerate(languages)}
        self._sets: list[str] = []
        self._texts: dict[str, int] = {}
        self._folded: dict[str, int] = {}
        self._fold_of: list[int] = []
        self._images: dict[bytes, int] = {}
        self._names: dict[str, int] = {}
        self._rows: list[Ints] = []
        self._keys: list[Ints] = []
        self._apart: dict[int, set[int]] = defaultdict(set)

    def add_texts(self, name: str, entries: Iterable[TextPair], cloze: float = 0.0, apart: bool = True) -> None:
        """Add a set: each entry by itself, and each with every other language of its group.

        Of entries by themselves whose query stands in their passage, the share `cloze` shows the passage without it.
        With `apart`, groups are kept apart where a passage of one contains a query of the other.
        """
        known = [entry for entry in entries if entry.language in self._language]
        known.sort(key=lambda entry: entry.group)
        group = np.array([self._name(f"{name}\0{entry.group}") for entry in known], np.int64)
        cluster = np.array([self._name(f"{name}\1{entry.cluster or entry.group}") for entry in known], np.int64)
        language = np.array([self._language[entry.language] for entry in known], np.int64)
        query = np.array([self._text(entry.query) for entry in known], np.int64)
        passage = np.array([self._text(entry.passage) for entry in known], np.int64)
        rest = np.array(
            [self._text(without_query(e.query, e.passage, e.language, cloze)) for e in known] if cloze else passage,
            np.int64,
        )
        negative = np.array([NO_INDEX if e.negative is None else self._text(e.negative) for e in known], np.int64)
        asks, answers = _combinations(group)
        allowed = (asks == answers) | (language[asks] != language[answers])
        allowed &= query[asks] != passage[answers]
        asks, answers = asks[allowed], answers[allowed]
        whole = passage[answers]
        shown = np.where(asks == answers, rest[answers], whole)
        self._add(
            name,
            [query[asks], shown, whole, negative[answers], language[asks], language[answers]],
            (group[asks], cluster[answers]),
            has_image=False,
        )
        if apart:
            texts = (
                GroupText(4 * g, e.language, e.query, e.passage) for g, e in zip(group.tolist(), known, strict=True)
            )
            for one, other in find_contained(texts):
                self._apart[one].add(other)
                self._apart[other].add(one)

    def add_images(self, name: str, captions: Iterable[ImageCaption], images: dict[str, bytes]) -> None:
        """Add captions with the images of their ids."""
        known = [caption for caption in captions if caption.language in self._language]
        query = np.array([self._text(caption.text) for caption in known], np.int64)
        image = np.array([self._images.setdefault(images[c.image], len(self._images)) for c in known], np.int64)
        language = np.array([self._language[caption.language] for caption in known], np.int64)
        group = np.array([self._name(f"{name}\0{caption.image}") for caption in known], np.int64)
        nothing = np.full(len(known), NO_INDEX)
        self._add(name, [query, image, image, nothing, language, nothing], (group, group), has_image=True)

    def build(self) -> Pairs:
        """The table of everything that was added."""
        columns = np.concatenate(self._rows, axis=1) if self._rows else np.empty((8, 0), np.int64)
        query, passage, whole, negative, query_language, passage_language, origin, has_image = columns
        return Pairs(
            languages=tuple(self._language),
            sets=tuple(self._sets),
            texts=tuple(self._texts),
            images=tuple(self._images),
            query=query,
            passage=passage,
            whole=whole,
            negative=negative,
            query_language=query_language,
            passage_language=passage_language,
            origin=origin,
            has_image=has_image.astype(bool),
            keys=np.concatenate(self._keys) if self._keys else np.empty((0, 4), np.int64),
            apart={group: frozenset(others) for group, others in self._apart.items()},
        )

    def _add(self, name: str, columns: list[Ints], names: tuple[Ints, Ints], has_image: bool) -> None:
        size = len(columns[0])
        fold = np.array(self._fold_of, np.int64)
        # Four kinds of number share one range, so that a plain set finds what two pairs have in common.
        passage = 4 * columns[2] + 3 if has_image else 4 * fold[columns[2]] + 2
        self._keys.append(np.stack([4 * names[0], 4 * names[1] + 1, 4 * fold[columns[0]] + 2, passage], axis=1))
        self._rows.append(np.stack([*columns, np.full(size, len(self._sets)), np.full(size, int(has_image))]))
        self._sets.append(name)

    def _text(self, text: str) -> int:
        place = self._texts.get(text)
        if place is None:
            place = self._texts[text] = len(self._texts)
            self._fold_of.append(self._folded.setdefault(text.casefold(), len(self._folded)))
        return place

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))


def _combinations(group: Ints) -> tuple[Ints, Ints]:
    """Every ordered pair of entries of one group, from entries that stand grouped, [combinations] twice."""
    if not len(group):
        return group, group
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    sizes = np.diff(np.r_[starts, len(group)])
    first, second = [], []
    for size in np.unique(sizes).tolist():
        start = starts[sizes == size][:, None, None]
        place = np.arange(size)
        first.append((start + place[:, None] + 0 * place).ravel())
        second.append((start + 0 * place[:, None] + place).ravel())
    return np.concatenate(first), np.concatenate(second)
