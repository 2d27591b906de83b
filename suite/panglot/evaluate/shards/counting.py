"""Compare one shard with the questions of its language: multiply, count, keep the best.

A passage that equals a relevant one, in its text or byte for byte in its vector, uses the relevant passage's scores in
every shard, so that the two tie exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.corpus import Passage
from panglot.data.pool import Pool
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.counting import Counter, Kernel, Tally, kernel_for
from panglot.retrieve.device import (
    DeviceColumns,
    as_numpy,
    in_blocks,
    product,
    products_are_finite,
    rounding_of,
    rows_at_a_time,
    send,
)
from panglot.retrieve.ranking import BLOCK_SCORES, DEPTH, check_scores

TILE_PASSAGES = 20_000
"""Passages in one matrix product, by 400 queries at a time; wider, flatter blocks take 1.5 times as long."""


class ShardCounter:
    """Counts the passages of a language's shards that score above the relevant ones.

    `pool` holds the queries and the relevant passages of one language; `queries` [queries, dim] and `relevant`
    [candidates of the pool, dim] are their vectors. Shards are multiplied and counted on `device`, a name of torch, if
    it is given.
    """

    def __init__(self, pool: Pool, queries: Floats, relevant: Floats, device: str | None = None) -> None:
        self.pool, self.queries, self._device = pool, np.ascontiguousarray(queries, np.float32), device
        relevant = np.ascontiguousarray(relevant, np.float32)
        self._place: dict[str | bytes, int] = {}
        for index, (text, vector) in enumerate(zip(pool.candidates.texts, relevant, strict=True)):
            first = self._place.setdefault(vector.tobytes(), index)
            self._place.setdefault(text.strip(), first)
        own = np.array([self._place[text.strip()] for text in pool.candidates.texts])
        self._scores = check_scores(self.queries @ relevant.T, pool.queries.ids)
        self._first = np.unique(relevant[:, 0])
        self._finite = _products_are_finite(self.queries)
        self._relevant = own[pool.candidate]
        self.score = self._scores[pool.query, self._relevant]
        self._rounding = rounding_of(pool, self.queries, relevant)

    def tally(self, depth: int = DEPTH) -> Tally:
        """An empty tally."""
        return Tally.empty(self.pool, depth)

    def count(self, tally: Tally, passages: Sequence[Passage], vectors: Floats, first: int) -> None:
        """Add a shard to a tally: passages with their vectors [passages, dim]; `first` is the first one's number."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        tally.top.ids.add(first, [passage.id for passage in passages])
        if self._device:
            self._count_there(tally, passages, vectors, first, self._device)
        else:
            memory = np.empty(BLOCK_SCORES, np.float32)
            kernel = kernel_for(len(self.queries) * (first + len(passages)))  # all shards have at least as many scores
            for start in range(0, len(passages), TILE_PASSAGES):
                tile = slice(start, start + TILE_PASSAGES)
                self._count(tally, passages[tile], vectors[tile], first + start, memory, kernel)
        tally.top.forget()

    def _count_there(self, tally: Tally, passages: Sequence[Passage], vectors: Floats, first: int, device: str) -> None:
        """Add a shard, multiplied and counted on a device."""
        here, there = self._known(passages, vectors)
        columns = DeviceColumns(ColumnLayout(np.array([len(passages)]), tally.top.ids, first), device)
        counter = Counter(self.pool, tally, self.score)
        queries, candidates, known = (send(part, device) for part in (self.queries, vectors, here))
        finite = products_are_finite(queries, candidates)

        def count(start: int, stop: int) -> None:
            scores = product(queries[start:stop], candidates)
            if not finite:
                check_scores(as_numpy(scores), self.pool.queries.ids[start:])
            if len(here):
                scores[:, known] = send(self._scores[start:stop, there], device)
            counter.add_there(start, scores, columns, self._rounding)

        for _ in in_blocks(count, len(self.queries), rows_at_a_time(len(vectors), device)):
            pass
        if tally.close is not None:
            tally.close -= int(np.bincount(there, minlength=len(self.pool.candidates))[self._relevant].sum())

    def _count(
        self,
        tally: Tally,
        passages: Sequence[Passage],
        vectors: Floats,
        first: int,
        memory: np.ndarray,
        kernel: Kernel | None,
    ) -> None:
        """Add the passages of one matrix product, using a buffer shared by all tiles."""
        here, there = self._known(passages, vectors)
        columns = ColumnLayout(np.array([len(passages)]), tally.top.ids, first)
        counter = Counter(self.pool, tally, self.score, kernel)
        finite = self._finite and _products_are_finite(vectors)
        block = BLOCK_SCORES // len(passages)
        for start in range(0, len(self.queries), block):
            queries = self.queries[start : start + block]
            scores = memory[: len(queries) * len(vectors)].reshape(len(queries), len(vectors))
            with np.errstate(invalid="ignore", over="ignore"):
                np.matmul(queries, vectors.T, out=scores)
            if not finite:
                check_scores(scores, self.pool.queries.ids[start:])
            if len(here):
                scores[:, here] = self._scores[start : start + block, there]
            counter.add(start, scores, columns)

    def _known(self, passages: Sequence[Passage], vectors: Floats) -> Ints:
        """Passages of a shard that equal a relevant one, and the index of that one, [2, pairs]."""
        texts = map(str.strip, [passage.text for passage in passages])
        found = {here: there for here, there in enumerate(map(self._place.get, texts)) if there is not None}
        for here in np.flatnonzero(np.isin(vectors[:, 0], self._first)).tolist():
            there = self._place.get(vectors[here].tobytes())
            if there is not None:
                found[here] = there
        return np.array(sorted(found.items()), np.intp).reshape(-1, 2).T


def _products_are_finite(vectors: Floats) -> bool:
    """Whether the vectors' norms, and so all their products, are finite (Cauchy-Schwarz); cheaper than each score."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(np.vdot(vectors, vectors)))
