"""Training parts of an encoder: frozen layers with and without their cache, LoRA, and learning rates by layer."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from panglot.errors import BadData, BadEncoder
from panglot.results.result_record import read_result_record
from panglot.train.data.pairs import Pairs, PairsBuilder, TextPair
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.recipes.training_table import Schedule
from panglot.train.run.score import score_folder
from panglot.train.run.train import Trained, train
from panglot.train.steps.arguments import arguments
from panglot.train.steps.callbacks import KeepState
from panglot.train.steps.validate import Bitext
from panglot.train.towers.build import build_model
from panglot.train.towers.hidden_states import StateStore
from panglot.train.towers.layers import layer_rates
from tests.helpers.killing import Killed, killing_at
from tests.helpers.tasks import TASKS
from tests.helpers.tiny import bare, change_json, change_weights

pytestmark = pytest.mark.usefixtures("no_curves")

TEXTS = ["a b", "c d a b a", "b", "d c b a"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of four layers, with dropout."""
    return bare(tmp_path_factory.mktemp("base") / "bert", num_hidden_layers=4)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """256 pairs; texts of two to six words recur in many of them."""
    builder = PairsBuilder(("en",))
    words = [" ".join(chosen) for chosen in product("abcd", repeat=4)]
    builder.add_texts(
        "terms", [TextPair(str(n), "en", text, f"{text[::-1]} a b"[: 3 + n % 9]) for n, text in enumerate(words)]
    )
    return builder.build()


def recipe(base: Path, text: dict[str, Any] | None = None, **training: Any) -> Recipe:
    return make_recipe(
        {
            "name": "x",
            "languages": ["en"],
            "text": {"base": str(base), "length": 32, **(text or {})},
            "data": [{"name": "terms"}],
            "sampler": {"kind": "mono", "cloze": 0, "apart": False},
            "training": {"steps": 6, "batch": 4, "learning_rate": 1e-3, "checkpoint_every": 2, **training},
        }
    )


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return SentenceTransformer(str(trained.folder), device="cpu").state_dict()


def losses(trained: Trained) -> list[float]:
    return [entry["loss"] for entry in trained.training.history if "loss" in entry]


