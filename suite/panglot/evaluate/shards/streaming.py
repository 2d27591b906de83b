"""Evidence on corpora that do not fit in memory: shards are streamed, and only a tally is kept.

The relevant passages are encoded and scored first. Each shard is then encoded or read, multiplied, counted and dropped.
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
from panglot.evaluate.shards.counting import ShardCounter
from panglot.evaluate.shards.gathering import evidence_of
from panglot.progress import Progress, silent
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import DEPTH

SHARD_PASSAGES = 100_000
"""Default number of passages in a shard."""


class Shard(NamedTuple):
    """Passages of one language, from `start` up to but excluding `stop`."""

    language: str
    start: int
    stop: int


class ShardVectors(Protocol):
    """Encodes the passages of a shard, or reads their vectors."""

    def __call__(self, passages: Sequence[Passage], language: str) -> Floats:
        """Vectors [passages, dim], of unit length if the model compares by cosine."""


def shards_of(language: str, passages: int, shards: int | None = None) -> list[Shard]:
    """Divide a corpus into `shards` shards of equal size, or into shards of `SHARD_PASSAGES`."""
    size = -(-passages // shards) if shards else SHARD_PASSAGES
    return [Shard(language, start, min(start + size, passages)) for start in range(0, passages, max(size, 1))]


def stream(
    counter: ShardCounter,
    corpus: Corpus,
    shards: Sequence[Shard],
    vectors_of: ShardVectors,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
    depth: int = DEPTH,
) -> Evidence:
    """Count all shards of one language in turn, resuming from the checkpoint if there is one.

    :raises BadData: the checkpoint is damaged or belongs to another run, or the corpus has fewer passages than the
        shards.
    """
    state = (checkpoint.read() if checkpoint else None) or State(counter.tally(depth))
    left = [shard for shard in shards if shard.start not in state.done]
    with progress(f"streaming {counter.pool.languages[0]}", shards[-1].stop) as advance:
        advance(sum(shard.stop - shard.start for shard in shards if shard.start in state.done))
        for shard, passages in _read(corpus, left):
            counter.count(state.tally, passages, vectors_of(passages, shard.language), shard.start)
            state.done.add(shard.start)
            if checkpoint:
                checkpoint.write(state)
            advance(shard.stop - shard.start)
    return evidence_of(counter.pool, counter.score, state, shards[-1].stop)


def read_shard(corpus: Corpus, shard: Shard) -> list[Passage]:
    """The passages of one shard.

    :raises BadData: the corpus ends before the shard does.
    """
    return next(passages for _, passages in _read(corpus, [shard]))


def _read(corpus: Corpus, shards: Sequence[Shard]) -> Iterator[tuple[Shard, list[Passage]]]:
    """The shards with their passages; consecutive shards are read in one pass."""
    passages: Iterator[Passage] = iter(())
    at = -1
    for shard in shards:
        if shard.start != at:
            passages = corpus.passages(shard.language, shard.start)
        read, at = list(islice(passages, shard.stop - shard.start)), shard.stop
        if len(read) < shard.stop - shard.start:
            raise BadData(
                f"The corpus of {shard.language} ends before passage {shard.stop:,}: it changed during the run."
            )
        yield shard, read
