"""A hundred thousand passages: the same evidence in memory and in any number of shards.

Passages are made when they are read: words by Zipf's law in three scripts, the answers of real questions planted among
them. A vector is the hash of a text, and near to the question where the passage answers it or pretends to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from panglot.arrays import Floats
from panglot.data.corpus import Passage
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.miracl import read_questions
from panglot.evaluate.shards.checkpoint import Checkpoint
from panglot.evaluate.shards.counting import ShardCounter
from panglot.evaluate.shards.streaming import shards_of, stream
from panglot.files import data_from
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.metrics import NAMES, parse_metric
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]

PASSAGES = 100_000
TOPICS = {"sw": 10, "ar": 10, "te": 10}
SCRIPTS = ("abcdefghijklmnopqrstuvwz", "ابتثجحخدذرزسشصضطظعغفقكلم", "అఆఇఈఉఎఏఒఓకఖగఘచఛజటఠడణతథదధ")
VOCABULARY = 5000
WORDS = 8
DIMENSION = 64
CHUNK = 1000
"""Passages that are drawn together."""
NEAR = 1e-6


def word(letters: str, number: int) -> str:
    return letters[number % 24] + letters[number // 24 % 24] + letters[number // 576]


@dataclass(frozen=True)
class Zipf:
    """Passages by their number; those that are `planted` have a question as their title."""

    planted: Mapping[int, str]

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        words = np.array([[word(letters, number) for number in range(VOCABULARY)] for letters in SCRIPTS], object)
        script = np.arange(CHUNK)[:, None] % len(SCRIPTS)
        for first in range(start - start % CHUNK, PASSAGES, CHUNK):
            drawn = words[script, np.random.default_rng(first).zipf(1.2, (CHUNK, WORDS)) % VOCABULARY].tolist()
            for number in range(max(start, first), first + CHUNK):
                body, title = " ".join(drawn[number - first]), self.planted.get(number)
                yield Passage(f"sw:{number}", f"{title}\n{body}" if title else body)


def hashed(texts: Sequence[str]) -> Floats:
    """A vector of length about 1 for each text."""
    digests = b"".join(blake2b(text.encode(), digest_size=DIMENSION).digest() for text in texts)
    vectors = np.frombuffer(digests, np.int8).reshape(-1, DIMENSION).astype(np.float32)
    return vectors / np.float32(74 * DIMENSION**0.5)


@dataclass(frozen=True)
class Hashes:
    """The encoder: a passage lies between its text and its title, if that is one of the questions."""

    asked: Mapping[str, Floats]

    def __call__(self, passages: Sequence[Passage], language: str) -> Floats:
        vectors = hashed([passage.text for passage in passages])
        for place, passage in enumerate(passages):
            title = self.asked.get(passage.text.partition("\n")[0])
            if title is not None:
                vectors[place] += 0.6 * title
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Case(NamedTuple):
    asked: ShardCounter
    corpus: Zipf
    vectors: Hashes
    scores: DenseScores
    whole: Evidence


@pytest.fixture(scope="module")
def case(data_dir: Path) -> Case:
    """Of each question one to four passages are relevant; twice as many look the same and are not."""
    random = np.random.default_rng(3)
    with data_from(data_dir):
        texts = [
            query.text
            for language, count in TOPICS.items()
            for query in read_questions(MIRACL, [language]).queries[:count]
        ]
    planted: dict[int, str] = {}
    judged = []
    for number, text in enumerate(texts):
        answers = random.integers(1, 5)
        for place in random.choice(PASSAGES, 3 * answers, replace=False).tolist():
            planted[place] = text
        judged += [Judgement(f"q{number}", f"sw:{place}") for place in list(planted)[-answers:]]
    corpus, vectors = Zipf(planted), Hashes(dict(zip(texts, hashed(texts), strict=True)))
    queries = hashed(texts)
    asking = [Query(f"q{number}", text, "sw", f"q{number}") for number, text in enumerate(texts)]
    passages = list(corpus.passages("sw"))
    relevant = [passages[int(judgement.candidate.removeprefix("sw:"))] for judgement in judged]
    small = Pool.of(["sw"], asking, [Candidate(*passage, "sw") for passage in relevant], judged)
    whole = Pool.of(["sw"], asking, [Candidate(*passage, "sw") for passage in passages], judged)
    scores = DenseScores(queries, vectors(passages, "sw"))
    return Case(
        ShardCounter(small, queries, vectors(relevant, "sw")), corpus, vectors, scores, collect_evidence(whole, scores)
    )


def check(found: Evidence, case: Case) -> None:
    """The evidence of all in memory but for scores that nearly tie, and its metrics."""
    whole = case.whole
    mine, theirs = (
        sorted((e.query[pair], e.candidate_ids[e.candidate[pair]], pair) for pair in range(len(e.query)))
        for e in (found, whole)
    )
    assert [pair[:2] for pair in mine] == [pair[:2] for pair in theirs]
    moved = 0
    for (query, _, pair), (_, _, other) in zip(mine, theirs, strict=True):
        difference = abs(int(found.above[pair, 0]) - int(whole.above[other, 0]))
        if difference:
            near = np.abs(case.scores.block(query, query + 1) - whole.score[other]) < NEAR
            assert difference < near.sum()
            moved += difference
    np.testing.assert_allclose(found.top_score, whole.top_score, rtol=0, atol=NEAR)
    listed = [[[e.candidate_ids[place] for place in row if place != NOBODY] for row in e.top] for e in (found, whole)]
    swapped = sum(one != other for rows in zip(*listed, strict=True) for one, other in zip(*rows, strict=True))
    assert swapped <= 1e-3 * whole.top.size
    for name in NAMES:
        values = [parse_metric(name).compute(evidence.together) for evidence in (found, whole)]
        np.testing.assert_allclose(*values, rtol=0, atol=NEAR, err_msg=name)
    print(f"near ties moved {moved} counts and {swapped} of {whole.top.size:,} places")  # noqa: T201


def test_the_questions_are_neither_easy_nor_hopeless(case: Case) -> None:
    assert 0.2 < parse_metric("ndcg@10").compute(case.whole.together).mean() < 0.9
    assert case.whole.above.max() > 1000


@pytest.mark.parametrize("shards", [7, 64, 1000])
def test_shards_give_the_evidence_of_all_in_memory(case: Case, tmp_path: Path, shards: int) -> None:
    checkpoint = Checkpoint(tmp_path / "sw.npz", "a")
    check(stream(case.asked, case.corpus, shards_of("sw", PASSAGES, shards), case.vectors, checkpoint), case)
