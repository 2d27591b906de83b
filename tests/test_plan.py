"""Plans: what is counted is what a run then does, and nothing is left to do once it was done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.cli.names import find_suite
from panglot.data.corpus import StreamedTask
from panglot.data.pool import Pool
from panglot.data.readers.captions import image_to_text
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.load import load_model
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder
from panglot.evaluate.plan import SAMPLE, plan_run
from panglot.retrieve.ranking import BLOCK_SCORES
from tests.helpers.images import image_text
from tests.helpers.pools import PoolMaker
from tests.helpers.tiny import bare


class Words:
    """Counts words as tokens, of which it takes three; remembers what it was asked."""

    def __init__(self) -> None:
        self.card = ModelCard(name="words", revision="1", library="none", max_length=3)
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        self.asked += texts
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
    assert plan.memory_bytes == 2 * plan.disk_bytes + 12 * BLOCK_SCORES


def _with_texts(pool: Pool, texts: tuple[str, ...]) -> Pool:
    from dataclasses import replace

    return replace(pool, candidates=replace(pool.candidates, texts=texts))


def test_a_few_texts_are_encoded_for_the_speed(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=200, distractors=0)
    encoder = Words()
    plan = plan_run(encoder, pool, None)
    assert plan is not None
    assert [role.texts for role in plan.roles] == [600, 600]
    assert 2 * SAMPLE <= len(encoder.asked) <= 4 * SAMPLE


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
