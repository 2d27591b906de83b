"""Plans: what is counted is what a run then does, and nothing is left to do once it was done."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
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
from panglot.data.pool import Pool
from panglot.data.readers.captions import image_to_text, mixed
from panglot.encode.budget import TokenBudget
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder
from panglot.evaluate.plan import BYTES_PER_SCORE, plan_run
from panglot.evaluate.speed import BATCHES, Speed, faster_settings, measure_speed
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
    assert plan is not None
    queries, candidates = plan.roles
    assert (queries.role, queries.items, queries.texts, queries.cached, queries.tokens) == ("query", 6, 6, 0, 18)
    assert (candidates.role, candidates.items, candidates.tokens) == ("passage", 9, 6 * 3 + 3 * 5)
    assert queries.truncated == {"de": 0.0, "en": 0.0, "zh": 0.0}
    assert candidates.truncated == {"de": 0.0, "en": 0.0, "zh": 1.0}
    assert plan.tokens == 18 + 33
    assert plan.seconds == queries.seconds + candidates.seconds > 0
    assert plan.dimension == 5
    assert plan.disk_bytes == 4 * 5 * (6 + 9)
    assert plan.memory_bytes == 2 * plan.disk_bytes + BYTES_PER_SCORE * 6 * 9


def _with_texts(pool: Pool, texts: tuple[str, ...]) -> Pool:
    from dataclasses import replace

    return replace(pool, candidates=replace(pool.candidates, texts=texts))


def test_a_few_batches_of_those_of_a_run_are_encoded_for_the_speed(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=200, distractors=0)
    encoder = Words()
    encoder.budget = TokenBudget(fixed=30)
    plan = plan_run(encoder, pool, None)
    assert plan is not None
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
    assert plan is not None
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


def test_plan_after_the_run_has_nothing_left(make_pool: PoolMaker, tmp_path: Path) -> None:
    pool, cache, model = make_pool(), VectorCache(tmp_path), load_model("random")
    before = plan_run(model, pool, cache)
    score_pool(model, pool, cache)
    after = plan_run(model, pool, cache)
    assert before is not None
    assert after is not None
    assert [role.cached for role in before.roles] == [0, 0]
    assert [role.cached for role in after.roles] == [9, 15]
    assert (after.seconds, after.tokens) == (0, 0)
    assert before.tokens > 0


def test_images_are_a_role_of_their_own(tmp_path: Path) -> None:
    pool = image_to_text(image_text(5, ("de", "en"), captions=2))
    cache, model = VectorCache(tmp_path), load_model("random")
    plan = plan_run(model, pool, cache)
    assert plan is not None
    captions, images = plan.roles
    assert (captions.role, captions.items, captions.texts) == ("query", 20, 20)
    assert (images.role, images.items, images.texts, images.cached, images.tokens) == ("image", 5, 5, 0, 0)
    assert images.seconds > 0
    score_pool(model, pool, cache)
    after = plan_run(model, pool, cache)
    assert after is not None
    assert [role.cached for role in after.roles] == [20, 5]


def test_a_model_of_texts_has_no_plan_for_images() -> None:
    with pytest.raises(BadEncoder, match="words encodes only text, but the task has images"):
        plan_run(Words(), image_to_text(image_text(2, ("de",))), None)


@pytest.mark.parametrize("name", ["bm25", "language-id"])
def test_models_without_vectors_take_no_plan(name: str, make_pool: PoolMaker) -> None:
    assert plan_run(load_model(name), make_pool(), None) is None


def test_plan_measures_with_the_options_of_the_run(tmp_path: Path) -> None:
    asked = ["plan", f"hf:{bare(tmp_path / 'tiny')}?pooling=mean", "--truncate-dim", "8", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert json.loads(done.stdout)["starter"]["dimension"] == 8


def test_plan_takes_every_option_of_a_run_that_moves_the_time_of_encoding() -> None:
    scoring = {"dims", "quantise", "debias", "debias_fit", "debias_language", "rank_device", "skip_damaged"}
    writing = {"out", "matrix", "retry_failed", "budget"}
    shards = {"shards", "half", "allow_missing", "engine", "address", "gpus"}
    missing = set(inspect.signature(run).parameters) - set(inspect.signature(plan).parameters)
    assert missing == scoring | writing | shards


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
    monkeypatch.setattr("panglot.evaluate.plan.plan_run", lambda model, pool, cache: None)
    tasks = [task for task in find_suite("murec") if not isinstance(task, StreamedTask)]
    monkeypatch.setattr("panglot.cli.commands.plan.find_suite", lambda name: tasks)
    done = CliRunner().invoke(app, ["plan", "use-multilingual", "--suite", "murec", "--json"], catch_exceptions=False)
    assert set(json.loads(done.stdout)) == {task.name for task in tasks if not task.has_images}
