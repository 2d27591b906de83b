"""Reranking: the list in another order, the rest as it was; cross-encoders, the cache, and verification."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import mixed
from panglot.encode.budget import TokenBudget
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.kinds.rerank import RerankingModel
from panglot.encode.load import load_model
from panglot.encode.model import batch_tokens, find_unpinned, sees_images
from panglot.encode.options import Options
from panglot.encode.pairs import score_pairs
from panglot.encode.reranking import RerankedScores
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder, BadResult, MissingExtra, UnknownName
from panglot.evaluate.plan import REQUESTS, SAMPLE, plan_run
from panglot.evaluate.provenance import provenance
from panglot.evaluate.run import run
from panglot.remedies.debiased import Debias
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import score_evidence
from panglot.trust.reload import choose
from panglot.trust.rerun import rerun
from tests.helpers import tiny
from tests.helpers.command import panglot as command
from tests.helpers.images import image_text
from tests.helpers.pools import parallel_questions, pool_of_letters
from tests.helpers.scores import FixedScores, Perfect, ranks_of
from tests.helpers.tasks import TASKS

POOL = parallel_questions(3, 2, ("de", "en"))
"""6 queries, 10 candidates."""
SHAPE = len(POOL.queries), len(POOL.candidates)
LETTERS = pool_of_letters()
DEPTHS = st.integers(2, 12)


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    """Scores with and without ties, of any sign and size."""
    kind = draw(st.sampled_from(["tied", "apart"]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = generator.integers(-2, 3, SHAPE) if kind == "tied" else generator.standard_normal(SHAPE)
    return (scores * draw(st.sampled_from([1e-30, 1, 1e30]))).astype(np.float32)


def _reranked(first: np.ndarray, second: np.ndarray, depth: int, pool: Pool = POOL) -> RerankedScores:
    return RerankedScores(FixedScores(first), pool, depth, lambda query, candidate: second[query, candidate])


@given(first=matrices(), second=matrices(), depth=DEPTHS)
def test_ranks_are_those_of_sorting_the_list_and_then_the_rest(
    first: np.ndarray, second: np.ndarray, depth: int
) -> None:
    found = ranks_of(_reranked(first, second, depth).block(0, SHAPE[0]))
    in_list = ranks_of(first) <= depth
    for row in range(SHAPE[0]):
        keys = [
            (in_list[row, column], second[row, column] if in_list[row, column] else first[row, column])
            for column in range(SHAPE[1])
        ]
        assert found[row].tolist() == [sum(other >= key for other in keys) for key in keys]


@given(first=matrices(), depth=DEPTHS)
def test_the_order_of_the_first_stage_gives_its_evidence_exactly(first: np.ndarray, depth: int) -> None:
    reranked = collect_evidence(POOL, _reranked(first, first, depth))
    alone = collect_evidence(POOL, FixedScores(first))
    assert (reranked.above == alone.above).all()
    assert (reranked.top == alone.top).all()


@given(first=matrices(), depth=DEPTHS)
def test_a_perfect_reranker_is_perfect_down_to_its_depth(first: np.ndarray, depth: int) -> None:
    perfect = Perfect(POOL).block(0, SHAPE[0])
    reranked = ranks_of(_reranked(first, perfect, depth).block(0, SHAPE[0]))
    before, relevant = ranks_of(first), perfect == 1
    for row in range(SHAPE[0]):
        found = relevant[row] & (before[row] <= depth)
        assert (reranked[row, found] == found.sum()).all()
        assert (reranked[row, ~found & relevant[row]] == before[row, ~found & relevant[row]]).all()


def test_a_perfect_reranker_of_everything_scores_one() -> None:
    first = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    reranked = _reranked(first, Perfect(POOL).block(0, SHAPE[0]) + first * 1e-3, SHAPE[1])
    scores = score_evidence(collect_evidence(POOL, reranked), "map", draws=2)
    for setting in scores.settings.values():
        assert [setting[name].value for name in ("map", "ndcg@10", "mrr", "recall@10")] == [1, 1, 1, 1]


def test_lists_are_scored_in_parts_of_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.random.default_rng(2).standard_normal((2, *SHAPE)).astype(np.float32)
    whole, sizes = _reranked(first, second, 3).block(0, SHAPE[0]), []

    def score(query: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        sizes.append(len(query))
        return second[query, candidate]

    monkeypatch.setattr("panglot.encode.reranking.PAIRS_TOGETHER", 7)
    assert (RerankedScores(FixedScores(first), POOL, 3, score).block(0, SHAPE[0]) == whole).all()
    assert sizes == [6, 6, 6]


def test_a_candidate_excluded_for_a_query_is_not_reranked() -> None:
    pool = Pool.of(
        ("de",),
        [Query("q", "q", "de", "g", excluded="c0")],
        [Candidate(f"c{n}", f"c{n}", "de") for n in range(4)],
        [Judgement("q", "c1")],
    )
    asked = []

    def score(query: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        asked.extend(candidate.tolist())
        return np.zeros(len(query), np.float32)

    RerankedScores(FixedScores(np.array([[4, 3, 2, 1]])), pool, 2, score)
    assert asked == [1, 2]


class Overlap:
    """Scores a pair by the words that it shares, and counts what it is asked."""

    def __init__(self, name: str = "overlap", broken: float | None = None) -> None:
        self.budget = TokenBudget(fixed=4)
        self.card = ModelCard(name=name, revision="1", library="none", similarity="none")
        self.asked: list[tuple[str, str]] = []
        self._broken = broken

    def count_tokens(self, texts: Sequence[str], role: Role) -> np.ndarray:
        return np.zeros(len(texts), np.int32)

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += pairs
        shared = [len({*one.split()} & {*other.split()}) for one, other in pairs]
        return np.array(shared if self._broken is None else [self._broken] * len(pairs), np.float32)


def test_each_distinct_pair_is_scored_once_and_kept(tmp_path: Path) -> None:
    query, candidate = np.array([0, 0, 1, 0]), np.array([2, 1, 2, 2])
    first, cache = Overlap(), VectorCache(tmp_path)
    scores = score_pairs(first, POOL, query, candidate, cache)
    assert len(first.asked) == 3
    expected = [
        len({*POOL.queries.texts[q].split()} & {*POOL.candidates.texts[c].split()})
        for q, c in zip(query, candidate, strict=True)
    ]
    assert scores.tolist() == expected
    again, other = Overlap(), Overlap("another")
    assert (score_pairs(again, POOL, query, candidate, cache) == scores).all()
    assert (again.asked, len(score_pairs(other, POOL, query, candidate, cache))) == ([], 4)
    assert len(other.asked) == 3


def test_batches_of_pairs_fit_the_budget_longest_first() -> None:
    class Counting(Overlap):
        """Counts words, and remembers the sizes of its batches; more than four pairs do not fit in its memory."""

        def __init__(self, tokens: int) -> None:
            super().__init__()
            self.card = self.card.model_copy(update={"max_length": 5})
            self.budget, self.batches = TokenBudget(fixed=tokens), list[list[int]]()

        def count_tokens(self, texts: Sequence[str], role: Role) -> np.ndarray:
            return np.array([len(text.split()) for text in texts])

        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            if len(pairs) > 4:
                raise MemoryError
            self.batches.append([min(sum(self.count_tokens(pair, "query")), 5) for pair in pairs])
            return super().score(pairs)

    pool = Pool.of(
        ["de"],
        [Query("q", "a b", "de", "g")],
        [Candidate(f"c{n}", " ".join("abcdefgh"[: 1 + n % 4]) + f"{n}", "de") for n in range(12)],
        [Judgement("q", "c0")],
    )
    everything = np.zeros(12, int), np.arange(12)
    exact = Counting(15)
    scores = score_pairs(exact, pool, *everything)
    assert exact.batches == [[5] * 3, [5] * 3, [4] * 3, [3] * 3]
    short = Counting(30)
    assert (score_pairs(short, pool, *everything) == scores).all()
    assert short.budget.tokens == 15
    assert max(map(len, short.batches)) == 3


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.encoding.SHARD_TEXTS", 4)
    cache, everything = VectorCache(tmp_path), np.divmod(np.arange(60), 10)

    class Killed(Overlap):
        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            if len(self.asked) >= 20:
                raise KeyboardInterrupt
            return super().score(pairs)

    with pytest.raises(KeyboardInterrupt):
        score_pairs(Killed(), POOL, *everything, cache)
    rest = Overlap()
    score_pairs(rest, POOL, *everything, cache)
    assert len(rest.asked) == 40


def test_an_invalid_score_names_its_pair() -> None:
    with pytest.raises(BadEncoder, match=r"NaN or infinity for the query de:q0 and the candidate en:c0"):
        score_pairs(Overlap(broken=np.nan), POOL, np.array([0]), np.array([5]))
    wrong = Overlap()
    wrong.score = lambda pairs: np.zeros((len(pairs), 2))  # type: ignore[method-assign]
    with pytest.raises(BadEncoder, match=r"scores of shape \(1, 2\) for 1 pairs. Expected \(1,\)"):
        score_pairs(wrong, POOL, np.array([0]), np.array([5]))


def test_remedies_apply_to_the_first_stage(starter: Pool) -> None:
    model = RerankingModel(Overlap(), load_model("random"), 5)
    pool = starter.only(["de", "en"])
    debiased = Debias.parse("centre").score_pool(model, pool).scores
    plain = score_pool(model, pool).scores
    assert (debiased.block(0, 9) != plain.block(0, 9)).any()


def test_images_are_refused_before_anything_is_scored() -> None:
    model = RerankingModel(Overlap(), load_model("random"), 5)
    assert not sees_images(model)
    with pytest.raises(BadEncoder, match="encodes only text, but emoji-t2i has images"):
        run(TASKS["emoji-t2i"], model)
    with pytest.raises(BadEncoder, match="reads only text"):
        score_pool(model, mixed(image_text(2, ("de", "en"))))


def test_plan_measures_pairs() -> None:
    scorer = Overlap()
    plan = plan_run(RerankingModel(scorer, load_model("bm25"), 5), POOL, None)
    assert plan
    (role,) = plan.roles
    assert (role.role, role.texts, plan.dimension) == ("pair", 30, 0)
    assert role.seconds > 0
    assert len(scorer.asked) <= SAMPLE + 1
    both = plan_run(RerankingModel(scorer, load_model("random"), 100), POOL, None)
    assert both
    assert [(role.role, role.texts) for role in both.roles] == [("query", 6), ("passage", 10), ("pair", 60)]


def test_time_of_a_few_pairs_is_not_divided_by_copies_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 pairs of 2 queries and 4 candidates are 8; a clock runs by a second for each pair that is scored."""
    scorer = Overlap()
    monkeypatch.setattr("panglot.evaluate.plan.perf_counter", lambda: float(len(scorer.asked)))
    pool = parallel_questions(1, 1, ("de", "en"))
    pairs = plan_run(RerankingModel(scorer, load_model("bm25"), 100), pool, None).roles[-1]
    assert pairs.seconds == pytest.approx(len(pool.queries) * len(pool.candidates))


