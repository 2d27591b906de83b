"""Encoding: inputs through a model batch by batch; what comes out is checked, remembered and brought to unit length."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from panglot.arrays import Floats, Ints, as_array, lengths, to_unit_length
from panglot.encode.batches import Inputs
from panglot.encode.cache import UNCOUNTED, Shelf, VectorCache
from panglot.encode.model import ModelCard, Role
from panglot.errors import BadEncoder, PanglotError, RefusedInput, spelled
from panglot.progress import Advance, Progress

SHARD_TEXTS = 1024
SHARD_SECONDS = 20.0
"""A shard is written when either is reached: what a killed run loses."""

UNIT_ROWS = 8192
"""Vectors that are brought to unit length at a time, so that no second copy of all of them is made."""

SHORTEST, LONGEST = 1e-19, 1.8e19
"""Lengths of vectors between which float32 holds every dot product of two of them, by its own range."""


def encode(
    card: ModelCard,
    inputs: Inputs,
    role: Role | Literal["image"],
    cache: VectorCache | None,
    label: str,
    progress: Progress,
) -> Encoding:
    """All inputs encoded, from the cache as far as they are there, and of unit length where cosine is asked.

    :raises BadEncoder: naming the item, its language and its text, when the model fails or returns no vector for it,
        or one whose dot products float32 cannot hold.
    """
    encoding = Encoding(card.name, inputs, cache.shelf(card, role) if cache else None)
    with progress(label, len(inputs.keys)) as advance:
        advance(len(inputs.keys) - len(encoding.missing))
        encoding.encode_missing(advance)
    for start in range(0, len(encoding.vectors), UNIT_ROWS):
        if card.similarity == "cosine":
            to_unit_length(encoding.vectors[start : start + UNIT_ROWS])
        else:
            encoding.check_products(start, start + UNIT_ROWS)
    return encoding


class Encoding:
    """Vectors and tokens of inputs by `keys`: what the cache has of them, and what is `missing` and remains."""

    def __init__(self, name: str, inputs: Inputs, shelf: Shelf | None) -> None:
        self._name, self._inputs, self._shelf = name, inputs, shelf
        self.keys = inputs.keys
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

    def check_products(self, start: int, stop: int) -> None:
        """Refuse vectors so long or short that their dot products overflow, or vanish, in float32.

        :raises BadEncoder: naming the item.
        """
        length = lengths(self.vectors[start:stop])
        bad = np.flatnonzero(~((length >= SHORTEST) & (length <= LONGEST)))
        if len(bad):
            row = start + int(bad[0])
            exact = lengths(self.vectors[row : row + 1].astype(np.float64))[0]
            raise BadEncoder(
                f"{self._name} returned a vector of length {exact:.2g} for {self._describe(row)}. float32 cannot hold "
                "dot products of such vectors. Scale all vectors of the model by one number."
            )

    def encode_missing(self, advance: Advance) -> None:
        """Encode what the cache lacks; write shards as it goes, also when it is interrupted."""
        if not len(self.missing):
            return
        try:
            self.tokens[self.missing] = self._inputs.count_tokens(self.missing)
            for rows, batch in self._inputs.batches(self.missing, self.tokens[self.missing]):
                self._take(rows, batch)
                advance(len(rows))
                if len(self._fresh) >= SHARD_TEXTS or time.monotonic() - self._written > SHARD_SECONDS:
                    self._write()
        finally:
            self._write()

    def _take(self, rows: list[int], batch: Sequence[Any]) -> None:
        """Encode a batch; where memory does not suffice, its halves."""
        try:
            vectors = as_array(self._inputs.encode(batch))
        except RefusedInput as error:
            raise BadEncoder(f"{self._name} failed on {self._describe(rows[error.place])}. {error.reason}") from error
        except PanglotError:
            raise
        except (Exception, SystemExit) as error:
            if _is_out_of_memory(error) and len(rows) > 1:
                half = len(rows) // 2
                self._take(rows[:half], batch[:half])
                self._take(rows[half:], batch[half:])
                return
            culprit = self._describe(rows[_first_failing(lambda part: as_array(self._inputs.encode(part)), batch)])
            raise BadEncoder(f"{self._name} failed on {culprit}. {spelled(error)}") from error
        self._keep(rows, self._checked(vectors, rows))

    def _describe(self, row: int) -> str:
        return self._inputs.describe(self.keys[row])

    def _checked(self, vectors: Floats, rows: list[int]) -> Floats:
        """The vectors as float32; whatever is no vector is refused with the item it was made of."""
        name, first = self._name, rows[0]
        if vectors.ndim != 2 or len(vectors) != len(rows) or not vectors.shape[1]:
            shown = f"an array of shape {vectors.shape}" if vectors.ndim else f"a {type(vectors.item()).__name__}"
            raise BadEncoder(
                f"{name} returned {shown} for {len(rows)} {self._inputs.noun}, the first "
                f"{self._describe(first)}. Expected ({len(rows)}, dimension)."
            )
        if not np.issubdtype(vectors.dtype, np.floating):
            raise BadEncoder(f"{name} returned {vectors.dtype} for {self._describe(first)}. Expected floats.")
        if self.vectors.size and vectors.shape[1] != self.vectors.shape[1]:
            raise BadEncoder(
                f"{name} returned vectors of dimension {self.vectors.shape[1]} and then of {vectors.shape[1]}, "
                f"from {self._describe(first)} on."
            )
        with np.errstate(over="ignore"):
            narrow = vectors.astype(np.float32)
        for fault, where in (
            ("NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
            ("a zero vector", ~vectors.any(axis=1)),
            ("numbers that float32 cannot hold", ~(np.isfinite(narrow).all(axis=1) & narrow.any(axis=1))),
        ):
            if where.any():
                culprit = self._describe(rows[int(np.argmax(where))])
                raise BadEncoder(f"{name} returned {fault} for {culprit} ({where.sum()} of {len(rows)}).")
        return narrow

    def _keep(self, rows: list[int], vectors: Floats) -> None:
        if not self.vectors.size:
            self.vectors = np.empty((len(self.keys), vectors.shape[1]), np.float32)
        self.vectors[rows] = vectors
        self._fresh += rows

    def _write(self) -> None:
        if self._shelf and self._fresh:
            keys = [self.keys[row] for row in self._fresh]
            self._shelf.add(keys, self.vectors[self._fresh], self.tokens[self._fresh])
        self._fresh, self._written = [], time.monotonic()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _first_failing(encode: Callable[[Sequence[Any]], Floats], batch: Sequence[Any]) -> int:
    """The place of the input that makes the model raise, found by halving; of the last if only all together do."""
    start, stop = 0, len(batch)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            encode(batch[start:middle])
        except (Exception, SystemExit):
            stop = middle
        else:
            start = middle
    return start
