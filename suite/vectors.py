"""From texts and images to vectors: each of a pool encoded once, texts in batches of like length, and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from suite.arrays import Floats, Ints
from suite.cache import UNCOUNTED, Shelf, VectorCache
from suite.encoder import CountsTokens, Encoder, Role, SeesImages
from suite.errors import BadEncoder, PanglotError
from suite.image import Image, decode_batches
from suite.pool import Items, Pool
from suite.progress import Advance, Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BATCH_TEXTS = 256
"""Most texts in a batch."""

BATCH_TOKENS = 768
"""Most tokens in a batch, padding counted, for encoders that count them; small batches win on a CPU."""

BATCH_IMAGES = 32
"""Images in a batch; as many again are decoded meanwhile."""

SHARD_TEXTS = 1024
SHARD_SECONDS = 20.0
"""A shard is written when either is reached: what a killed run loses."""

UNIT_ROWS = 8192
"""Vectors that are brought to unit length at a time, so that no second copy of all of them is made."""


@dataclass(frozen=True)
class Encoded:
    """Vectors [items, dim] of a pool's queries or candidates, and the work that it took.

    `tokens` [items] counts each text's tokens before truncation, `UNCOUNTED` where the encoder cannot say and for
    images; `texts` are the different texts and images, of which `fresh` were not in the cache.
    """

    vectors: Floats
    tokens: Ints
    texts: int
    fresh: int


def encode_items(
    encoder: Encoder,
    pool: Pool,
    role: Role,
    cache: VectorCache | None = None,
    progress: Progress = silent,
    batch_texts: int = BATCH_TEXTS,
) -> Encoded:
    """Encode a pool's queries, or its candidates in the role `passage`; float32, unit length where cosine is asked.

    Equal texts are encoded once. Outer white space is stripped, because libraries differ in whether they do.

    :raises BadEncoder: naming the item, its language and its text, when the encoder fails or returns no vector for it.
    """
    items = pool.queries if role == "query" else pool.candidates
    if not len(items):
        raise BadEncoder(f"There is nothing to encode: the pool has no {role} items.")
    named = _Named(pool.languages, [items])
    label = "encoding queries" if role == "query" else "encoding candidates"
    work = _encode(encoder, _Texts(encoder, role, named, batch_texts), role, cache, label, progress)
    rows = work.places(named.keys[0])
    return Encoded(work.vectors[rows], work.tokens[rows], len(work.keys), len(work.missing))


def encode_texts(encoder: Encoder, items: Items, language: str, role: Role) -> Floats:
    """Vectors [items, dim] of texts of one language, without looking into the cache or writing to it.

    :raises BadEncoder: as `encode_items`.
    """
    named = _Named([language], [items])
    work = _encode(encoder, _Texts(encoder, role, named, BATCH_TEXTS), role, None, "encoding", silent)
    return work.vectors[work.places(named.keys[0])]


def encode_with_images(
    encoder: Encoder, pool: Pool, cache: VectorCache | None = None, progress: Progress = silent
) -> tuple[Encoded, Encoded]:
    """Encode the queries and candidates of a pool that holds images: each caption and each image once.

    A caption is encoded in the role `query` whichever side it stands on, so that one vector serves text → image,
    image → text and mixed pools. The work is counted with the queries.

    :raises BadEncoder: as `encode_items`, and for an encoder that sees no images.
    """
    if not isinstance(encoder, SeesImages):
        raise BadEncoder(f"{encoder.card.name} encodes no images.")
    named = _Named(pool.languages, [pool.queries, pool.candidates])
    texts = _encode(
        encoder, _Texts(encoder, "query", named, BATCH_TEXTS), "query", cache, "encoding captions", progress
    )
    images = _encode(encoder, _Images(encoder, named), "image", cache, "encoding images", progress)
    if texts.keys and texts.vectors.shape[1] != images.vectors.shape[1]:
        raise BadEncoder(
            f"{encoder.card.name} returned vectors of dimension {texts.vectors.shape[1]} for captions and of "
            f"{images.vectors.shape[1]} for images. They must be of one space."
        )
    vectors = np.concatenate([texts.vectors, images.vectors]) if texts.keys else images.vectors
    tokens = np.concatenate([texts.tokens, images.tokens])
    work = len(texts.keys) + len(images.keys), len(texts.missing) + len(images.missing)
    del texts.vectors, images.vectors
    place = {key: row for row, key in enumerate([*texts.keys, *images.keys])}
    queries, candidates = (np.array([place[key] for key in keys]) for keys in named.keys)
    return Encoded(vectors[queries], tokens[queries], *work), Encoded(vectors[candidates], tokens[candidates], 0, 0)


def _encode(
    encoder: Encoder,
    things: _Texts | _Images,
    role: Role | Literal["image"],
    cache: VectorCache | None,
    label: str,
    progress: Progress,
) -> _Work:
    """All things encoded, from the cache as far as they are there, and of unit length where cosine is asked."""
    work = _Work(encoder.card.name, things, cache.shelf(encoder.card, role) if cache else None)
    with progress(label, len(work.keys)) as advance:
        advance(len(work.keys) - len(work.missing))
        work.encode_missing(advance)
    if encoder.card.similarity == "cosine":
        for start in range(0, len(work.vectors), UNIT_ROWS):
            rows = work.vectors[start : start + UNIT_ROWS]
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return work


class _Named:
    """The items of one side of a pool, or of both: the key of each, and which item a key belongs to, for messages.

    The key of a text is the text itself without outer white space, that of an image the hash of its bytes.
    """

    def __init__(self, languages: Sequence[str], sides: Sequence[Items]) -> None:
        self._languages, self._sides = languages, sides
        self.keys = [
            [
                items.images[place].sha256 if place in items.images else text.strip()
                for place, text in enumerate(items.texts)
            ]
            for items in sides
        ]

    @property
    def texts(self) -> list[str]:
        """The different texts, in order."""
        return sorted(
            {
                key
                for items, keys in zip(self._sides, self.keys, strict=True)
                for place, key in enumerate(keys)
                if place not in items.images
            }
        )

    @property
    def images(self) -> list[Image]:
        """The different images, in the order of the pool."""
        return list({image.sha256: image for items in self._sides for image in items.images.values()}.values())

    def __call__(self, key: str) -> str:
        """The first item with this key: its id, its language and the beginning of its text."""
        items, place = next(
            (items, keys.index(key)) for items, keys in zip(self._sides, self.keys, strict=True) if key in keys
        )
        excerpt = key if len(key) <= 80 else f"{key[:77]}..."
        shown = "an image" if place in items.images else repr(excerpt)
        return f"{items.ids[place]} ({self._languages[items.language[place]]}): {shown}"


class _Texts:
    """Texts to encode in one role, in batches of like length."""

    noun = "texts"

    def __init__(self, encoder: Encoder, role: Role, described: _Named, batch_texts: int) -> None:
        self._encoder, self._role, self._batch_texts = encoder, role, batch_texts
        self.described, self.keys = described, described.texts

    def count_tokens(self, rows: Ints) -> Ints:
        """Tokens of each of these texts, where the encoder can tell, [rows]."""
        if not isinstance(self._encoder, CountsTokens):
            return np.full(len(rows), UNCOUNTED, np.int32)
        return self._encoder.count_tokens([self.keys[row] for row in rows], self._role)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[str]]]:
        """These texts in batches; the longest come first, so that too much is too much at once."""
        counts = isinstance(self._encoder, CountsTokens)
        length = tokens if counts else np.array([len(self.keys[row]) for row in rows])
        longest = self._encoder.card.max_length or np.iinfo(np.int32).max
        order, start = np.argsort(-length, kind="stable"), 0
        while start < len(order):
            padded = max(1, min(int(length[order[start]]), longest))
            size = min(self._batch_texts, max(1, BATCH_TOKENS // padded)) if counts else self._batch_texts
            batch = rows[order[start : start + size]].tolist()
            yield batch, [self.keys[row] for row in batch]
            start += size

    def encode(self, texts: Sequence[str]) -> Floats:
        """One batch."""
        return self._encoder.encode(texts, self._role)


class _Images:
    """Images to encode, in the order in which they can be read."""

    noun = "images"

    def __init__(self, encoder: SeesImages, described: _Named) -> None:
        self._encoder, self._images = encoder, described.images
        self.described, self.keys = described, [image.sha256 for image in self._images]

    def count_tokens(self, rows: Ints) -> Ints:
        """Images have none, [rows]."""
        return np.full(len(rows), UNCOUNTED, np.int32)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[Picture]]]:
        """These images, decoded."""
        decoded = decode_batches([self._images[row] for row in rows], BATCH_IMAGES)
        for number, pictures in enumerate(decoded):
            start = number * BATCH_IMAGES
            yield rows[start : start + len(pictures)].tolist(), pictures

    def encode(self, images: Sequence[Picture]) -> Floats:
        """One batch."""
        return self._encoder.encode_images(images)


class _Work:
    """Things to encode: what the cache has of them, and what remains."""

    def __init__(self, name: str, things: _Texts | _Images, shelf: Shelf | None) -> None:
        self._name, self._things, self._shelf = name, things, shelf
        self.keys = things.keys
        stored = shelf.find(self.keys) if shelf else None
        self.vectors = stored.vectors if stored else np.empty((0, 0), np.float32)
        self.tokens: Ints = stored.tokens if stored else np.full(len(self.keys), UNCOUNTED, np.int32)
        self.missing: Ints = np.flatnonzero(~stored.there) if stored else np.arange(len(self.keys))
        self._fresh: list[int] = []
        self._written = time.monotonic()

    def places(self, keys: Sequence[str]) -> Ints:
        """The row of each key, [keys]."""
        place = {key: row for row, key in enumerate(self.keys)}
        return np.array([place[key] for key in keys])

    def encode_missing(self, advance: Advance) -> None:
        """Encode what the cache lacks; write shards as it goes, also when it is interrupted."""
        if not len(self.missing):
            return
        try:
            self.tokens[self.missing] = self._things.count_tokens(self.missing)
            for batch, inputs in self._things.batches(self.missing, self.tokens[self.missing]):
                self._take(batch, inputs)
                advance(len(batch))
                if len(self._fresh) >= SHARD_TEXTS or time.monotonic() - self._written > SHARD_SECONDS:
                    self._write()
        finally:
            self._write()

    def _take(self, batch: list[int], inputs: Sequence[Any]) -> None:
        """Encode a batch; where memory does not suffice, its halves."""
        try:
            vectors = self._things.encode(inputs)
        except PanglotError:
            raise
        except Exception as error:
            if _is_out_of_memory(error) and len(batch) > 1:
                half = len(batch) // 2
                self._take(batch[:half], inputs[:half])
                self._take(batch[half:], inputs[half:])
                return
            culprit = self._described(batch[_first_failing(self._things.encode, inputs)])
            raise BadEncoder(f"{self._name} failed on {culprit}. {type(error).__name__}: {error}") from error
        self._keep(batch, self._checked(np.asarray(vectors), batch))

    def _described(self, row: int) -> str:
        return self._things.described(self.keys[row])

    def _checked(self, vectors: Floats, batch: list[int]) -> Floats:
        """The vectors as float32; whatever is no vector is refused with the item it was made of."""
        name = self._name
        if vectors.ndim != 2 or len(vectors) != len(batch) or not vectors.shape[1]:
            raise BadEncoder(
                f"{name} returned an array of shape {vectors.shape} for {len(batch)} {self._things.noun}, the first "
                f"{self._described(batch[0])}. Expected ({len(batch)}, dimension)."
            )
        if not np.issubdtype(vectors.dtype, np.floating):
            raise BadEncoder(f"{name} returned {vectors.dtype} for {self._described(batch[0])}. Expected floats.")
        if self.vectors.size and vectors.shape[1] != self.vectors.shape[1]:
            raise BadEncoder(
                f"{name} returned vectors of dimension {self.vectors.shape[1]} and then of {vectors.shape[1]}, "
                f"from {self._described(batch[0])} on."
            )
        vectors = vectors.astype(np.float32)
        for fault, where in (
            ("NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
            ("a zero vector", ~vectors.any(axis=1)),
        ):
            if where.any():
                culprit = self._described(batch[int(np.argmax(where))])
                raise BadEncoder(f"{name} returned {fault} for {culprit} ({where.sum()} of {len(batch)}).")
        return vectors

    def _keep(self, batch: list[int], vectors: Floats) -> None:
        if not self.vectors.size:
            self.vectors = np.empty((len(self.keys), vectors.shape[1]), np.float32)
        self.vectors[batch] = vectors
        self._fresh += batch

    def _write(self) -> None:
        if self._shelf and self._fresh:
            keys = [self.keys[row] for row in self._fresh]
            self._shelf.add(keys, self.vectors[self._fresh], self.tokens[self._fresh])
        self._fresh, self._written = [], time.monotonic()


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _first_failing(encode: Callable[[Sequence[Any]], Floats], inputs: Sequence[Any]) -> int:
    """The place of the input that makes the encoder raise, found by halving; of the last if only all together do."""
    start, stop = 0, len(inputs)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            encode(inputs[start:middle])
        except Exception:
            stop = middle
        else:
            start = middle
    return start