def test_plan_sends_whole_requests_to_a_server() -> None:
    class Served:
        card, budget = ModelCard(name="served", revision="1", library="none", similarity="none"), TokenBudget(fixed=100)

        def __init__(self) -> None:
            self.calls: list[Sequence[tuple[str, str]]] = []

        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            self.calls.append(pairs)
            return np.ones(len(pairs))

    scorer, pool = Served(), parallel_questions(10, 2, ("de", "en"))  # 20 queries, 24 candidates
    (role,) = plan_run(RerankingModel(scorer, load_model("bm25"), 5), pool, None).roles
    assert role.texts == 20 * 5
    _, measured = scorer.calls
    per_query = [len(list(group)) for _, group in groupby(sorted(measured), lambda pair: pair[0])]
    assert per_query == [5] * REQUESTS


# Cross-encoders.


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _classifier(tmp_path_factory.mktemp("cross") / "tiny-reranker", 1)


def _classifier(folder: Path, labels: int) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    config = BertConfig(**tiny.SHAPE, initializer_range=0.5, num_labels=labels, max_position_embeddings=32)
    BertForSequenceClassification(config).save_pretrained(folder)
    tiny.tokenizer("<s> $A </s>").save_pretrained(folder)
    return folder


def test_a_cross_encoder_orders_as_its_own_library_does(cross_encoder: Path) -> None:
    from sentence_transformers import CrossEncoder

    model = load_model(f"rerank:{cross_encoder}@random?depth=14")
    found = score_pool(model, LETTERS).scores.block(0, 6)
    peer = CrossEncoder(str(cross_encoder), device="cpu")
    for query, row in zip(LETTERS.queries.texts, found, strict=True):
        ranked = peer.rank(query.strip(), [text.strip() for text in LETTERS.candidates.texts])
        scores = [each["score"] for each in sorted(ranked, key=lambda each: each["corpus_id"])]
        assert (ranks_of(np.round([scores], 5)) == ranks_of(row[None])).all()


