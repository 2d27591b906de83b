"""Encode inputs batch by batch; the vectors are validated, cached and normalised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints, as_array, lengths, to_unit_length
from panglot.encode.batches import Batch, Inputs
from panglot.encode.budget import is_out_of_memory
from panglot.encode.cache import UNCOUNTED, Shelf, VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.lanes import in_lanes
from panglot.errors import BadEncoder, PanglotError, RefusedInput, spelled
from panglot.progress import Advance, Progress

SHARD_TEXTS = 1024
SHARD_SECONDS = 20.0
"""A shard is written when either limit is reached; an interrupted run loses at most this much."""

UNIT_ROWS = 8192
"""Number of vectors normalised at a time, so that they are not all copied."""

SHORTEST, LONGEST = 1e-19, 1.8e19
"""Range of vector norms within which every dot product of two vectors is representable in float32."""


def encode(
    card: ModelCard,
    inputs: Inputs,
    role: Role | Literal["image", "pair"],
    cache: VectorCache | None,
    label: str,
    progress: Progress,
) -> Encoding:
    """Encode all inputs, using cached vectors where possible; normalise to unit length for cosine similarity.

    :raises BadEncoder: the model fails or returns an invalid vector, or a vector whose dot products float32 cannot
        represent; the message names the item, its language and its text.
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


class Done(NamedTuple):
    """A batch with its vectors [rows, dim], and when it was begun and ended, in seconds of a monotonic clock."""

    batch: Batch
    vectors: Floats
    begun: float
    ended: float


class Encoding:
    """Vectors and token counts of inputs by `keys`: cached ones, and rows `missing` from the cache."""

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
        """Return the row of each key, [keys]."""
        place = {key: row for row, key in enumerate(self.keys)}
        return np.array([place[key] for key in keys])

    def check_products(self, start: int, stop: int) -> None:
        """Reject vectors whose norm is so large or small that dot products overflow or underflow in float32.

        :raises BadEncoder: a norm is outside the range; the message names the item.
        """
        length = lengths(self.vectors[start:stop])
        bad = np.flatnonzero(~((length >= SHORTEST) & (length <= LONGEST)))
        if len(bad):
            row = start + int(bad[0])
            exact = lengths(self.vectors[row : row + 1].astype(np.float64))[0]
            raise BadEncoder(
                f"{self._name} returned a vector of length {exact:.2g} for {self._describe(row)}. float32 cannot "
                "represent dot products of such vectors. Scale all vectors of the model by the same factor."
            )

    def encode_missing(self, advance: Advance) -> None:
        """Encode the inputs missing from the cache; shards are written along the way and on interruption."""
        if not len(self.missing):
            return
        try:
            self.tokens[self.missing] = self._inputs.count_tokens(self.missing)
            batches = self._inputs.batches(self.missing, self.tokens[self.missing])
            ended = 0.0
            for done in in_lanes(self.encode_batch, batches, self._inputs.lanes):
                self._inputs.budget.record(done.batch.tokens, done.ended - max(done.begun, ended))
                ended = done.ended
                self._keep(done.batch.rows, done.vectors)
                advance(len(done.batch.rows))
                if len(self._fresh) >= SHARD_TEXTS or time.monotonic() - self._written > SHARD_SECONDS:
                    self._write()
        finally:
            self._write()

    def encode_batch(self, batch: Batch) -> Done:
        """Encode a batch, in any thread; in several parts if memory runs out.

        :raises BadEncoder: the model fails, or returns invalid vectors; the message names the item.
        """
        begun, found, start = time.monotonic(), list[Floats](), 0
        while start < len(batch.rows):
            part = batch.part(start, self._inputs.budget.tokens)
            vectors = self._try(part)
            if vectors is None:
                self._inputs.budget.exceed(part.tokens)
                continue
            if found:
                self._check_dimension(found[0].shape[1], vectors, part.rows[0])
            found.append(vectors)
            start += len(part.rows)
        return Done(batch, np.concatenate(found), begun, time.monotonic())

    def _try(self, batch: Batch) -> Floats | None:
        """Return the vectors [inputs, dim] of a batch, or None if memory ran out.

        :raises BadEncoder: the model fails, or returns invalid vectors; the message names the item.
        """
        try:
            vectors = as_array(self._inputs.encode(batch.inputs))
        except RefusedInput as error:
            culprit = self._describe(batch.rows[error.place])
            raise BadEncoder(f"{self._name} failed on {culprit}. {error.reason}") from error
        except PanglotError:
            raise
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error) and len(batch.rows) > 1:
                return None
            place = _first_failing(lambda part: as_array(self._inputs.encode(part)), batch.inputs)
            raise BadEncoder(f"{self._name} failed on {self._describe(batch.rows[place])}. {spelled(error)}") from error
        return self._checked(vectors, batch.rows)

    def _describe(self, row: int) -> str:
        return self._inputs.describe(self.keys[row])

    def _checked(self, vectors: Floats, rows: list[int]) -> Floats:
        """Return the vectors as float32.

        :raises BadEncoder: the output is not one finite, non-zero vector per input; the message names the item.
        """
        name, first = self._name, rows[0]
        if vectors.ndim != 2 or len(vectors) != len(rows) or not vectors.shape[1]:
            shown = f"an array of shape {vectors.shape}" if vectors.ndim else f"a {type(vectors.item()).__name__}"
            raise BadEncoder(
                f"{name} returned {shown} for {len(rows)} {self._inputs.noun}, the first "
                f"{self._describe(first)}. Expected ({len(rows)}, dimension)."
            )
        if not np.issubdtype(vectors.dtype, np.floating):
            raise BadEncoder(f"{name} returned {vectors.dtype} for {self._describe(first)}. Expected floats.")
        with np.errstate(over="ignore"):
            narrow = vectors.astype(np.float32)
        for fault, where in (
            ("NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
            ("a zero vector", ~vectors.any(axis=1)),
            ("values outside the range of float32", ~(np.isfinite(narrow).all(axis=1) & narrow.any(axis=1))),
        ):
            if where.any():
                culprit = self._describe(rows[int(np.argmax(where))])
                raise BadEncoder(f"{name} returned {fault} for {culprit} ({where.sum()} of {len(rows)}).")
        return narrow

    def _check_dimension(self, expected: int, vectors: Floats, row: int) -> None:
        if vectors.shape[1] != expected:
            raise BadEncoder(
                f"{self._name} first returned vectors of dimension {expected}, then of {vectors.shape[1]}, beginning "
                f"with {self._describe(row)}."
            )

    def _keep(self, rows: list[int], vectors: Floats) -> None:
        """Store the vectors [rows, dim] of a batch.

        :raises BadEncoder: their dimension differs from that of earlier ones.
        """
        if self.vectors.size:
            self._check_dimension(self.vectors.shape[1], vectors, rows[0])
        if not self.vectors.size:
            self.vectors = np.empty((len(self.keys), vectors.shape[1]), np.float32)
        self.vectors[rows] = vectors
        self._fresh += rows

    def _write(self) -> None:
        if self._shelf and self._fresh:
            keys = [self.keys[row] for row in self._fresh]
            self._shelf.add(keys, self.vectors[self._fresh], self.tokens[self._fresh])
        self._fresh, self._written = [], time.monotonic()


def _first_failing(encode: Callable[[Sequence[Any]], Floats], batch: Sequence[Any]) -> int:
    """Return the index of the input that makes the model raise, by bisection; the last if no single input does."""
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
