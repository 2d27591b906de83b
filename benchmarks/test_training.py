"""The trainer against sentence-transformers' own on the same batches and loss, what drawing batches takes, and what
stored hidden states save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from pytest_benchmark.fixture import BenchmarkFixture
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter
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


def plain(recipe: Recipe, pairs: Pairs, model: SentenceTransformer, folder: Path) -> SentenceTransformerTrainer:
    drawer = BatchDrawer(pairs, recipe)
    rows = [row for step in range(STEPS) for row in drawer.draw(step).rows]
    texts = {
        "query": [pairs.texts[place] for place in pairs.query[rows]],
        "passage": [pairs.texts[place] for place in pairs.passage[rows]],
    }
    settings = arguments(recipe, folder)
    settings.report_to = []
    settings.batch_sampler = lambda dataset, **_: InOrder(len(dataset), recipe.training.batch)
    return SentenceTransformerTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(texts),
        loss=MultipleNegativesRankingLoss(model, scale=recipe.loss.scale),
    )


def test_throughput(benchmark: BenchmarkFixture, claim: Claim, recipe: Recipe, pairs: Pairs, tmp_path: Path) -> None:
    """Both trainers from the same start, in turns, the faster of three runs of each."""
    costs: dict[str, list[Cost]] = {"ours": [], "plain": []}
    states = {}
    for turn in range(3):
        for name, make in (("ours", ours), ("plain", plain)):
            trainer = make(recipe, pairs, build_model(recipe, pairs.texts), tmp_path / f"{name}{turn}")
            run = Meter(trainer.train)
            benchmark.pedantic(run) if (name, turn) == ("ours", 0) else run()
            costs[name].append(run.total)
            states[name] = trainer.model.state_dict()
    assert all(torch.allclose(states["ours"][weight], states["plain"][weight]) for weight in states["ours"])
    best = {name: min(found, key=lambda cost: cost.cpu) for name, found in costs.items()}
    claim(
        f"panglot's trainer over sentence-transformers' on the same {STEPS} batches, CPU",
        best["ours"].cpu / best["plain"].cpu,
        at_most=1 / 0.97,
        **best,
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


def test_frozen_layers_with_stored_states(
    benchmark: BenchmarkFixture, claim: Claim, pairs: Pairs, tmp_path: Path
) -> None:
    """Training six of twelve layers from stored hidden states over training all, and scoring likewise.

    States are stored before the clock starts, as they are for every arm of an ablation but the first; what the first
    costs is printed beside it.
    """
    base = save_encoder(tmp_path / "base", pairs.texts)
    steps: dict[str, Cost] = {}
    scoring: dict[str, Cost] = {}
    texts = list(pairs.texts[:128])
    settings = {"steps": 4, "batch": 32, "checkpoint_every": 0}
    content = {"name": "x", "data": [{"name": "ntrex"}], "prompts": {"query": "", "passage": ""}, "training": settings}
    frozen = {"frozen_layers": 6, "cache_frozen": True}
    for name, own in (("whole", {}), ("first", frozen), ("stored", frozen)):
        recipe = make_recipe({**content, "text": {"base": str(base), "length": 64, **own}})
        model = build_model(recipe, pairs.texts)
        if own:
            cache_frozen_layers(text_module(model), 6, tmp_path / "layers")
        trainer = HybridTrainer(
            BatchSampler(BatchDrawer(pairs, recipe), settings["steps"], settings["batch"]),
            model=model,
            args=arguments(recipe, tmp_path / name),
            train_dataset=PairRows(pairs, recipe),
            data_collator=Collator(model, recipe, (), None),
            loss=HybridLoss(model, recipe),
        )
        run = Meter(trainer.train)
        benchmark.pedantic(run) if name == "stored" else run()
        steps[name] = run.total
        encode = Meter(partial(model.encode, texts, show_progress_bar=False))
        encode()
        scoring[name] = encode.total
    for what, costs, least in (("training", steps, 1.8), ("encoding", scoring, 1.6)):  # tokenizing is in both
        claim(
            f"{what} with six of twelve layers from stored states over all twelve, CPU",
            costs["stored"].cpu / costs["whole"].cpu,
            at_most=1 / least,
            **costs,
        )