def test_frozen_layers_keep_their_weights_and_the_others_change(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    before = SentenceTransformer(modules=list(build_model(recipe(base), ()))).state_dict()
    after = weights(train(recipe(base, {"frozen_layers": 2}), tmp_path / "x", pairs))
    kept = {name for name, weight in before.items() if torch.equal(weight, after[name])}
    assert all(
        ("embeddings" in name or ".0." in name.partition("layer")[2] or ".1." in name.partition("layer")[2])
        or "pooler" in name
        for name in kept
    )
    assert {name.split("layer.")[1][0] for name in before.keys() - kept} == {"2", "3"}
    assert any("word_embeddings" in name for name in kept)


def test_freezing_every_layer_is_refused(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match="has 4 layers, so at most 3 can be frozen"):
        train(recipe(base, {"frozen_layers": 4}), tmp_path / "x", pairs)


def cached(base: Path, **training: Any) -> Recipe:
    return recipe(base, {"frozen_layers": 2, "cache_frozen": True}, **training)


def test_cached_layers_train_the_model_that_frozen_layers_train(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    """Dropout of the trained layers included: only the rounding to float16 differs."""
    plain = train(recipe(base, {"frozen_layers": 2}), tmp_path / "plain", pairs)
    stored = train(cached(base), tmp_path / "stored", pairs)
    assert losses(stored) == pytest.approx(losses(plain), abs=1e-2)
    one, other = (SentenceTransformer(str(trained.folder), device="cpu").encode(TEXTS) for trained in (plain, stored))
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert len(list((tmp_path / "layers").glob("*/*.states"))) == 1


def test_stored_states_are_used_by_later_runs_and_by_scoring(
    base: Path, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(cached(base), tmp_path / "first", pairs)
    with monkeypatch.context() as patched:
        patched.setattr("panglot.train.towers.frozen_cache._FrozenLayers._computed", None)
        again = train(cached(base), tmp_path / "again", pairs)
    assert losses(again) == losses(first)
    model = SentenceTransformer(str(first.folder), device="cpu").state_dict()
    assert all(torch.equal(weight, model[name]) for name, weight in weights(again).items())


@pytest.fixture(scope="module")
def whole(base: Path, pairs: Pairs, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """What a run that nobody stops trains."""
    return train(cached(base), tmp_path_factory.mktemp("whole") / "x", pairs)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_killed_run_with_cached_layers_resumes_to_the_same_weights(
    base: Path, pairs: Pairs, whole: Trained, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        train(cached(base), tmp_path / "cut" / "x", pairs, progress=killing_at(step))
    resumed = train(cached(base), tmp_path / "cut" / "x", pairs)
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_scores_with_cached_layers_are_those_of_the_saved_model(whole: Trained, tmp_path: Path) -> None:
    layers = whole.folder.parent / "layers"
    known = sum(path.stat().st_size for path in layers.rglob("*.states"))
    paths = {
        name: score_folder(whole.folder, [TASKS["starter"]], tmp_path / name, frozen=frozen)
        for name, frozen in (("plain", None), ("stored", (2, layers)))
    }
    assert sum(path.stat().st_size for path in layers.rglob("*.states")) > known
    one, other = (read_result_record(paths[name][0]) for name in ("plain", "stored"))
    assert one.settings["multi"]["map"].value == pytest.approx(other.settings["multi"]["map"].value, abs=1e-3)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 40))
def test_store_returns_what_was_stored_and_survives_a_torn_file(
    tmp_path_factory: Any, lengths: list[int], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    random = np.random.default_rng(1)
    states = {bytes([n]) + bytes(15): random.random((length, 3)).astype(np.float16) for n, length in enumerate(lengths)}
    store = StateStore(folder, 3)
    store.add(states)
    for opened in (store, StateStore(folder, 3)):
        assert len(opened) == len(states)
        assert all(np.array_equal(opened.read(key), own) for key, own in states.items())
    file = next(folder.glob("*.states"))
    file.write_bytes(file.read_bytes()[:-cut] if cut else file.read_bytes())
    torn = StateStore(folder, 3)
    assert all(np.array_equal(torn.read(key), own) for key, own in states.items() if key in torn)
    assert (len(torn) == len(states)) == (cut == 0)


@pytest.mark.parametrize("model", ["Roberta", "MPNet", "DistilBert", "ModernBert", "Llama"])
def test_common_architectures_start_from_stored_states(model: str, pairs: Pairs, tmp_path: Path) -> None:
    shape: dict[str, Any] = {"num_hidden_layers": 3}
    if model == "DistilBert":
        shape = {"n_layers": 3, "dim": 16, "hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 3}
    if model == "Llama":
        shape |= {"num_key_value_heads": 2}
    if model == "ModernBert":
        shape |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    made = bare(tmp_path / model, model=model, **shape)
    trained = train(recipe(made, {"frozen_layers": 1, "cache_frozen": True}, steps=2), tmp_path / "x", pairs)
    assert trained.training.steps == 2


def lora(base: Path, **settings: Any) -> Recipe:
    return recipe(base, {"lora": {"r": 2, "lora_alpha": 4, "target_modules": ["query"], **settings}})


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft asks of transformers is deprecated there
        yield


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("merged", [True, False])
def test_lora_trains_only_the_adapter_and_loads_again(base: Path, pairs: Pairs, tmp_path: Path, merged: bool) -> None:
    trained = train(lora(base, merged=merged), tmp_path / "x", pairs)
    assert bool(list(trained.folder.rglob("adapter_config.json"))) == (not merged)
    start = SentenceTransformer(modules=list(build_model(recipe(base), ())), device="cpu")
    made = SentenceTransformer(str(trained.folder), device="cpu")
    assert np.abs(start.encode(TEXTS) - made.encode(TEXTS)).max() > 1e-4
    if merged:
        one, other = start.state_dict(), made.state_dict()
        assert one.keys() == other.keys()
        assert {n.split("attention.")[1] for n in one if not torch.equal(one[n], other[n])} == {"self.query.weight"}


@pytest.mark.usefixtures("quiet")
def test_killed_lora_run_resumes_to_the_same_weights(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    whole = train(lora(base), tmp_path / "whole" / "x", pairs)
    with pytest.raises(Killed):
        train(lora(base), tmp_path / "cut" / "x", pairs, progress=killing_at(3))
    expected, found = weights(whole), weights(train(lora(base), tmp_path / "cut" / "x", pairs))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.usefixtures("quiet")
def test_lora_without_its_layers_is_refused(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match=r"text\.lora: .* Set text\.lora\.target_modules"):
        train(lora(base, target_modules=["nothing"]), tmp_path / "x", pairs)


def test_learning_rates_fall_from_layer_to_layer(base: Path) -> None:
    made = recipe(base, {"frozen_layers": 1}, layer_decay=0.5, learning_rate=1.0)
    rates = layer_rates(build_model(made, ()), made)
    assert list(rates.values()) == [0.25, 0.5, 1.0]
    assert [name.split("layer")[1] for name in rates] == [r"\.1\.", r"\.2\.", r"\.3\."]


def test_rates_of_layers_reach_the_optimiser(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    """With a decay of 1e-9 only the last layer moves."""
    before = SentenceTransformer(modules=list(build_model(recipe(base), ()))).state_dict()
    after = weights(train(recipe(base, layer_decay=1e-9, weight_decay=0), tmp_path / "x", pairs))
    moved = {name.split("layer.")[1][0] for name in before if (before[name] - after[name]).abs().max() > 1e-6}
    assert moved == {"3"}


def test_accumulated_batches_make_the_steps_of_their_mean_gradient(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    """Without a change of weights, a step of two batches has the mean of their losses."""
    single = losses(train(recipe(base, learning_rate=0.0, steps=4), tmp_path / "one", pairs))
    double = losses(
        train(recipe(base, learning_rate=0.0, steps=2, gradient_accumulation_steps=2), tmp_path / "two", pairs)
    )
    assert len(double) == 2
    assert double == pytest.approx([np.mean(single[:2]), np.mean(single[2:])], abs=0.3)


def test_gradient_checkpointing_trains_the_same_model(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    plain = train(recipe(base), tmp_path / "plain", pairs)
    spared = train(recipe(base, gradient_checkpointing=True), tmp_path / "spared", pairs)
    assert losses(spared) == pytest.approx(losses(plain), abs=1e-5)


def test_half_precision_checkpoint_is_trained_in_single_precision(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    """In float16, Adam's updates vanish or overflow."""
    half = tmp_path / "half"
    shutil.copytree(base, half)
    change_weights(half / "model.safetensors", lambda all_: {name: tensor.half() for name, tensor in all_.items()})
    change_json(half / "config.json", dtype="float16")
    after = weights(train(recipe(half, steps=2), tmp_path / "x", pairs))
    assert {weight.dtype for weight in after.values() if weight.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(weight).all() for weight in after.values())


def test_checkpoints_are_kept_beside_validations(
    base: Path, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation at steps 4 and 8, checkpoints at every third: killed after step 7, the run goes on from step 6."""
    saved = []
    monkeypatch.setattr(KeepState, "on_save", _noting(saved, KeepState.on_save))
    monkeypatch.setattr(
        "panglot.train.steps.validate.read_bitext", lambda recipe: Bitext(("en", "de"), [TEXTS, TEXTS[::-1]])
    )
    content = recipe(base, steps=8, checkpoint_every=3).model_dump() | {"validation": {"every": 4}}
    made = make_recipe(content)
    with pytest.raises(Killed):
        train(made, tmp_path / "x", pairs, progress=killing_at(7))
    assert saved == [3, 4, 6]
    trained = train(made, tmp_path / "x", pairs)
    assert saved == [3, 4, 6, 8]
    assert trained.training.best_step in (4, 8)
    assert not list((tmp_path / "x.training").glob("checkpoint-*"))


def _noting(saved: list[int], on_save: Any) -> Any:
    def noting(self: KeepState, args: Any, state: Any, control: Any, **others: Any) -> None:
        saved.append(state.global_step)
        on_save(self, args, state, control, **others)

    return noting


def test_time_is_counted_over_resumed_runs(base: Path, pairs: Pairs, tmp_path: Path) -> None:
    made = recipe(base)
    with pytest.raises(Killed):
        train(made, tmp_path / "x", pairs, progress=killing_at(3))
    state = next((tmp_path / "x.training").glob("checkpoint-2")) / "panglot.json"
    state.write_text(json.dumps(json.loads(state.read_text("utf-8")) | {"seconds": 1000.0}), encoding="utf-8")
    assert train(made, tmp_path / "x", pairs).training.seconds > 1000


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"report_to": ["wandb"]}, "training: .*wandb"),
        ({"report_to": ["nothing"]}, "training: nothing is not supported"),
        ({"optim": "nothing"}, "training: .*nothing"),
        ({"lr_scheduler_kwargs": {"nothing": 1}}, r"training\.lr_scheduler_kwargs: .*nothing"),
        ({"lr_scheduler_type": "warmup_stable_decay"}, r"training\.lr_scheduler_kwargs: .*decay"),
        ({"learning_rate_mapping": {"nothing": 1.0}}, "'nothing' matches no weight"),
        ({"learning_rate_mapping": {"(": 1.0}}, "is not a regular expression"),
    ],
)
def test_setting_that_the_trainer_rejects_is_reported_before_the_first_step(
    base: Path, pairs: Pairs, tmp_path: Path, training: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadData, match=said):
        train(recipe(base, **training), tmp_path / "x", pairs)


def test_arguments_of_the_trainer_are_passed_on_by_name(tmp_path: Path) -> None:
    passed = {"lr_scheduler_type": "cosine", "adam_beta2": 0.98, "max_grad_norm": 0.5, "gradient_accumulation_steps": 3}
    found = arguments(recipe(tmp_path, **passed), tmp_path)
    assert {name: getattr(found, name) for name in passed} == passed


def test_default_checkpoints_are_a_tenth_of_the_steps_at_most_500() -> None:
    found = {steps: Schedule(steps=steps).checkpoint_steps for steps in (1, 9, 60, 300, 100_000)}
    assert found == {1: 1, 9: 1, 60: 6, 300: 30, 100_000: 500}
    assert Schedule(checkpoint_every=0).checkpoint_steps == 0


@pytest.mark.parametrize(
    ("text", "training", "said"),
    [
        ({"kind": "static", "base": None, "frozen_layers": 1}, {}, "frozen_layers is not allowed"),
        ({"kind": "static", "base": None, "lora": {}}, {}, "lora is not allowed"),
        ({"cache_frozen": True}, {}, "cache_frozen needs frozen_layers of at least 1"),
        ({"frozen_layers": 1, "cache_frozen": True}, {"dataloader_num_workers": 1}, "dataloader_num_workers = 0"),
        ({"lora": {"merged": False}, "layers": 2}, {}, "needs the whole base"),
        ({"kind": "static", "base": None}, {"layer_decay": 0.9}, "layer_decay is not allowed"),
        ({}, {"lr_scheduler_type": "nothing"}, "lr_scheduler_type"),
        ({}, {"output_dir": "x"}, "output_dir: unknown key"),
    ],
)
def test_settings_that_do_not_fit_are_reported(
    tmp_path: Path, text: dict[str, Any], training: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadData, match=said):
        recipe(tmp_path, text, **training)
