"""Scores of pairs of a query and a passage: each distinct pair is scored once, and its score is kept like a vector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from panglot.arrays import Floats, Ints, as_array
from panglot.data.pool import Pool
from panglot.encode.batches import Batch, count_tokens, distinct, divided
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.encoding import encode
from panglot.encode.model import CountsTokens, PairScorer
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent

KEY_BYTES = 12
"""Length of the hash of a text in the key of a pair."""


def score_pairs(
    scorer: PairScorer,
    pool: Pool,
    query: Ints,
    candidate: Ints,
    cache: VectorCache | None = None,
    progress: Progress = silent,
) -> Floats:
    """Score the pairs of a query and a candidate of a pool, given by index, [pairs]; returns scores [pairs], float32.

    Scores are taken from the cache where possible, and written to it along the way.

    :raises BadEncoder: the scorer fails, or returns a score that is NaN or infinite; the message names the pair.
    """
    if not len(query):
        return np.empty(0, np.float32)
    pairs = _Pairs(scorer, pool, query, candidate)
    encoding = encode(scorer.card, pairs, "pair", cache, "reranking", progress)
    return encoding.vectors[pairs.place, 0]


class _Pairs:
    """The distinct pairs among some of a pool, those of a query together, as inputs of `encode`.

    `place` [pairs] is the index of each pair among the distinct ones.
    """

    noun = "pairs"
    lanes = 1

    def __init__(self, scorer: PairScorer, pool: Pool, query: Ints, candidate: Ints) -> None:
        self._scorer, self._pool, self.budget = scorer, pool, scorer.budget
        self._queries, query_text = distinct(pool.queries.texts)
        self._candidates, candidate_text = distinct(pool.candidates.texts)
        joined = query_text[query].astype(np.int64) * len(self._candidates) + candidate_text[candidate]
        joined, self._first, self.place = np.unique(joined, return_index=True, return_inverse=True)
        self._query, self._candidate = np.divmod(joined, len(self._candidates))
        self._items = query, candidate
        digests = [[_digest(text) for text in texts] for texts in (self._queries, self._candidates)]
        self.keys = [
            digests[0][one] + digests[1][other]
            for one, other in zip(self._query.tolist(), self._candidate.tolist(), strict=True)
        ]

    def describe(self, key: str) -> str:
        """Name the query and the candidate of a pair."""
        first = self._first[self.keys.index(key)]
        query, candidate = (int(items[first]) for items in self._items)
        return f"the query {self._pool.queries.ids[query]} and the candidate {self._pool.candidates.ids[candidate]}"

    def count_tokens(self, rows: Ints) -> Ints:
        """Count the tokens of the two texts of these pairs, [rows]; 0 if the scorer counts none."""
        counts = np.zeros(len(rows), np.int32)
        if not isinstance(self._scorer, CountsTokens):
            return counts
        sides: tuple[tuple[Role, list[str], Ints], ...] = (
            ("query", self._queries, self._query[rows]),
            ("passage", self._candidates, self._candidate[rows]),
        )
        for role, texts, chosen in sides:
            different, place = np.unique(chosen, return_inverse=True)
            counts += count_tokens(self._scorer, [texts[index] for index in different.tolist()], role)[place]
        return counts

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[Batch]:
        """Yield these pairs in batches, longest first, so that running out of memory shows early."""
        each = np.clip(tokens, 1, self._scorer.card.max_length)
        order = np.argsort(-each, kind="stable")
        for batch, longest in divided(rows[order].tolist(), each[order], self.budget):
            texts = [(self._queries[self._query[row]], self._candidates[self._candidate[row]]) for row in batch]
            yield Batch(batch, texts, longest)

    def encode(self, batch: Sequence[tuple[str, str]]) -> Floats:
        """Score one batch, [pairs, 2]; the second column is 1, since no vector may be zero.

        :raises BadEncoder: there is not one score for each pair.
        """
        scores = as_array(self._scorer.score(batch))
        if scores.shape != (len(batch),):
            raise BadEncoder(
                f"{self._scorer.card.name} returned scores of shape {scores.shape} for {len(batch)} pairs. "
                f"Expected ({len(batch)},)."
            )
        return np.column_stack([scores.astype(float), np.ones(len(batch))])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).hexdigest()
