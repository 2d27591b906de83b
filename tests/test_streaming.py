"""Streaming: the same evidence whatever the shards, whoever counts them, and whenever they are killed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.data.corpus import Passage
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.errors import BadData, BadEncoder, PanglotError
from panglot.evaluate.shards.checkpoint import Checkpoint
from panglot.evaluate.shards.counting import ShardCounter
from panglot.evaluate.shards.gathering import together
from panglot.evaluate.shards.streaming import Shard, shards_of, stream
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.metrics import NAMES, parse_metric
from tests.helpers.processes import python

PASSAGES = 20_000
"""`test_sharded_corpus.py` has more of them."""
QUERIES = 40
DIMENSION = 64
NEAR = 1e-6


@dataclass(frozen=True)
class Generated:
    """Passages whose text is their number; every thousandth is a copy of the one before."""

    size: int

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        for number in range(start, self.size):
            yield Passage(f"{language}:{number}", str(number - (number % 1000 == 999)))


class Vectors:
    """A vector drawn from the text's number alone; with `half`, as stored in half precision."""

    def __init__(self, size: int, half: bool = False) -> None:
        drawn = np.random.default_rng(7).standard_normal((size, DIMENSION), np.float32)
        unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        self.all = unit.astype(np.float16).astype(np.float32) if half else unit

    def __call__(self, passages: Sequence[Passage], language: str) -> np.ndarray:
        return self.all[[int(passage.text) for passage in passages]]


class Case(NamedTuple):
    asked: ShardCounter
    corpus: Generated
    vectors: Vectors
    whole: Evidence


def make_case(size: int, queries: int = QUERIES, half: bool = False) -> Case:
    """Queries near their planted relevants, one to four each; the evidence of all in memory."""
    corpus, vectors, random = Generated(size), Vectors(size, half), np.random.default_rng(1)
    passages = list(corpus.passages("sw"))
    judged, asked_vectors = [], np.empty((queries, DIMENSION), np.float32)
    for query in range(queries):
        relevant = random.choice(size, random.integers(1, 5), replace=False)
        noise = random.standard_normal(DIMENSION) * random.uniform(0.1, 0.5)
        asked_vectors[query] = vectors([passages[number] for number in relevant], "sw").sum(axis=0) + noise
        judged += [Judgement(f"sw:q{query}", f"sw:{number}") for number in relevant]
    asking = [Query(f"sw:q{query}", f"q{query}", "sw", f"q{query}") for query in range(queries)]
    whole = Pool.of(["sw"], asking, [Candidate(p.id, p.text, "sw") for p in passages], judged)
    names = sorted({judgement.candidate for judgement in judged})
    by_id = {p.id: p for p in passages}
    small = Pool.of(["sw"], asking, [Candidate(name, by_id[name].text, "sw") for name in names], judged)
    asked = ShardCounter(small, asked_vectors, vectors([by_id[name] for name in names], "sw"))
    return Case(asked, corpus, vectors, collect_evidence(whole, DenseScores(asked_vectors, vectors(passages, "sw"))))


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(PASSAGES)


def assert_same(ours: Evidence, whole: Evidence, scores: np.ndarray | None = None) -> int:
    """Evidence up to near ties, metrics to 1e-6; the number of counts that near ties changed."""
    assert ours.query_ids == whole.query_ids
    assert ours.sizes.tolist() == whole.sizes.tolist()
    pairs = [
        sorted((e.query[n], e.candidate_ids[e.candidate[n]], n) for n in range(len(e.query))) for e in (ours, whole)
    ]
    assert [pair[:2] for pair in pairs[0]] == [pair[:2] for pair in pairs[1]]
    mine, theirs = ([pair[2] for pair in own] for own in pairs)
    np.testing.assert_allclose(ours.score[mine], whole.score[theirs], atol=NEAR)
    flips = np.abs(ours.above[mine] - whole.above[theirs]).sum()
    np.testing.assert_allclose(ours.top_score, whole.top_score, atol=NEAR)
    differing = 0
    for own, other in zip(ours.top, whole.top, strict=True):
        names = [[e.candidate_ids[c] for c in row if c != NOBODY] for e, row in ((ours, own), (whole, other))]
        differing += sum(one != two for one, two in zip(*names, strict=True))
    assert flips <= 1e-4 * whole.above.sum()
    assert differing <= 1e-3 * whole.top.size
    for name in NAMES:
        values = [np.nanmean(parse_metric(name).compute(evidence.together)) for evidence in (ours, whole)]
        assert values[0] == pytest.approx(values[1], abs=NEAR), name
    return int(flips) + differing


