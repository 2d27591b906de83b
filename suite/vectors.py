"""From texts to vectors: each text of a pool encoded once in its role, in batches of like length, and remembered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from suite.arrays import Floats, Ints
from suite.cache import UNCOUNTED, Shelf, VectorCache
from suite.encoder import CountsTokens, Encoder, Role
from suite.errors import BadEncoder, PanglotError
from suite.pool import Items, Pool
from suite.progress import Advance, Progress, silent

BATCH_TEXTS = 256
"""Most texts in a batch."""

BATCH_TOKENS = 768
"""Most tokens in a batch, padding counted, for encoders that count them; small batches win on a CPU."""

SHARD_TEXTS = 1024
SHARD_SECONDS = 20.0
"""A shard is written when either is reached: what a killed run loses."""


@dataclass(frozen=True)
class Encoded:
    """Vectors [items, dim] of a pool's queries or candidates, and the work that it took.

    `tokens` [items] counts each text's tokens before truncation, `UNCOUNTED` where the encoder cannot say; `texts` are
    the different ones, of which `fresh` were not in the cache.
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
    texts = [text.strip() for text in items.texts]
    unique = sorted(set(texts))
    if not unique:
        raise BadEncoder(f"There is nothing to encode: the pool has no {role} items.")
    shelf = cache.shelf(encoder.card, role) if cache else None
    work = _Work(encoder, role, unique, shelf, _Described(pool.languages, items, texts))
    label = "encoding queries" if role == "query" else "encoding candidates"
    with progress(label, len(unique)) as advance:
        advance(len(unique) - len(work.missing))
        work.encode_missing(batch_texts, advance)
    vectors = work.vectors
    if encoder.card.similarity == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    place = {text: index for index, text in enumerate(unique)}
    rows = np.array([place[text] for text in texts])
    return Encoded(vectors[rows], work.tokens[rows], len(unique), len(work.missing))


class _Described:
    """Says which item a text belongs to, for messages."""

    def __init__(self, languages: Sequence[str], items: Items, texts: list[str]) -> None:
        self._languages, self._items, self._texts = languages, items, texts

    def __call__(self, text: str) -> str:
        index = self._texts.index(text)
        excerpt = text if len(text) <= 80 else f"{text[:77]}..."
        return f"{self._items.ids[index]} ({self._languages[self._items.language[index]]}): {excerpt!r}"


class _Work:
    """The texts of one role: what the cache has of them, and what remains to be encoded."""

    def __init__(
        self, encoder: Encoder, role: Role, texts: list[str], shelf: Shelf | None, described: _Described
    ) -> None:
        self._encoder, self._role, self._texts, self._shelf, self._described = encoder, role, texts, shelf, described
        stored = shelf.find(texts) if shelf else None
        self.vectors = stored.vectors if stored else np.empty((0, 0), np.float32)
        self.tokens: Ints = stored.tokens if stored else np.full(len(texts), UNCOUNTED, np.int32)
        self.missing: Ints = np.flatnonzero(~stored.there) if stored else np.arange(len(texts))
        self._fresh: list[int] = []
        self._written = time.monotonic()

    def encode_missing(self, batch_texts: int, advance: Advance) -> None:
        """Encode what the cache lacks, longest first; write shards as it goes, also when it is interrupted."""
        try:
            for batch in self._batches(batch_texts):
                self._take(batch)
                advance(len(batch))
                if len(self._fresh) >= SHARD_TEXTS or time.monotonic() - self._written > SHARD_SECONDS:
                    self._write()
        finally:
            self._write()

    def _batches(self, batch_texts: int) -> Iterator[list[int]]:
        """The missing texts in batches of like length; the longest come first, so that too much is too much at once."""
        texts = [self._texts[index] for index in self.missing]
        counts = isinstance(self._encoder, CountsTokens)
        if isinstance(self._encoder, CountsTokens) and texts:
            self.tokens[self.missing] = self._encoder.count_tokens(texts, self._role)
        length = self.tokens[self.missing] if counts else np.array([len(text) for text in texts])
        longest = self._encoder.card.max_length or np.iinfo(np.int32).max
        order, start = np.argsort(-length, kind="stable"), 0
        while start < len(order):
            padded = max(1, min(int(length[order[start]]), longest))
            size = min(batch_texts, max(1, BATCH_TOKENS // padded)) if counts else batch_texts
            yield self.missing[order[start : start + size]].tolist()
            start += size

    def _take(self, batch: list[int]) -> None:
        """Encode a batch; where memory does not suffice, its halves."""
        texts = [self._texts[index] for index in batch]
        try:
            vectors = self._encoder.encode(texts, self._role)
        except PanglotError:
            raise
        except Exception as error:
            if _is_out_of_memory(error) and len(batch) > 1:
                self._take(batch[: len(batch) // 2])
                self._take(batch[len(batch) // 2 :])
                return
            culprit = _first_failing(self._encoder, texts, self._role)
            raise BadEncoder(
                f"{self._encoder.card.name} failed on {self._described(culprit)}. {type(error).__name__}: {error}"
            ) from error
        self._keep(batch, self._checked(np.asarray(vectors), texts))

    def _checked(self, vectors: Floats, texts: list[str]) -> Floats:
        """The vectors as float32; whatever is no vector is refused with the item it was made of."""
        name, described = self._encoder.card.name, self._described
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise BadEncoder(
                f"{name} returned an array of shape {vectors.shape} for {len(texts)} texts, the first "
                f"{described(texts[0])}. Expected ({len(texts)}, dimension)."
            )
        if not np.issubdtype(vectors.dtype, np.floating):
            raise BadEncoder(f"{name} returned {vectors.dtype} for {described(texts[0])}. Expected floats.")
        if self.vectors.size and vectors.shape[1] != self.vectors.shape[1]:
            raise BadEncoder(
                f"{name} returned vectors of dimension {self.vectors.shape[1]} and then of {vectors.shape[1]}, "
                f"from {described(texts[0])} on."
            )
        vectors = vectors.astype(np.float32)
        for fault, where in (
            ("NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
            ("a zero vector", ~vectors.any(axis=1)),
        ):
            if where.any():
                culprit = described(texts[int(np.argmax(where))])
                raise BadEncoder(f"{name} returned {fault} for {culprit} ({where.sum()} of {len(texts)}).")
        return vectors

    def _keep(self, batch: list[int], vectors: Floats) -> None:
        if not self.vectors.size:
            self.vectors = np.empty((len(self._texts), vectors.shape[1]), np.float32)
        self.vectors[batch] = vectors
        self._fresh += batch

    def _write(self) -> None:
        if self._shelf and self._fresh:
            texts = [self._texts[index] for index in self._fresh]
            self._shelf.add(texts, self.vectors[self._fresh], self.tokens[self._fresh])
        self._fresh, self._written = [], time.monotonic()


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _first_failing(encoder: Encoder, texts: list[str], role: Role) -> str:
    """The text that makes the encoder raise, found by halving; the last one if only all together do."""
    while len(texts) > 1:
        half = texts[: len(texts) // 2]
        try:
            encoder.encode(half, role)
        except Exception:
            texts = half
        else:
            texts = texts[len(texts) // 2 :]
    return texts[0]
