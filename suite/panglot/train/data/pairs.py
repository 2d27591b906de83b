"""Training pairs as arrays: queries, passages, languages, and which pairs must not share a batch."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Ints
from panglot.train.data.contained import GroupText, find_contained, without_query
from panglot.train.data.texts import Texts, TextStore

PARTNERS = 20
"""Most translations that a text is paired with. All pairs of a large group would take memory in proportion to the
square of its languages; sets of up to 21 languages are not affected."""

NO_INDEX = -1
"""Placeholder for an index: there is no negative, or the item is an image, which has no language."""


class TextPair(NamedTuple):
    """A query and its passage in one language, as read from a data set.

    Entries of one `group` are translations, so the query of one matches the passage of any other. Entries of one
    `cluster` are too similar to be negatives of each other.
    """

    group: str
    language: str
    query: str
    passage: str
    negative: str | None = None
    cluster: str | None = None


class ImageCaption(NamedTuple):
    """A caption of an image, as read from a data set; `image` is the id of the image."""

    image: str
    language: str
    text: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """All training pairs.

    `query`, `passage`, `whole` and `negative` [pairs] index `texts`; `passage` indexes `images` where `has_image`.
    `whole` is the passage before its query was removed. `origin` [pairs] indexes `sets`; `query_language` and
    `passage_language` [pairs] index `languages`. `keys` [pairs, 4] encodes the pair's group, cluster, query and passage
    in disjoint ranges of integers: two pairs that share a key must not be in one batch, because the passage of one may
    answer the query of the other. The same holds for two pairs if `apart` lists the group key of one under that of the
    other: a passage of one contains the query of the other.
    """

    languages: tuple[str, ...]
    sets: tuple[str, ...]
    texts: Texts
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
    skipped: tuple[str, ...] = ()
    """Messages about invalid rows that were skipped."""

    def __len__(self) -> int:
        return len(self.query)

    def texts_of(self, language: int) -> list[str]:
        """The distinct texts of one language."""
        queries = self.query[self.query_language == language]
        passages = self.whole[self.passage_language == language]
        return self.texts.take(np.unique(np.concatenate([queries, passages])))


class PairsBuilder:
    """Collects data sets into one table."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._language = {language: place for place, language in enumerate(languages)}
        self._sets: list[str] = []
        self._texts = TextStore()
        self._images: dict[bytes, int] = {}
        self._numbers = 0
        self._rows: list[Ints] = []
        self._keys: list[Ints] = []
        self._apart: dict[int, set[int]] = defaultdict(set)

    def add_texts(self, name: str, entries: Iterable[TextPair], cloze: float = 0.0, apart: bool = True) -> None:
        """Add a set: monolingual pairs from single entries, and cross-lingual pairs within each group.

        `cloze` is the share of monolingual pairs whose query is removed from the passage that contains it. With
        `apart`, groups never share a batch if a passage of one contains a query of the other.
        """
        group, cluster, language, query, passage, rest, negative = self._columns(name, entries, cloze)
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
            known, languages = self._texts.texts(), tuple(self._language)
            texts = (
                GroupText(4 * g, languages[own], known[asked], known[answer])
                for g, own, asked, answer in np.stack([group, language, query, passage], axis=1).tolist()
            )
            for one, other in find_contained(texts):
                self._apart[one].add(other)
                self._apart[other].add(one)

    def _columns(self, name: str, entries: Iterable[TextPair], cloze: float) -> Ints:
        """The entries in known languages, sorted by group, as indices [7, entries].

        The rows are the group, cluster and language, and the texts of the query, the passage, the passage as it is
        shown in monolingual pairs, and the negative.
        """
        columns = [array("i") for _ in range(7)]
        groups, clusters = dict[str, int](), dict[str, int]()
        for entry in entries:
            if entry.language not in self._language:
                continue
            query, passage = self._texts.add(entry.query), self._texts.add(entry.passage)
            rest = passage
            if cloze:
                rest = self._texts.add(without_query(entry.query, entry.passage, entry.language, cloze))
            negative = NO_INDEX if entry.negative is None else self._texts.add(entry.negative)
            group = self._number(groups, entry.group)
            cluster = group if entry.cluster is None else self._number(clusters, entry.cluster)
            facts = (group, cluster, self._language[entry.language], query, passage, rest, negative)
            for column, value in zip(columns, facts, strict=True):
                column.append(value)
        found = np.array([np.frombuffer(column, np.int32) for column in columns], np.int32)
        ranks = np.zeros(self._numbers, np.int32)
        ranks[[groups[group] for group in sorted(groups)]] = np.arange(len(groups))
        return found[:, np.argsort(ranks[found[0]], kind="stable")]

    def add_images(self, name: str, captions: Iterable[ImageCaption], images: dict[str, bytes]) -> None:
        """Add captions with their images; `images` holds the image files by id."""
        known = [caption for caption in captions if caption.language in self._language]
        query = np.array([self._texts.add(caption.text) for caption in known], np.int64)
        image = np.array([self._images.setdefault(images[c.image], len(self._images)) for c in known], np.int64)
        language = np.array([self._language[caption.language] for caption in known], np.int64)
        groups = dict[str, int]()
        group = np.array([self._number(groups, caption.image) for caption in known], np.int64)
        nothing = np.full(len(known), NO_INDEX)
        self._add(name, [query, image, image, nothing, language, nothing], (group, group), has_image=True)

    def build(self, skipped: tuple[str, ...] = ()) -> Pairs:
        """The table of all pairs that were added; `skipped` reports rows that were left out."""
        columns = np.concatenate(self._rows, axis=1) if self._rows else np.empty((8, 0), np.int64)
        query, passage, whole, negative, query_language, passage_language, origin, has_image = columns
        return Pairs(
            languages=tuple(self._language),
            sets=tuple(self._sets),
            texts=self._texts.texts(),
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
            skipped=skipped,
        )

    def _add(self, name: str, columns: list[Ints], names: tuple[Ints, Ints], has_image: bool) -> None:
        size = len(columns[0])
        fold = self._texts.fold
        # Interleaving the four kinds of key keeps them distinct, so one set can detect any shared key.
        passage = 4 * columns[2] + 3 if has_image else 4 * fold[columns[2]] + 2
        keys = np.stack([4 * names[0], 4 * names[1] + 1, 4 * fold[columns[0]] + 2, passage], axis=1)
        self._keys.append(keys.astype(np.int32))
        kept = [*columns, np.full(size, len(self._sets)), np.full(size, int(has_image))]
        self._rows.append(np.stack(kept, dtype=np.int32, casting="same_kind"))
        self._sets.append(name)

    def _number(self, known: dict[str, int], name: str) -> int:
        """The number of a group or cluster of one set, by its name; no two sets share numbers."""
        number = known.setdefault(name, self._numbers)
        self._numbers += number == self._numbers
        return number


def _combinations(group: Ints) -> tuple[Ints, Ints]:
    """Ordered pairs of entries in the same group, as two index arrays [combinations]; `group` must be sorted.

    An entry is combined with itself and all others of its group or, in larger groups, with `PARTNERS` of them. These
    are drawn so that each entry is also the partner of `PARTNERS` others.
    """
    if not len(group):
        return group, group
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]).astype(np.int32)
    sizes = np.diff(np.r_[starts, len(group)])
    random = np.random.default_rng(0)
    first, second = [], []
    for size in np.unique(sizes).tolist():
        start = starts[sizes == size][:, None, None]
        place = np.arange(size, dtype=np.int32)
        if size - 1 > PARTNERS:
            order = random.permuted(np.tile(place, (len(start), 1)), axis=1)
            partners = (place[:, None] + np.arange(PARTNERS + 1)) % size
            first.append((start + order[:, :, None] + 0 * partners).ravel())
            second.append((start + order[:, partners]).ravel())
        else:
            first.append((start + place[:, None] + 0 * place).ravel())
            second.append((start + 0 * place[:, None] + place).ravel())
    return np.concatenate(first), np.concatenate(second)