def test_card_of_a_reranker(cross_encoder: Path) -> None:
    model = load_model(f"rerank:{cross_encoder}@bm25", Options(max_length=8))
    assert model.card.name == "rerank:tiny-reranker@bm25?depth=100"
    assert (model.card.max_length, model.card.settings, model.card.similarity) == (8, ("max_length=8",), "none")
    assert "sentence-transformers" in model.card.library
    assert "bm25s" in model.card.library
    assert "ranked 100 or better by bm25@" in model.card.note
    assert not find_unpinned(model)
    others = [f"rerank:{cross_encoder}@bm25", f"rerank:{cross_encoder}@bm25?depth=50", f"rerank:{cross_encoder}@random"]
    assert len({load_model(name).card.revision for name in others}) == 3


def test_tokens_in_a_batch_of_pairs_are_recorded(cross_encoder: Path, tmp_path: Path) -> None:
    model = load_model(f"rerank:{cross_encoder}@random?depth=2", Options(batch_tokens=300))
    assert batch_tokens(model) is None
    score_pool(model, LETTERS, VectorCache(tmp_path))
    record = provenance(model, {})
    assert (record.batch_tokens, record.hardware) == (300, "cpu, sdpa attention")
    again = load_model(f"rerank:{cross_encoder}@random?depth=2", Options(batch_tokens=300))
    score_pool(again, LETTERS, VectorCache(tmp_path))
    assert batch_tokens(again) is None  # all scores come from the cache