@pytest.mark.parametrize("shards", [1, 7, 64, 1000])
def test_any_number_of_shards_gives_the_evidence_of_one(case: Case, shards: int) -> None:
    found = stream(case.asked, case.corpus, shards_of("sw", PASSAGES, shards), case.vectors)
    print(f"{shards} shards: {assert_same(found, case.whole)} places moved by near ties")  # noqa: T201


@pytest.mark.parametrize("shards", [7, 300])
def test_shards_counted_on_a_device_give_the_same_evidence(case: Case, shards: int) -> None:
    """300 shards are shorter than the top list."""
    pool = case.asked.pool
    relevant = case.vectors.all[[int(text) for text in pool.candidates.texts]]
    counter = ShardCounter(pool, case.asked.queries, relevant, device="cpu")
    assert_same(stream(counter, case.corpus, shards_of("sw", PASSAGES, shards), case.vectors), case.whole)


@pytest.mark.parametrize("shards", [1, 7])
def test_close_scores_of_shards_add_up(
    case: Case, shards: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Copies of a relevant passage score as it does everywhere, so they are not among them."""
    monkeypatch.setattr("panglot.retrieve.device.CLOSE", 1e-3)
    pool = case.asked.pool
    relevant = case.vectors.all[[int(text) for text in pool.candidates.texts]]
    counter = ShardCounter(pool, case.asked.queries, relevant, device="cpu")
    checkpoint = Checkpoint(tmp_path / "kept.npz", "same")
    parts = shards_of("sw", PASSAGES, shards)
    stream(counter, case.corpus, parts[: shards // 2 + 1], case.vectors, checkpoint)
    found = stream(counter, case.corpus, parts, case.vectors, checkpoint).close
    texts = np.array([int(passage.text) for passage in case.corpus.passages("sw")])
    scores = case.asked.queries @ case.vectors.all[texts].T
    reach = 1e-3 * np.linalg.norm(case.asked.queries, axis=1)
    own = np.array([int(text) for text in pool.candidates.texts])[pool.candidate]
    expected = sum(
        int(((np.abs(scores[query] - scores[query, text]) <= reach[query]) & (texts != text)).sum())
        for query, text in zip(pool.query.tolist(), own.tolist(), strict=True)
    )
    assert expected > 1000
    assert found == pytest.approx(expected, rel=1e-3)


def test_close_scores_are_unknown_if_a_part_was_counted_on_the_processor(case: Case, tmp_path: Path) -> None:
    pool = case.asked.pool
    relevant = case.vectors.all[[int(text) for text in pool.candidates.texts]]
    there = ShardCounter(pool, case.asked.queries, relevant, device="cpu")
    parts, checkpoint = shards_of("sw", PASSAGES, 4), Checkpoint(tmp_path / "kept.npz", "same")
    stream(case.asked, case.corpus, parts[:2], case.vectors, checkpoint)
    found = stream(there, case.corpus, parts, case.vectors, checkpoint)
    assert found.close is None
    assert together([found, found]).close is None
    assert_same(found, case.whole)


def test_overflow_on_a_device_is_an_error(case: Case) -> None:
    pool = case.asked.pool
    relevant = case.vectors.all[[int(text) for text in pool.candidates.texts]]
    counter = ShardCounter(pool, case.asked.queries, relevant, device="cpu")
    passages = list(case.corpus.passages("sw"))[:100]
    with pytest.raises(BadEncoder, match=r"A score for the query .* is NaN or infinite"):
        counter.count(counter.tally(), passages, np.full((100, DIMENSION), 3e38, np.float32), 0)


def test_half_precision_moves_ndcg_by_less_than_a_thousandth(case: Case) -> None:
    half = make_case(PASSAGES, half=True)
    ndcg = parse_metric("ndcg@10").compute
    assert abs(ndcg(half.whole.together).mean() - ndcg(case.whole.together).mean()) < 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 3), st.data())
def test_integer_vectors_give_exactly_the_same(size: int, shards: int, spread: int, data: st.DataObject) -> None:
    """Products of small integers have no noise, so with all their ties nothing may differ."""
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = random.integers(-spread, spread + 1, (size, 3)).astype(np.float32)
    queries = random.integers(-2, 3, (4, 3)).astype(np.float32)
    relevant = [sorted(random.choice(size, min(size, 2), replace=False).tolist()) for _ in range(4)]
    asking = [Query(f"q{n}", "", "sw", f"q{n}") for n in range(4)]
    judged = [Judgement(f"q{n}", f"c{own}") for n, owns in enumerate(relevant) for own in owns]
    ids = [f"c{n}" for n in range(size)]
    whole = Pool.of(["sw"], asking, [Candidate(id_, id_, "sw") for id_ in ids], judged)
    names = sorted({judgement.candidate for judgement in judged})
    small = Pool.of(["sw"], asking, [Candidate(name, name, "sw") for name in names], judged)
    asked = ShardCounter(small, queries, vectors[[ids.index(name) for name in names]])

    class Listed:
        def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
            return (Passage(id_, id_) for id_ in ids[start:])

    def vectors_of(passages: Sequence[Passage], language: str) -> np.ndarray:
        return vectors[[ids.index(passage.id) for passage in passages]]

    depth = 10
    found = stream(asked, Listed(), shards_of("sw", size, shards), vectors_of, depth=depth)
    expected = collect_evidence(whole, DenseScores(queries, vectors), depth=depth)
    assert assert_same(found, expected) == 0
    assert found.top_score.tolist() == expected.top_score.tolist()


@pytest.mark.parametrize("value", [np.nan, -np.inf, 3e38])
@pytest.mark.parametrize("place", [0, PASSAGES - 1])
def test_a_passage_with_a_nan_score_stops_the_run(case: Case, value: float, place: int) -> None:
    def vectors_of(passages: Sequence[Passage], language: str) -> np.ndarray:
        vectors = case.vectors(passages, language)
        vectors[[passage.id == f"sw:{place}" for passage in passages]] = value
        return vectors

    with pytest.raises(BadEncoder, match=r"query 'sw:q\d+' is NaN or infinite"):
        stream(case.asked, case.corpus, shards_of("sw", PASSAGES, 3), vectors_of)


def test_long_vectors_are_scored_as_others(case: Case) -> None:
    """Their squares overflow, their scores do not."""
    passages = list(case.corpus.passages("sw"))
    own = [passages[int(id_.removeprefix("sw:"))] for id_ in case.asked.pool.candidates.ids]
    asked = ShardCounter(case.asked.pool, case.asked.queries * np.float32(2.0**70), case.vectors(own, "sw"))
    found = stream(asked, case.corpus, shards_of("sw", PASSAGES, 3), case.vectors)
    assert (
        found.above.tolist()
        == stream(case.asked, case.corpus, shards_of("sw", PASSAGES, 3), case.vectors).above.tolist()
    )


class Killed(Exception):
    pass


class TestCheckpoint:
    def checkpoint(self, folder: Path, fingerprint: str = "a") -> Checkpoint:
        return Checkpoint(folder / "sw.npz", fingerprint)

    def test_killed_run_resumes_from_its_checkpoint(self, case: Case, tmp_path: Path) -> None:
        shards, seen = shards_of("sw", PASSAGES, 10), []

        def until_killed(passages: Sequence[Passage], language: str) -> np.ndarray:
            seen.append(passages[0].id)
            if len(seen) == 5:
                raise Killed
            return case.vectors(passages, language)

        with pytest.raises(Killed):
            stream(case.asked, case.corpus, shards, until_killed, self.checkpoint(tmp_path))
        found = stream(case.asked, case.corpus, shards, until_killed, self.checkpoint(tmp_path))
        assert seen[4] == seen[5]
        assert len(seen) == 11
        assert_same(found, case.whole)

    def test_another_corpus_is_refused_and_the_checkpoint_kept(self, case: Case, tmp_path: Path) -> None:
        stream(case.asked, case.corpus, shards_of("sw", PASSAGES, 2), case.vectors, self.checkpoint(tmp_path))
        with pytest.raises(BadData, match="another corpus, model or number of shards"):
            self.checkpoint(tmp_path, "b").read()
        assert self.checkpoint(tmp_path).read() is not None

    def test_a_damaged_checkpoint_is_refused(self, case: Case, tmp_path: Path) -> None:
        stream(case.asked, case.corpus, shards_of("sw", PASSAGES, 2), case.vectors, self.checkpoint(tmp_path))
        path = tmp_path / "sw.npz"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(BadData, match="is damaged"):
            self.checkpoint(tmp_path).read()

    def test_a_corpus_that_shrinks_is_refused(self, case: Case) -> None:
        with pytest.raises(BadData, match="ends before passage"):
            stream(case.asked, Generated(PASSAGES - 1), shards_of("sw", PASSAGES, 3), case.vectors)


class TestTogether:
    def test_languages_are_streamed_separately(self) -> None:
        parts = []
        for language, seed in (("sw", 1), ("yo", 2)):
            random = np.random.default_rng(seed)
            pool = Pool.of(
                [language],
                [Query(f"{language}:q{n}", "", language, f"{language}:q{n}") for n in range(3)],
                [Candidate(f"{language}:{n}", "", language) for n in range(9 + seed)],
                [Judgement(f"{language}:q{n}", f"{language}:{n}") for n in range(3)],
            )
            parts.append(
                collect_evidence(pool, DenseScores(random.random((3, 4)), random.random((len(pool.candidates), 4))))
            )
        both = together(parts)
        for language, part in zip(("sw", "yo"), parts, strict=True):
            own = both.only([language])
            assert own.above.tolist() == part.above.tolist()
            assert own.sizes.tolist() == part.sizes.tolist()
            names = [[e.candidate_ids[c] for c in row if c != NOBODY] for e in (own, part) for row in e.top]
            assert names[:3] == names[3:]
        assert both.above.sum() == sum(part.above.sum() for part in parts)


def test_shards_cover_the_corpus_once() -> None:
    for passages, shards in ((10, 3), (10, 10), (10, 1), (1000, 7)):
        made = shards_of("sw", passages, shards)
        assert [shard.start for shard in made] == [0, *(shard.stop for shard in made[:-1])]
        assert made[-1] == Shard("sw", made[-1].start, passages)
        assert len(made) <= shards


class Dying(Vectors):
    """Kills its process at the first look at a shard, once."""

    def __init__(self, size: int, mark: Path) -> None:
        super().__init__(size)
        self._mark = mark

    def __call__(self, passages: Sequence[Passage], language: str) -> np.ndarray:
        if int(passages[0].text) > 0 and not self._mark.exists():
            self._mark.touch()
            os._exit(1)
        return super().__call__(passages, language)


class AlwaysDying(Vectors):
    """Kills its process at every look at a shard but the first."""

    def __call__(self, passages: Sequence[Passage], language: str) -> np.ndarray:
        if int(passages[0].text) > 0:
            os._exit(1)
        return super().__call__(passages, language)


class Failing(Vectors):
    def __call__(self, passages: Sequence[Passage], language: str) -> np.ndarray:
        raise BadData("This shard is damaged.")


@pytest.mark.filterwarnings("ignore")
class TestRay:
    @pytest.fixture(scope="class")
    def cluster(self) -> Iterator[object]:
        import ray

        from panglot.evaluate.shards.cluster import Cluster

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield Cluster(workers=2)
        ray.shutdown()

    def test_a_worker_that_is_killed_changes_nothing(self, case: Case, cluster: object, tmp_path: Path) -> None:
        mark = tmp_path / "killed"
        found = cluster.stream(  # type: ignore[attr-defined]
            case.asked, case.corpus, shards_of("sw", PASSAGES, 7), lambda: Dying(PASSAGES, mark)
        )
        assert mark.exists()
        assert_same(found, case.whole)

    def test_a_worker_that_dies_repeatedly_is_reported(
        self, case: Case, cluster: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("panglot.evaluate.shards.cluster.RETRIES", 1)
        shards, checkpoint = shards_of("sw", PASSAGES, 2), Checkpoint(tmp_path / "sw.npz", "a")
        with pytest.raises(PanglotError, match=r"passages 10,000 to 20,000: the worker was lost 2 times"):
            cluster.stream(case.asked, case.corpus, shards, lambda: AlwaysDying(PASSAGES), checkpoint)  # type: ignore[attr-defined]
        kept = checkpoint.read()
        assert kept is not None
        assert kept.done == {0}

    def test_error_of_a_worker_is_reported(self, case: Case, cluster: object) -> None:
        with pytest.raises(BadData, match="This shard is damaged"):
            cluster.stream(case.asked, case.corpus, shards_of("sw", PASSAGES, 1), lambda: Failing(1))  # type: ignore[attr-defined]

    def test_a_killed_driver_resumes(self, case: Case, cluster: object, tmp_path: Path) -> None:
        shards, vectors = shards_of("sw", PASSAGES, 7), case.vectors
        checkpoint = Checkpoint(tmp_path / "sw.npz", "a")
        with pytest.raises(BadData):
            stream(case.asked, Generated(shards[3].stop), shards, vectors, checkpoint)
        kept = checkpoint.read()
        assert kept is not None
        assert len(kept.done) == 4
        found = cluster.stream(case.asked, case.corpus, shards, lambda: vectors, checkpoint)  # type: ignore[attr-defined]
        assert_same(found, case.whole)


def test_address_without_a_cluster_is_refused() -> None:
    code = (
        "from panglot.evaluate.shards.cluster import Cluster\nfrom panglot.errors import PanglotError\n"
        "try: Cluster(address='127.0.0.1:1')\nexcept PanglotError as error: print(error)"
    )
    done = python(code)
    assert "There is no Ray cluster at 127.0.0.1:1" in done.stdout, done.stderr[-2000:]
    assert issubclass(BadData, PanglotError)
