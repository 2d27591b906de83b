"""Training pairs as arrays: queries, passages, languages, and which pairs must not share a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from panglot.arrays import Bools, Ints
from panglot.train.data.contained import Entries, Marks, find_contained, without_query
from panglot.train.data.texts import Texts, TextStore

PARTNERS = 20
"""Most translations that a text is paired with. All pairs of a large group would take memory in proportion to the
square of its languages; sets of up to 21 languages are not affected."""

CHUNK = 65_536
"""Entries that are in memory at a time."""

NO_INDEX = -1
"""Placeholder for an index: there is no negative, or the item is an image, which has no language."""


class TextPair(NamedTuple):
    """A query and its passage in one language, as read from a data set.

    Entries of one `group` are translations, so the query of one matches the passage of any other; None is a group of
    its own. Entries of one `cluster` are too similar to be negatives of each other.
    """

    group: str | None
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
    `plain` is each text without case and punctuation. `whole` is the passage before its query was removed. `origin`
    [pairs] indexes `sets`; `query_language` and `passage_language` [pairs] index `languages`.

    `keys` [pairs, 4] encodes the pair's group, cluster, query and passage in disjoint ranges of integers. Two pairs
    that share a key must not be in one batch, because the passage of one may answer the query of the other. The same
    holds for two pairs if the marks of one group, by its key in `apart`, bar those of the other, because a passage of
    one contains the query of the other.
    """

    languages: tuple[str, ...]
    sets: tuple[str, ...]
    texts: Texts
    plain: Texts
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
    apart: Mapping[int, Marks]
    skipped: tuple[str, ...] = ()
    """Messages about invalid rows that were skipped."""

    def __len__(self) -> int:
        return len(self.query)

    def texts_of(self, language: int) -> Ints:
        """The distinct texts of one language, as indices."""
        queries = self.query[self.query_language == language]
        passages = self.whole[self.passage_language == language]
        found = np.zeros(len(self.texts), bool)
        found[queries] = found[passages] = True
        return np.flatnonzero(found)


class PairsBuilder:
    """Collects data sets into one table."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._language = {language: place for place, language in enumerate(languages)}
        self._sets: list[str] = []
        self._texts = TextStore()
        self._images: dict[bytes, int] = {}
        self._count = 0
        """Numbers of groups and clusters that are taken."""
        self._rows: list[Ints] = []
        self._keys: list[Ints] = []
        self._apart: dict[int, Marks] = {}

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
            indices = Entries(4 * group, language, query, passage)
            self._apart |= find_contained(indices, self._texts.plain(), tuple(self._language))

    def _columns(self, name: str, entries: Iterable[TextPair], cloze: float) -> Ints:
        """The entries in known languages, sorted by group, as indices [7, entries].

        The rows are the group, cluster and language, and the texts of the query, the passage, the passage as it is
        shown in monolingual pairs, and the negative.
        """
        known = (entry for entry in entries if entry.language in self._language)
        columns = [np.empty((5, 0), np.int32)]
        groups, clusters = [pa.array([], pa.string())], [pa.array([], pa.string())]
        while some := list(islice(known, CHUNK)):
            columns.append(self._indices(some, cloze))
            groups.append(pa.array([entry.group for entry in some], pa.string()))
            clusters.append(pa.array([entry.cluster for entry in some], pa.string()))
        group = self._numbered(groups)
        cluster = self._numbered(clusters, group)
        return np.vstack([group, cluster, np.concatenate(columns, axis=1)])[:, np.argsort(group, kind="stable")]

    def _indices(self, entries: Sequence[TextPair], cloze: float) -> Ints:
        """The language and the texts of some entries as indices, [5, entries]."""
        texts = list[str]()
        for entry in entries:
            rest = without_query(entry.query, entry.passage, entry.language, cloze) if cloze else entry.passage
            texts += entry.query, entry.passage, rest, entry.passage if entry.negative is None else entry.negative
        indices = self._texts.add(texts).reshape(-1, 4).T
        indices[3, [entry.negative is None for entry in entries]] = NO_INDEX
        return np.vstack([[self._language[entry.language] for entry in entries], indices]).astype(np.int32)

    def _numbered(self, names: Sequence[Any], otherwise: Ints | None = None) -> Ints:
        """The numbers of groups or clusters by their names, in the order of the names; no two sets share numbers.

        A group without a name gets a number of its own, a cluster without one that of its group.
        """
        encoded = pa.chunked_array(names).dictionary_encode().combine_chunks()
        order = pc.sort_indices(encoded.dictionary).to_numpy()
        ranks = np.empty(len(order) + 1, np.int64)
        ranks[order] = self._count + np.arange(len(order))
        nameless = encoded.indices.is_null().to_numpy(zero_copy_only=False)
        numbers = ranks[encoded.indices.fill_null(len(order)).to_numpy()]
        self._count += len(order)
        if otherwise is None:
            numbers[nameless] = self._count + np.arange(nameless.sum())
            self._count += int(nameless.sum())
        else:
            numbers[nameless] = otherwise[nameless]
        return numbers

    def add_images(self, name: str, captions: Iterable[ImageCaption], images: dict[str, bytes]) -> None:
        """Add captions with their images; `images` holds the image files by id."""
        known = [caption for caption in captions if caption.language in self._language]
        query = self._texts.add([caption.text for caption in known])
        image = np.array([self._images.setdefault(images[c.image], len(self._images)) for c in known], np.int64)
        language = np.array([self._language[caption.language] for caption in known], np.int64)
        group = self._numbered([pa.array([caption.image for caption in known], pa.string())])
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
            plain=self._texts.plain(),
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
            apart=self._apart,
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
