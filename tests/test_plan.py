"""Plans: what is counted is what a run then does, and nothing is left to do once it was done."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL.Image import Image as Picture
from typer.testing import CliRunner

import panglot
from panglot.cli.commands.plan import plan
from panglot.cli.commands.run import run
from panglot.cli.main import app
from panglot.cli.names import find_suite
from panglot.data.corpus import StreamedTask
from panglot.data.pool import Items, Pool
from panglot.data.readers.captions import image_to_text, mixed
from panglot.encode.budget import TokenBudget
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.scoring import score_pool
from panglot.errors import BadData, BadEncoder, PanglotError
from panglot.evaluate.plan import BYTES_PER_SCORE, Plan, plan_run
from panglot.evaluate.speed import BATCHES, Speed, faster_settings, measure_speed
from panglot.remedies.debias import Fit, Method
from panglot.remedies.debiased import Debias
from panglot.retrieve.similarity import DenseScores
from tests.helpers.counting import Counting
from tests.helpers.images import Numbers, image_text
from tests.helpers.pools import PoolMaker
from tests.helpers.tiny import bare


class Words:
    """Counts words as tokens, of which it takes three; remembers how many texts it was asked at once."""

    def __init__(self) -> None:
        self.card = ModelCard(name="words", revision="1", library="none", max_length=3)
        self.batches: list[int] = []

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        self.batches.append(len(texts))
        return np.ones((len(texts), 5))

    def count_tokens(self, texts: Sequence[str], role: Role) -> np.ndarray:
        return np.array([len(text.split()) for text in texts])


def test_plan_counts_tokens_truncation_and_bytes(make_pool: PoolMaker) -> None:
    """Queries have three words, candidates three; with a title the Chinese candidates have five."""
    pool = make_pool(questions=2, distractors=1)
    texts = tuple(f"{text} and more" if text.endswith("zh") else text for text in pool.candidates.texts)
    plan = plan_run(Words(), _with_texts(pool, texts), None)
    queries, candidates = plan.roles
    assert (queries.role, queries.items, queries.texts, queries.cached, queries.tokens) == ("query", 6, 6, 0, 18)
    assert (candidates.role, candidates.items, candidates.tokens) == ("passage", 9, 6 * 3 + 3 * 5)
    assert queries.truncated == {"de": 0.0, "en": 0.0, "zh": 0.0}
    assert candidates.truncated == {"de": 0.0, "en": 0.0, "zh": 1.0}
    assert plan.tokens == 18 + 33
    assert plan.seconds == queries.seconds + candidates.seconds + plan.ranking_seconds > 0
    assert plan.dimension == 5
    assert plan.disk_bytes == 4 * 5 * (6 + 9)
    assert plan.memory_bytes == 2 * plan.disk_bytes + BYTES_PER_SCORE * 6 * 9


def _with_texts(pool: Pool, texts: tuple[str, ...]) -> Pool:
    return replace(pool, candidates=replace(pool.candidates, texts=texts))


def test_a_few_batches_of_those_of_a_run_are_encoded_for_the_speed(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=200, distractors=0)
    encoder = Words()
    encoder.budget = TokenBudget(fixed=30)
    plan = plan_run(encoder, pool, None)
    assert [role.texts for role in plan.roles] == [600, 600]
    assert plan.roles[0].tokens_per_second == 1800 / plan.roles[0].seconds
    assert encoder.batches == 2 * [1, *BATCHES * [10]]  # one text first, which may take longer


@pytest.mark.parametrize(("lanes", "measured"), [(1, BATCHES), (3, 6), (40, 60)])
def test_speed_is_measured_with_as_many_batches_at_once_as_a_run(lanes: int, measured: int) -> None:
    encoder = Words()
    encoder.budget, encoder.lanes = TokenBudget(fixed=3), lanes
    measure_speed(encoder, [f"text number {number}" for number in range(60)], "passage")
    assert encoder.batches == [1] * (1 + measured)


def test_plan_goes_on_where_a_run_would_when_memory_runs_out(make_pool: PoolMaker) -> None:
    encoder = Counting(memory=7)
    encoder.budget = TokenBudget(start=1000)
    plan = plan_run(encoder, make_pool(questions=200, distractors=0), None)
    assert plan.seconds > 0
    assert max(encoder.batches) <= 7


def test_images_are_measured_in_batches_of_a_run() -> None:
    class Seeing(Numbers):
        lanes, image_budget = 3, TokenBudget(fixed=2)

        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def encode_images(self, images: Sequence[Picture]) -> np.ndarray:
            self.sizes.append(len(images))
            return super().encode_images(images)

    encoder = Seeing()
    plan_run(encoder, mixed(image_text(6, ["de", "en"])), None)
    assert set(encoder.sizes) == {2}


def test_plan_names_settings_that_are_faster_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting takes a known time; one is not supported, and one is hardly faster."""
    seconds = {("torch", "fp32"): 10.0, ("torch", "bf16"): 9.5, ("openvino", "bf16"): 4.0}

    class Setting(Words):
        device, hardware = "cpu", "cpu"

        def __init__(self, options: Options) -> None:
            super().__init__()
            self.seconds = seconds[options.backend, options.precision or "fp32"]

    def load(name: str, options: Options) -> Setting:
        if (options.backend, options.precision) not in seconds:
            raise BadEncoder("not supported")
        return Setting(options)

    monkeypatch.setattr("panglot.evaluate.speed.find_spec", lambda name: True)
    monkeypatch.setattr("panglot.evaluate.speed.load_model", load)
    monkeypatch.setattr("panglot.evaluate.speed.measure_speed", lambda model, texts, role: Speed(model.seconds, 5))
    found = faster_settings("words", Options(), Setting(Options()), ["text"])
    assert found == [("--backend openvino --precision bf16", 2.5)]
    assert faster_settings("words", Options(), load_model("random"), ["text"]) is None