def test_tokens_in_a_batch_change_no_order(cross_encoder: Path) -> None:
    name = f"rerank:{cross_encoder}@random?depth=14"
    found = [
        score_pool(load_model(name, Options(batch_tokens=tokens)), LETTERS).scores.block(0, 6)
        for tokens in (None, 1, 10_000)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=1e-5)


def test_pairs_whose_tokens_cannot_be_counted_are_a_clear_error(cross_encoder: Path) -> None:
    pool = Pool.of(["de"], [Query("q", "a", "de", "g")], [Candidate("c", "b \ud800", "de")], [Judgement("q", "c")])
    with pytest.raises(BadEncoder, match="tiny-reranker failed to count tokens"):
        score_pairs(load_model(f"rerank:{cross_encoder}@bm25").pair_scorer, pool, np.array([0]), np.array([0]))


def test_the_prompt_of_a_cross_encoder_counts_once(cross_encoder: Path) -> None:
    scorer = load_model(f"rerank:{cross_encoder}@bm25").pair_scorer
    bare = [scorer.count_tokens(["a b"], role)[0] for role in ("query", "passage")]
    scorer._model.prompts, scorer._model.default_prompt_name = {"ask": "c d e "}, "ask"
    assert [scorer.count_tokens(["a b"], role)[0] for role in ("query", "passage")] == [bare[0] + 3, bare[1]]


def test_a_first_stage_keeps_its_own_parameters(cross_encoder: Path, tmp_path: Path) -> None:
    first = tiny.bare(tmp_path / "first")
    model = load_model(f"rerank:{cross_encoder}@hf:{first}?pooling=mean&depth=7")
    assert model.card.name == "rerank:tiny-reranker@first?pooling=mean?depth=7"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("rerank:", BadEncoder, "is not RERANKER@FIRST_STAGE"),
        ("rerank:org/name", BadEncoder, "is not RERANKER@FIRST_STAGE"),
        ("rerank:@bm25", BadEncoder, "is not RERANKER@FIRST_STAGE"),
        *(
            (
                f"rerank:{{}}@bm25?depth={depth}",
                BadEncoder,
                f"the depth is '{depth}'. It must be a number of at least 2",
            )
            for depth in ("", "0", "1", "-1", "1.5", "ten", "٣", "9" * 5000)
        ),
        (
            "rerank:m@http://u:secret@h@bm25",
            BadEncoder,
            "cannot be loaded|is not RERANKER@FIRST_STAGE|not a local folder",
        ),
        ("rerank:{}@no-such", UnknownName, "no-such"),
        ("rerank:{}@bm25?depth=100&x=1", BadEncoder, "the depth must come last"),
        ("rerank:{}@bm25?x=1", UnknownName, "bm25"),
    ],
)
def test_names_that_are_refused(name: str, error: Any, message: str, cross_encoder: Path) -> None:
    with pytest.raises(error, match=message) as found:
        load_model(name.format(cross_encoder))
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("name", ["rerank:{}@no-such", "rerank:m@http://h/rerank@no-such", "rrf:bm25+no-such"])
def test_unknown_first_stage_is_found_before_anything_is_loaded(
    name: str, cross_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: object) -> None:
        raise AssertionError(arguments)

    for loader in ("rerank.CrossEncoderScorer", "rerank.EndpointScorer", "rerank.load_model", "fusion.load_model"):
        monkeypatch.setattr(f"panglot.encode.kinds.{loader}", load)
    with pytest.raises(UnknownName, match="no-such"):
        load_model(name.format(cross_encoder))


