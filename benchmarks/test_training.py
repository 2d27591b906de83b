"""The trainer against sentence-transformers' own on the same batches and loss, what drawing batches takes, and what
stored hidden states save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from pytest_benchmark.fixture import BenchmarkFixture
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from benchmarks.turns import ratio, train_in_turns
from panglot.train.data.pairs import Pairs
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.steps.arguments import arguments
from panglot.train.steps.batches import BatchDrawer, BatchSampler
from panglot.train.steps.inputs import Collator, PairRows
from panglot.train.steps.loss import HybridLoss
from panglot.train.steps.trainer import HybridTrainer
from panglot.train.towers.build import build_model, learn_vocabulary
from panglot.train.towers.frozen_cache import cache_frozen_layers
from panglot.train.towers.layers import text_module

STEPS = 60


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return make_recipe(
        {
            "name": "speed",
            "prompts": {"query": "", "passage": ""},
            "text": {"kind": "static", "dimension": 256, "vocabulary": 20000},
            "data": [{"name": "ntrex"}],
            "training": {"steps": STEPS},
        }
    )


@pytest.fixture(scope="module")
def pairs(recipe: Recipe) -> Pairs:
    return read_pairs(recipe)


class InOrder:
    """Batches of neighbours, as a data set gives them whose rows already stand in the order of their batches."""

    drop_last = False

    def __init__(self, rows: int, batch: int) -> None:
        self._rows, self.batch_size = rows, batch

    def __len__(self) -> int:
        return self._rows // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(start, start + self.batch_size)) for start in range(0, self._rows, self.batch_size))


def ours(recipe: Recipe, pairs: Pairs, model: SentenceTransformer, folder: Path) -> HybridTrainer:
    return HybridTrainer(
        BatchSampler(BatchDrawer(pairs, recipe), STEPS, recipe.training.batch),
        model=model,
        args=arguments(recipe, folder),
        train_dataset=PairRows(pairs, recipe),
        data_collator=Collator(model, recipe, (), None),
        loss=HybridLoss(model, recipe),
    )


class PlainTrainer(SentenceTransformerTrainer):
    """The Trainer of sentence-transformers without its model card, which ours does not make in training either."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add none."""


def plain(recipe: Recipe, pairs: Pairs, model: SentenceTransformer, folder: Path) -> SentenceTransformerTrainer:
    """The same batches, loss, settings and logs."""
    drawer = BatchDrawer(pairs, recipe)
    rows = [row for step in range(STEPS) for row in drawer.draw(step).rows]
    texts = {"query": pairs.texts.take(pairs.query[rows]), "passage": pairs.texts.take(pairs.passage[rows])}
    settings = arguments(recipe, folder)
    settings.batch_sampler = lambda dataset, **_: InOrder(len(dataset), recipe.training.batch)
    return PlainTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(texts),
        loss=MultipleNegativesRankingLoss(model, scale=recipe.loss.scale),
    )


def test_throughput(
    benchmark: BenchmarkFixture,
    claim: Claim,
    recipe: Recipe,
    pairs: Pairs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both trainers from the same start, in turns, step by step on the same batches."""
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tensorboard"))
    mine, theirs = (
        make(recipe, pairs, build_model(recipe, pairs.texts), tmp_path / make.__name__) for make in (ours, plain)
    )
    seconds = benchmark.pedantic(train_in_turns, (mine, theirs))
    states = [trainer.model.state_dict() for trainer in (mine, theirs)]
    assert all(torch.allclose(states[0][weight], states[1][weight]) for weight in states[0])
    claim(
        f"panglot's trainer over sentence-transformers' on the same {STEPS} batches, CPU of a step",
        ratio(*seconds),
        at_most=1 / 0.97,
        ours=f"{sum(seconds[0]):.2f} CPU-s",
        plain=f"{sum(seconds[1]):.2f} CPU-s",
    )


def test_sampler(benchmark: BenchmarkFixture, claim: Claim, recipe: Recipe, pairs: Pairs, tmp_path: Path) -> None:
    """Drawing all batches of a run, over the run."""
    drawer = BatchDrawer(pairs, recipe)
    draw = Meter(lambda: list(BatchSampler(drawer, STEPS, recipe.training.batch)))
    benchmark(draw)
    train = Meter(ours(recipe, pairs, build_model(recipe, pairs.texts), tmp_path).train)
    train()
    claim(
        "drawing batches over training on them, CPU",
        draw.typical.cpu / train.total.cpu,
        at_most=0.01,
        drawing=draw.typical,
        training=train.total,
    )


SIZES = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}
"""Of a small encoder, such as multilingual-e5-small."""


def save_encoder(folder: Path, texts: Sequence[str]) -> Path:
    """Twelve layers with random weights, and a vocabulary of the texts."""
    words = learn_vocabulary(texts, 8000)
    words.add_special_tokens(["<pad>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>")
    tokenizer.save_pretrained(folder)
    BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SIZES)).save_pretrained(
        folder
    )
    return folder


def frozen_trainer(recipe: Recipe, pairs: Pairs, stored: Path | None, folder: Path) -> HybridTrainer:
    """The trainer of a recipe; the states of its frozen layers are stored, or read, where a folder is given."""
    model = build_model(recipe, pairs.texts)
    if stored:
        cache_frozen_layers(text_module(model), 6, stored)
    return HybridTrainer(
        BatchSampler(BatchDrawer(pairs, recipe), recipe.training.steps, recipe.training.batch),
        model=model,
        args=arguments(recipe, folder),
        train_dataset=PairRows(pairs, recipe),
        data_collator=Collator(model, recipe, (), None),
        loss=HybridLoss(model, recipe),
    )


def test_frozen_layers_with_stored_states(
    benchmark: BenchmarkFixture, claim: Claim, pairs: Pairs, tmp_path: Path
) -> None:
    """Training six of twelve layers from stored hidden states over training all, in turns, and encoding likewise.

    States are stored before, as they are for every arm of an ablation but the first.
    """
    base = save_encoder(tmp_path / "base", pairs.texts)
    settings = {"steps": 8, "batch": 16, "checkpoint_every": 0, "report_to": []}
    content = {"name": "x", "data": [{"name": "ntrex"}], "prompts": {"query": "", "passage": ""}, "training": settings}
    text = {"base": str(base), "length": 64}
    whole = make_recipe({**content, "text": text})
    frozen = make_recipe({**content, "text": {**text, "frozen_layers": 6, "cache_frozen": True}})
    frozen_trainer(frozen, pairs, tmp_path / "layers", tmp_path / "first").train()
    trainers = (
        frozen_trainer(frozen, pairs, tmp_path / "layers", tmp_path / "stored"),
        frozen_trainer(whole, pairs, None, tmp_path / "whole"),
    )
    seconds = benchmark.pedantic(train_in_turns, trainers)
    claim(
        "training with six of twelve layers from stored states over all twelve, CPU", ratio(*seconds), at_most=1 / 1.8
    )
    texts = pairs.texts[:32]
    encoders = [Meter(partial(trainer.model.encode, texts, show_progress_bar=False)) for trainer in trainers]
    for _ in range(6):
        for encode in encoders:
            encode()
    costs = [[call.cpu for call in encode.calls[1:]] for encode in encoders]  # the first stores the states
    claim("encoding with six of twelve layers from stored states over all twelve, CPU", ratio(*costs), at_most=1 / 1.8)