def test_plan_says_why_no_other_setting_was_measured(real_data: Path) -> None:
    said = (
        CliRunner().invoke(app, ["plan", "random", "--tasks", "starter", "--languages", "de", "--try-settings"]).output
    )
    assert "No other precision or backend was measured: the model supports none." in said
    said = CliRunner().invoke(app, ["plan", "random", "--tasks", "emoji-t2i", "--languages", "de", "--try-settings"])
    assert "measured: the candidates are images." in " ".join(said.output.split())


def test_plan_after_the_run_has_nothing_left(make_pool: PoolMaker, tmp_path: Path) -> None:
    pool, cache, model = make_pool(), VectorCache(tmp_path), load_model("random")
    before = plan_run(model, pool, cache)
    score_pool(model, pool, cache)
    after = plan_run(model, pool, cache)
    assert [role.cached for role in before.roles] == [0, 0]
    assert [role.cached for role in after.roles] == [9, 15]
    assert (after.seconds, after.tokens) == (after.ranking_seconds, 0)
    assert before.tokens > 0


def test_images_are_a_role_of_their_own(tmp_path: Path) -> None:
    pool = image_to_text(image_text(5, ("de", "en"), captions=2))
    cache, model = VectorCache(tmp_path), load_model("random")
    plan = plan_run(model, pool, cache)
    captions, images = plan.roles
    assert (captions.role, captions.items, captions.texts) == ("query", 20, 20)
    assert (images.role, images.items, images.texts, images.cached, images.tokens) == ("image", 5, 5, 0, 0)
    assert images.seconds > 0
    score_pool(model, pool, cache)
    after = plan_run(model, pool, cache)
    assert [role.cached for role in after.roles] == [20, 5]


def test_a_model_of_texts_has_no_plan_for_images() -> None:
    with pytest.raises(BadEncoder, match="words encodes only text, but the task has images"):
        plan_run(Words(), image_to_text(image_text(2, ("de",))), None)


@pytest.mark.parametrize("name", ["bm25", "language-id"])
def test_models_that_encode_nothing_have_only_the_time_of_ranking(name: str, make_pool: PoolMaker) -> None:
    plan = plan_run(load_model(name), make_pool(), None)
    assert (plan.roles, plan.dimension, plan.disk_bytes) == ((), 0, 0)
    assert plan.seconds == plan.ranking_seconds > 0


