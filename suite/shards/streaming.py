"""Evidence on corpora that are too many to hold: shards of passages pass by, and a tally stays.

First the relevant passages are encoded and scored, then each shard: encode or read, multiply, count, list, drop.
Memory is bounded by one shard, the queries and the scores of the relevant passages. A relevant passage and all that is
equal to it, in its text or to the byte of its vector, has the relevant's own column in every shard: they tie exactly.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np

from suite.arrays import Floats, Ints
from suite.best import Best
from suite.columns import Columns, Names
from suite.corpus import Corpus, Passage
from suite.errors import BadData
from suite.evidence import NOBODY, Evidence
from suite.pool import Pool
from suite.progress import Progress, silent
from suite.ranking import BLOCK_SCORES, DEPTH, Counter, Tally, checked

SHARD_PASSAGES = 100_000
"""Passages in a shard, unless their number is asked for."""

TILE_PASSAGES = 20_000
"""Passages multiplied together, by 400 queries at a time: wider and lower blocks take half as long again."""


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


class Asked:
    """What every shard of a language is held against.

    `pool` holds the queries and the relevant passages of one language, `queries` [queries, dim] and `relevant`
    [candidates of the pool, dim] their vectors.
    """

    def __init__(self, pool: Pool, queries: Floats, relevant: Floats) -> None:
        self.pool, self.queries = pool, np.ascontiguousarray(queries, np.float32)
        relevant = np.ascontiguousarray(relevant, np.float32)
        self._place: dict[str | bytes, int] = {}
        for index, (text, vector) in enumerate(zip(pool.candidates.texts, relevant, strict=True)):
            first = self._place.setdefault(vector.tobytes(), index)
            self._place.setdefault(text.strip(), first)
        own = np.array([self._place[text.strip()] for text in pool.candidates.texts])
        self._scores = checked(self.queries @ relevant.T, pool.queries.ids)
        self._first = np.unique(relevant[:, 0])
        self._tame = _is_tame(self.queries)
        self.score = self._scores[pool.query, own[pool.candidate]]

    def tally(self, depth: int = DEPTH) -> Tally:
        """Nothing counted yet."""
        return Tally.empty(self.pool, depth)

    def count(self, tally: Tally, passages: Sequence[Passage], vectors: Floats, first: int) -> None:
        """Add a shard to a tally, `first` being the number of its first passage."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        memory = np.empty(max(BLOCK_SCORES, TILE_PASSAGES), np.float32)
        tally.best.names.add(first, [passage.id for passage in passages])
        for start in range(0, len(passages), TILE_PASSAGES):
            tile = slice(start, start + TILE_PASSAGES)
            self._count(tally, passages[tile], vectors[tile], first + start, memory)
        tally.best.forget()

    def _count(
        self, tally: Tally, passages: Sequence[Passage], vectors: Floats, first: int, memory: np.ndarray
    ) -> None:
        """Add passages that are multiplied together, in memory that all tiles share: fresh pages take as long again."""
        here, there = self._known(passages, vectors)
        columns = Columns(np.array([len(passages)]), tally.best.names, first)
        counter = Counter(self.pool, tally, self.score)
        tame = self._tame and _is_tame(vectors)
        block = max(1, BLOCK_SCORES // len(passages))
        for start in range(0, len(self.queries), block):
            asking = self.queries[start : start + block]
            scores = memory[: len(asking) * len(vectors)].reshape(len(asking), len(vectors))
            with np.errstate(invalid="ignore", over="ignore"):
                np.matmul(asking, vectors.T, out=scores)
            if not tame:
                checked(scores, self.pool.queries.ids[start:])
            if len(here):
                scores[:, here] = self._scores[start : start + block, there]
            counter.add(start, scores, columns)

    def _known(self, passages: Sequence[Passage], vectors: Floats) -> Ints:
        """Passages of a shard that are equal to a relevant one, and which, [2, pairs]."""
        places = [self._place.get(passage.text.strip(), NOBODY) for passage in passages]
        for place in np.flatnonzero(np.isin(vectors[:, 0], self._first)).tolist():
            places[place] = self._place.get(vectors[place].tobytes(), places[place])
        known = np.array(places)
        here = np.flatnonzero(known != NOBODY)
        return np.stack([here, known[here]])


def _is_tame(vectors: Floats) -> bool:
    """Whether their lengths are finite, and so their products (Cauchy-Schwarz): quicker to see than each score."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(np.vdot(vectors, vectors)))


@dataclass(eq=False)
class State:
    """How far a language is: its tally, and where the shards begin that are done."""

    tally: Tally
    done: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Checkpoint:
    """The state of one language in a file, with the fingerprint of everything that it depends on."""

    path: Path
    fingerprint: str

    def read(self) -> State | None:
        """What was saved, if anything.

        :raises BadData: it is of another corpus, model or task, or damaged.
        """
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                names = Names(arrays["named"], facts["names"])
                tally = Tally(arrays["above"], Best(arrays["number"], arrays["score"], names))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise BadData(f"The checkpoint {self.path} is damaged. {error}. Delete it to start anew.") from error
        if facts["fingerprint"] != self.fingerprint:
            raise BadData(
                f"The checkpoint {self.path} is of another corpus, model or division into shards than this run. "
                "It is kept; delete it to start anew, or run again what it was made with."
            )
        return State(tally, set(facts["done"]))

    def write(self, state: State) -> None:
        """Save a state, whole or not at all."""
        content, best = io.BytesIO(), state.tally.best
        names = best.names.ids.tolist()
        facts = {"fingerprint": self.fingerprint, "names": names, "done": sorted(state.done)}
        np.savez(
            content,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            above=state.tally.above,
            number=best.number,
            score=best.score,
            named=best.names.numbers,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        unfinished.write_bytes(content.getvalue())
        os.replace(unfinished, self.path)


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


def evidence_of(pool: Pool, score: Floats, state: State, size: int) -> Evidence:
    """The evidence of one language; a relevant passage is not above itself."""
    best = state.tally.best
    named = best.names.ids.tolist()[1:]
    ids = sorted({*pool.candidates.ids, *named})
    place = {id_: index for index, id_ in enumerate(ids)}
    candidate = np.array([place[id_] for id_ in pool.candidates.ids])
    numbered = np.array([NOBODY, *(place[id_] for id_ in named)], np.int32)
    top = numbered[best.names.places(best.number)]
    width = min(best.depth, size)
    return Evidence(
        query_ids=pool.queries.ids,
        candidate_ids=tuple(ids),
        languages=pool.languages,
        sizes=np.array([size]),
        query_language=pool.queries.language,
        group=pool.group,
        query=pool.query,
        candidate=candidate[pool.candidate],
        language=pool.candidates.language[pool.candidate],
        gain=pool.gain,
        score=score,
        above=state.tally.above - 1,
        top=top[:, :width],
        top_language=np.where(top == NOBODY, NOBODY, 0)[:, :width],
        top_score=best.score[:, :width],
        divided=True,
    )


def together(parts: Sequence[Evidence]) -> Evidence:
    """One evidence of several languages apart: nothing is counted across them."""
    languages = tuple(name for part in parts for name in part.languages)
    queries = np.cumsum([0, *(part.queries for part in parts)])
    candidates = np.cumsum([0, *(len(part.candidate_ids) for part in parts)])
    groups = np.cumsum([0, *(int(part.group.max()) + 1 for part in parts)])
    depth = max(part.top.shape[1] for part in parts)

    def stacked(name: str, offsets: Ints | None = None, fill: float = NOBODY) -> np.ndarray:
        columns = [getattr(part, name) for part in parts]
        if offsets is not None:
            columns = [np.where(own == NOBODY, NOBODY, own + at) for own, at in zip(columns, offsets, strict=False)]
        if columns[0].ndim == 2:
            wide = [(0, 0), (0, 0)]
            columns = [np.pad(own, [wide[0], (0, depth - own.shape[1])], constant_values=fill) for own in columns]
        return np.concatenate(columns)

    above = np.zeros((sum(len(part.query) for part in parts), len(languages)), np.int32)
    language = np.repeat(np.arange(len(parts)), [len(part.query) for part in parts])
    above[np.arange(len(above)), language] = np.concatenate([part.above[:, 0] for part in parts])
    places = np.arange(len(parts))
    return Evidence(
        query_ids=tuple(id_ for part in parts for id_ in part.query_ids),
        candidate_ids=tuple(id_ for part in parts for id_ in part.candidate_ids),
        languages=languages,
        sizes=np.concatenate([part.sizes for part in parts]),
        query_language=np.repeat(places, [part.queries for part in parts]),
        group=stacked("group", groups),
        query=stacked("query", queries),
        candidate=stacked("candidate", candidates),
        language=language,
        gain=stacked("gain"),
        score=stacked("score"),
        above=above,
        top=stacked("top", candidates),
        top_language=stacked("top_language", places),
        top_score=stacked("top_score", fill=-np.inf),
        divided=True,
    )
