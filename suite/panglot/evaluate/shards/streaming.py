"""Evidence on corpora that are too many to hold: shards of passages pass by, and a tally stays.

First the relevant passages are encoded and scored, then each shard: encode or read, multiply, count, list, drop.
Memory is bounded by one shard, the queries and the scores of the relevant passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from panglot.arrays import Floats
from panglot.data.corpus import Corpus, Passage
from panglot.errors import BadData
from panglot.evaluate.shards.checkpoint import Checkpoint, State
from panglot.evaluate.shards.counting import Asked
from panglot.evaluate.shards.gathering import evidence_of
from panglot.progress import Progress, silent
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import DEPTH

SHARD_PASSAGES = 100_000
"""Passages in a shard, unless their number is asked for."""


class Shard(NamedTuple):
    """Passages of one language, from `start` up to `stop`."""

    language: str
    start: int
    stop: int


class ShardVectors(Protocol):
    """Makes the vectors of a shard, or reads them."""

    def __call__(self, passages: Sequence[Passage], language: str) -> Floats:
        """Vectors [passages, dim], of unit length where cosine is asked."""


def shards_of(language: str, passages: int, shards: int | None = None) -> list[Shard]:
    """Divide a corpus into so many shards of like size, or into shards of `SHARD_PASSAGES`."""
    size = -(-passages // shards) if shards else SHARD_PASSAGES
    return [Shard(language, start, min(start + size, passages)) for start in range(0, passages, max(size, 1))]


def stream(
    asked: Asked,
    corpus: Corpus,
    shards: Sequence[Shard],
    vectors_of: ShardVectors,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
    depth: int = DEPTH,
) -> Evidence:
    """Count all shards of one language, one after the other, and resume at the first that is not done.

    :raises BadData: the checkpoint is of something else, or the corpus ends before the last shard does.
    """
    state = (checkpoint.read() if checkpoint else None) or State(asked.tally(depth))
    left = [shard for shard in shards if shard.start not in state.done]
    with progress(f"streaming {asked.pool.languages[0]}", shards[-1].stop) as advance:
        advance(sum(shard.stop - shard.start for shard in shards if shard.start in state.done))
        for shard, passages in _read(corpus, left):
            asked.count(state.tally, passages, vectors_of(passages, shard.language), shard.start)
            state.done.add(shard.start)
            if checkpoint:
                checkpoint.write(state)
            advance(shard.stop - shard.start)
    return evidence_of(asked.pool, asked.score, state, shards[-1].stop)


def read_shard(corpus: Corpus, shard: Shard) -> list[Passage]:
    """The passages of one shard.

    :raises BadData: the corpus ends before it does.
    """
    return next(passages for _, passages in _read(corpus, [shard]))


def _read(corpus: Corpus, shards: Sequence[Shard]) -> Iterator[tuple[Shard, list[Passage]]]:
    """The shards with their passages, in one look where they follow each other."""
    passages: Iterator[Passage] = iter(())
    at = -1
    for shard in shards:
        if shard.start != at:
            passages = corpus.passages(shard.language, shard.start)
        read, at = list(islice(passages, shard.stop - shard.start)), shard.stop
        if len(read) < shard.stop - shard.start:
            raise BadData(f"The corpus of {shard.language} ends before passage {shard.stop:,}: it changed meanwhile.")
        yield shard, read