def test_a_fusion_has_the_roles_of_all_its_members(make_pool: PoolMaker, tmp_path: Path) -> None:
    pool, cache = make_pool(), VectorCache(tmp_path)
    score_pool(load_model("random"), pool, cache)
    plan = plan_run(load_model("rrf:random+constant+bm25"), pool, cache)
    assert [(role.model, role.role, role.cached) for role in plan.roles] == [
        ("random", "query", 9),
        ("random", "passage", 15),
        ("constant", "query", 0),
        ("constant", "passage", 0),
    ]


def test_ranking_is_extrapolated_from_the_first_queries(make_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that runs by a second for each query that is ranked, by none for anything else."""
    now, asked = 0.0, list[tuple[int, int, str | None]]()

    def rank(pool: Pool, scores: DenseScores, device: str | None = None) -> None:
        nonlocal now
        now += len(pool.queries)
        asked.append((len(pool.queries), scores.queries.shape[1], device))

    def score(evidence: None, metric: str) -> None:
        nonlocal now
        now += 0.5

    monkeypatch.setattr("panglot.evaluate.ranking_time.collect_evidence", rank)
    monkeypatch.setattr("panglot.evaluate.ranking_time.score_evidence", score)
    monkeypatch.setattr("panglot.evaluate.ranking_time.perf_counter", lambda: now)
    monkeypatch.setattr("panglot.evaluate.ranking_time.BLOCK_SCORES", 4 * 450)
    pool = make_pool(questions=100, distractors=50)  # 300 queries, 450 candidates
    scoring = 0.5 * 300 / 4
    assert plan_run(Words(), pool, None).ranking_seconds == 300 + scoring
    curve = [(2, "float32"), (0, "binary"), (2, "float32")]
    assert plan_run(Words(), pool, None, curve=curve).ranking_seconds == 900 + scoring
    assert plan_run(Words(), pool, None, rank_device="cuda:1").ranking_seconds == 300 + scoring
    assert asked == [(4, 5, None)] * 2 + [(4, 5, "cuda:1")] * 2  # a device once before


def test_plan_refuses_the_curves_that_a_run_refuses(make_pool: PoolMaker) -> None:
    with pytest.raises(BadEncoder, match="vectors have 5 dimensions, fewer than the requested 6"):
        plan_run(Words(), make_pool(), None, curve=[(6, "float32")])
    for name in ("bm25", "rrf:random+bm25"):
        with pytest.raises(BadEncoder, match="Only models that make vectors can be scored in fewer dimensions"):
            plan_run(load_model(name), make_pool(), None, curve=[(0, "int8")])


def test_queries_without_an_answer_are_planned(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=2)
    texts = tuple(f"nobody knows {number}" for number in range(30))
    asking = replace(pool, unanswered=Items(texts, texts, np.zeros(30, np.int16)))
    before, after = (plan_run(Words(), each, None) for each in (pool, asking))
    assert [role.texts for role in before.roles] == [6, 12]
    assert [role.texts for role in after.roles] == [36, 12]
    assert after.tokens == before.tokens + 3 * 30


def test_plan_goes_on_after_a_task_that_fails(real_data: Path) -> None:
    asked = ["plan", "use-multilingual", "--tasks", "storybooks-t2i,starter"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 1
    read = json.loads(done.stdout)
    assert read["storybooks-t2i"] == {"error": "use-multilingual encodes only text, but storybooks-t2i has images."}
    assert read["starter"]["dimension"] == 512
    assert "storybooks-t2i failed: use-multilingual encodes only text" in CliRunner().invoke(app, asked).stdout


def test_debiasing_is_done_and_must_suit_the_model(make_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, fitted = make_pool(questions=20), list[int]()
    fit = Method.fit

    def spy(self: Method, vectors: np.ndarray, language: np.ndarray, languages: Sequence[str]) -> Fit:
        fitted.append(vectors.shape[1])
        return fit(self, vectors, language, languages)

    monkeypatch.setattr(Method, "fit", spy)
    plan_run(Words(), pool, None, Debias.parse("centre"))
    assert fitted == [5, 5, 5]  # two halves of the queries, and the candidates, with the dimension of the model
    with pytest.raises(BadEncoder, match="bm25 does not produce vectors, so it cannot be debiased"):
        plan_run(load_model("bm25"), pool, None, Debias.parse("centre"))


def test_texts_that_debiasing_is_fitted_on_are_planned(make_pool: PoolMaker, tmp_path: Path) -> None:
    pool, file, cache = make_pool(), tmp_path / "fit.jsonl", VectorCache(tmp_path / "cache")
    rows = [{"text": f"{number} {language}", "language": language} for language in pool.languages for number in (1, 2)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    debias = Debias.parse("centre", str(file))
    plan = plan_run(load_model("random"), pool, cache, debias)
    assert [(role.role, role.texts, role.cached) for role in plan.roles[2:]] == [
        ("query (fit)", 6, 0),
        ("passage (fit)", 6, 0),
    ]
    debias.score_pool(load_model("random"), pool, cache)
    after = plan_run(load_model("random"), pool, cache, debias)
    assert [role.cached for role in after.roles] == [9, 15, 6, 6]
    file.write_text(json.dumps({"text": pool.queries.texts[0], "language": "de"}), encoding="utf-8")
    with pytest.raises(BadData, match="1 of 1 texts are queries of the task"):
        plan_run(load_model("random"), pool, cache, Debias.parse("centre", str(file)))


def test_streamed_tasks_cannot_be_planned_with_debiasing() -> None:
    asked = ["plan", "random", "--tasks", "miracl", "--debias", "centre"]
    with pytest.raises(PanglotError, match="miracl streams its passages, but --debias needs all of them in memory"):
        CliRunner().invoke(app, asked, catch_exceptions=False)


def test_plan_measures_with_the_options_of_the_run(tmp_path: Path) -> None:
    asked = ["plan", f"hf:{bare(tmp_path / 'tiny')}?pooling=mean", "--truncate-dim", "8", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert json.loads(done.stdout)["starter"]["dimension"] == 8


def test_plan_takes_every_option_of_a_run_that_moves_its_time() -> None:
    writing = {"out", "matrix", "retry_failed", "budget"}
    shards = {"shards", "half", "allow_missing", "engine", "address", "gpus"}
    missing = set(inspect.signature(run).parameters) - set(inspect.signature(plan).parameters)
    assert missing == writing | shards


def test_plan_without_the_cache_plans_to_encode_everything(tmp_path: Path) -> None:
    asked = ["plan", "random", "--languages", "en", "--cache", str(tmp_path / "cache"), "--json"]
    panglot.run("random", "starter", languages="en", cache=tmp_path / "cache")
    for options, cached in ([], 52), (["--no-cache"], 0):
        done = CliRunner().invoke(app, [*asked, *options], catch_exceptions=False)
        assert json.loads(done.stdout)["starter"]["roles"][0]["cached"] == cached


def test_plan_rejects_what_the_run_would_reject() -> None:
    with pytest.raises(BadEncoder, match="random does not support --precision"):
        CliRunner().invoke(app, ["plan", "random", "--precision", "bf16"], catch_exceptions=False)


def test_plan_of_a_suite_leaves_out_what_the_model_cannot_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.data.load.read_pool", lambda task, languages: task)
    monkeypatch.setattr("panglot.evaluate.plan.plan_run", lambda model, pool, *options: Plan((), 0, 0, 0))
    tasks = [task for task in find_suite("murec") if not isinstance(task, StreamedTask)]
    monkeypatch.setattr("panglot.cli.commands.plan.find_suite", lambda name: tasks)
    done = CliRunner().invoke(app, ["plan", "use-multilingual", "--suite", "murec", "--json"], catch_exceptions=False)
    assert set(json.loads(done.stdout)) == {task.name for task in tasks if not task.has_images}