def test_missing_reranker_is_found_before_first_stage_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("panglot.encode.kinds.rerank.load_model")
    with pytest.raises(BadEncoder, match="is not a model"):
        load_model(f"rerank:{tmp_path}@bm25")


def test_models_that_do_not_score_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match=r"lacks weights that its vectors depend on.*classifier"):
        load_model(f"rerank:{tiny.bare(tmp_path / 'bare')}@bm25")
    with pytest.raises(BadEncoder, match="gives 3 scores for a pair"):
        load_model(f"rerank:{_classifier(tmp_path / 'three', 3)}@bm25")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadEncoder, match="is not a model"):
        load_model(f"rerank:{tmp_path / 'empty'}@bm25")


def test_options_apply_to_one_kind_of_reranker(cross_encoder: Path) -> None:
    with pytest.raises(BadEncoder, match=r"--budget applies to an endpoint, which .*tiny-reranker is not"):
        load_model(f"rerank:{cross_encoder}@bm25", Options(budget=1.0))
    with pytest.raises(BadEncoder, match=r"--device applies to a local reranker, which h/rerank is not"):
        load_model("rerank:m@http://h/rerank@bm25", Options(device="cpu"))
    with pytest.raises(BadEncoder, match="--query-prompt"):
        load_model(f"rerank:{cross_encoder}@bm25", Options(query_prompt="x"))
    with pytest.raises(BadEncoder, match="runs on one device"):
        load_model(f"rerank:{cross_encoder}@bm25", Options(device="cpu,cpu"))


@pytest.mark.parametrize("name", ["rerank:org/name@bm25", "rerank:m@http://127.0.0.1:9/rerank@bm25?depth=100"])
def test_a_rerun_loads_no_reranker_that_only_a_result_names(name: str) -> None:
    card = ModelCard(name=name, revision="0123456789abcdef0123456789abcdef01234567", library="none", similarity="none")
    with pytest.raises(BadResult, match="neither built in nor a model of the Hub"):
        choose(card)
    assert choose(card, name).name == name


def test_a_rerun_scores_only_the_lists_of_its_sample(tmp_path: Path, starter: Pool) -> None:
    scorer = Overlap()
    model = RerankingModel(scorer, load_model("bm25"), 20)
    outcome = run(TASKS["starter"], model, ["de", "en"])
    path = outcome.save(tmp_path)
    scorer.asked.clear()
    attestation = rerun(path, outcome.record, model, starter.only(["de", "en"]), sample=5)
    assert attestation.holds
    assert 0 < len(scorer.asked) <= 5 * 20


def test_the_command_reranks_and_says_so(cross_encoder: Path, tmp_path: Path) -> None:
    arguments = ("--languages", "de,en", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"))
    done = command("run", f"rerank:{cross_encoder}@bm25?depth=3", *arguments)
    assert done.returncode == 0, done.stderr
    (shelf,) = VectorCache(tmp_path / "cache").shelves()
    assert json.loads(shelf.facts)["role"] == "pair"
    plan = command("plan", f"rerank:{cross_encoder}@bm25?depth=3", "--languages", "de,en")
    assert re.search(r"starter\s+pair\s+312\s+0", plan.stdout)
    assert "the scores of pairs take" in plan.stdout


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, cross_encoder: Path) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'panglot\[st\]'"):
        load_model(f"rerank:{cross_encoder}@bm25")
    with pytest.raises(MissingExtra, match=r"pip install 'panglot\[api\]'"):
        load_model("rerank:m@http://127.0.0.1:9/rerank@bm25")


def test_a_pair_scorer_is_asked_through_the_cache(tmp_path: Path) -> None:
    scorer = Overlap()
    model = RerankingModel(scorer, load_model("random"), 4)
    cache = VectorCache(tmp_path)
    score_pool(model, POOL, cache)
    asked = len(scorer.asked)
    score_pool(model, POOL, cache)
    assert 0 < asked == len(scorer.asked)
    assert partial(score_pairs, cache=cache)(scorer, POOL, np.array([], int), np.array([], int)).tolist() == []
