"""What needs an encoder, here a tiny one: losses, hard negatives, image towers, smaller starts, early stopping."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tokenizers import models

from panglot.errors import BadData, BadEncoder, MissingData
from panglot.files import data_from
from panglot.train.data.pairs import TextPair
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.train import train
from panglot.train.steps.batches import BatchDrawer, BatchSampler
from panglot.train.steps.inputs import PairRows
from panglot.train.steps.loss import HybridLoss
from panglot.train.towers.build import build_model
from panglot.train.towers.smaller import keep_layers, keep_tokens
from tests.helpers.killing import Killed, killing_at
from tests.helpers.letters import (
    DIMENSION,
    LANGUAGES,
    SPECIAL,
    entries,
    gradients,
    pairs_of,
    recipe_of,
    save_letters,
)

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_letters(tmp_path_factory.mktemp("base") / "letters")


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("negatives", ["batch", "hard"])
def test_small_parts_of_a_batch_give_the_gradient_of_the_whole(base: Path, negatives: str, symmetric: bool) -> None:
    """GradCache (arXiv 2101.06983): exactly the gradient, in less memory.

    In float64, where sums in another order differ by 1e-15: in float32 the difference depends on the processor.
    """
    pairs = pairs_of(entries(hard=negatives == "hard"))
    settings = {"negatives": negatives, "symmetric": symmetric}
    plain = recipe_of(base, loss=settings)
    model = build_model(plain, pairs.texts).double()
    expected, whole = gradients(model, plain, pairs)
    found, parts = gradients(model, recipe_of(base, loss={**settings, "mini_batch": 4}), pairs)
    assert found == pytest.approx(expected, rel=1e-12)
    assert parts.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-9, atol=1e-12)


class Plain(torch.nn.Module):
    """A model that takes vectors for texts."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return features


def loss_of(recipe: Recipe, *columns: list[list[float]]) -> float:
    features = [{"sentence_embedding": torch.tensor(column)} for column in columns]
    return float(HybridLoss(Plain(), recipe)(features, "mono").detach())


def test_matryoshka_is_the_mean_over_cut_vectors(base: Path) -> None:
    """Cosines 1, 0, 0, 1 in two dimensions give .1269 at scale 2; in one, where all are 1, ln 2 = .6931."""
    recipe = recipe_of(base, loss={"scale": 2.0, "matryoshka": [2, 1]})
    vectors = [[1.0, 1.0], [1.0, -1.0]]
    assert loss_of(recipe, vectors, vectors) == pytest.approx((0.12692801 + 0.69314718) / 2)


def test_hard_negatives_join_the_candidates(base: Path) -> None:
    """Each query has itself (cosine 1), the other passage (0) and both negatives (1 and 0): -ln(e² / (2e² + 2))."""
    recipe = recipe_of(base, loss={"scale": 2.0, "negatives": "hard"})
    vectors = [[1.0, 0.0], [0.0, 1.0]]
    assert loss_of(recipe, vectors, vectors, vectors[::-1]) == pytest.approx(0.12692801 + 0.69314718)


def test_hard_negatives_come_from_the_column_that_the_recipe_names(base: Path, tmp_path: Path) -> None:
    rows = [{"query": e.query, "passage": e.passage, "lang": e.language, "wrong": e.negative} for e in entries(True)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    own = {"name": "own", "source": str(tmp_path / "rows.parquet"), "language": "lang", "negative": "wrong"}
    recipe = recipe_of(base, data=[own], sampler={"kind": "mono"}, loss={"negatives": "hard"})
    pairs = read_pairs(recipe)
    row = PairRows(pairs, recipe).__getitems__([0])[0]
    assert row["negative"].split()[1:] == ["other", row["query"].split()[-1]]
    with_negatives = train(recipe, tmp_path / "hard", pairs).training.history[0]["loss"]
    without = train(recipe_of(base, data=[own], sampler={"kind": "mono"}), tmp_path / "batch", pairs)
    assert with_negatives > without.training.history[0]["loss"]


def some_negatives(share: int) -> list[TextPair]:
    """Entries of which every so many-th group lacks its negative."""
    return [entry._replace(negative=None) if int(entry.group) % share == 0 else entry for entry in entries(True)]


@pytest.mark.parametrize("mini_batch", [None, 4])
def test_rows_without_a_negative_leave_those_of_others_in_their_batch(base: Path, mini_batch: int | None) -> None:
    """By hand in float64: each query against all passages of the batch and the negatives that there are."""
    pairs = pairs_of(some_negatives(2))
    recipe = recipe_of(base, sampler={"kind": "mono"}, loss={"negatives": "hard", "mini_batch": mini_batch})
    model = build_model(recipe, pairs.texts).double()
    rows = PairRows(pairs, recipe).__getitems__(BatchDrawer(pairs, recipe).draw(0).rows)
    negatives = [row["negative"] for row in rows if "negative" in row]
    assert 0 < len(negatives) < len(rows)
    prompts = {"query": recipe.prompts.query, "passage": recipe.prompts.passage}
    asked = model.encode([prompts["query"] + row["query"] for row in rows], prompt="", convert_to_tensor=True)
    offered = [prompts["passage"] + text for text in [*(row["passage"] for row in rows), *negatives]]
    logits = 20 * asked @ model.encode(offered, prompt="", convert_to_tensor=True).T
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(len(rows)))
    found, _ = gradients(model, recipe, pairs)
    assert found == pytest.approx(float(expected), rel=1e-9)


def test_batch_without_any_negative_trains(base: Path, tmp_path: Path) -> None:
    pairs = pairs_of([entry._replace(negative=None if int(entry.group) else "en other") for entry in entries(True)])
    recipe = recipe_of(base, loss={"negatives": "hard"}, training={"steps": 4, "batch": 4, "learning_rate": 0.01})
    drawn = [PairRows(pairs, recipe).__getitems__(BatchDrawer(pairs, recipe).draw(step).rows) for step in range(4)]
    assert {any("negative" in row for row in rows) for rows in drawn} == {True, False}
    assert train(recipe, tmp_path / "tiny", pairs).training.steps == 4


def test_hard_negatives_that_cannot_be_used_are_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(base, loss={"negatives": "hard"})
    with pytest.raises(BadData, match=r"no pair has a negative\. Set data\.negative to their column"):
        train(recipe, tmp_path / "none", pairs_of(entries()))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        BadData, match="Some rows of ntrex have no negative, but several processes need one in each row"
    ):
        train(recipe, tmp_path / "some", pairs_of(some_negatives(5)))
    assert not list(tmp_path.iterdir())


def test_each_kind_of_batch_has_its_own_temperature(base: Path) -> None:
    recipe = recipe_of(base, loss={"scale": 20.0, "scales": {"mono": 2.0}})
    vectors = [[1.0, 0.0], [0.0, 1.0]]
    assert loss_of(recipe, vectors, vectors) == pytest.approx(0.12692801)
    assert HybridLoss(Plain(), recipe).scales() == pytest.approx({"mono": 2.0, "cross": 20.0})


def test_matryoshka_small_parts_and_bfloat16_train(base: Path, tmp_path: Path) -> None:
    pairs, training = pairs_of(entries()), {"steps": 2, "batch": 6, "precision": "bf16"}
    for name, loss in {"cut": {"matryoshka": [16, 8]}, "parts": {"mini_batch": 2}}.items():
        folder = train(recipe_of(base, loss=loss, training=training), tmp_path / name, pairs).folder
        assert SentenceTransformer(str(folder), device="cpu").encode(["en ask"]).shape == (1, DIMENSION)


def test_killed_run_with_dropout_resumes_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    dropping = shutil.copytree(base, tmp_path / "dropping")
    config = json.loads((dropping / "config.json").read_text(encoding="utf-8"))
    (dropping / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.3}), encoding="utf-8")
    recipe = recipe_of(dropping, training={"steps": 6, "batch": 6, "learning_rate": 0.01, "checkpoint_every": 2})
    pairs = pairs_of(entries())
    whole = train(recipe, tmp_path / "whole" / "tiny", pairs).folder
    with pytest.raises(Killed):
        train(recipe, tmp_path / "cut" / "tiny", pairs, progress=killing_at(3))
    resumed = train(recipe, tmp_path / "cut" / "tiny", pairs).folder
    expected, found = (SentenceTransformer(str(folder), device="cpu").state_dict() for folder in (whole, resumed))
    assert all(torch.equal(weight, found[name]) for name, weight in expected.items())


def test_a_data_set_as_the_hub_has_them(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of Parquet files goes the way of a name of the Hub; only the named split is read."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for split, found in {"train": entries(), "test": entries()[:1]}.items():
        rows = [{"q": e.query, "a": e.passage, "x": e.language, "n": e.group} for e in found]
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set" / f"{split}.parquet")
    columns = {"query": "q", "passage": "a", "language": "x", "group": "n"}
    recipe = recipe_of(base, data=[{"name": "own", "source": str(tmp_path / "set"), **columns}])
    assert list(read_pairs(recipe).texts) == list(pairs_of(entries()).texts)
    with pytest.raises(MissingData, match="is not a file and cannot be loaded from the Hub"):
        read_pairs(recipe_of(base, data=[{"name": "own", "source": str(tmp_path / "none"), **columns}]))


def test_only_a_base_that_states_no_pooling_gets_the_recipe_s(base: Path, tmp_path: Path) -> None:
    plain = build_model(recipe_of(base, text={"base": str(base), "pooling": "cls"}), [])
    assert plain[1].pooling_mode == "cls"
    plain.save_pretrained(str(tmp_path / "whole"))
    stated = build_model(recipe_of(base, text={"base": str(tmp_path / "whole"), "pooling": "mean"}), [])
    assert stated[1].pooling_mode == "cls"


def test_a_static_tower_starts_from_the_vectors_of_its_base(base: Path) -> None:
    """Of two tokens seen three times and once, the frequent one weighs .001 / (.001 + .75)."""
    recipe = recipe_of(base, text={"kind": "static", "base": str(base), "vocabulary": len(SPECIAL) + 3})
    module = build_model(recipe, ["aaa", "b"])[0]
    kept = {piece: module.tokenizer.token_to_id(piece) for piece in "ab▁"}
    assert None not in kept.values()
    whole = build_model(recipe_of(base), [])
    table, place = whole[0].auto_model.get_input_embeddings().weight, whole.tokenizer.convert_tokens_to_ids
    for piece, share in {"a": 3 / 10, "b": 1 / 10, "▁": 2 / 10}.items():
        expected = table[place(piece)] * 0.001 / (0.001 + share)
        torch.testing.assert_close(module.embedding.weight[kept[piece]], expected)


def test_a_smaller_start_is_the_base_with_layers_left_out(base: Path, tmp_path: Path) -> None:
    """Three of four layers are the first two and the last; texts of kept tokens are read as before."""
    texts = ["en ask 1", "de say 2 and 2"]
    vocabulary = len(SPECIAL) + len(set("▁".join(texts).replace(" ", "▁")))
    text = {"base": str(base), "length": 32, "layers": 3, "vocabulary": vocabulary}
    recipe = recipe_of(base, text=text, prompts={"query": "", "passage": ""})
    build_model(recipe, texts).save_pretrained(str(tmp_path / "smaller"))
    smaller = SentenceTransformer(str(tmp_path / "smaller"), device="cpu")
    assert smaller[0].auto_model.get_input_embeddings().num_embeddings == vocabulary

    whole = build_model(recipe_of(base), texts)
    del whole[0].auto_model.encoder.layer[2]
    np.testing.assert_allclose(smaller.encode(texts), whole.encode(texts), atol=1e-5)
    assert smaller.tokenizer("xzw")["input_ids"] == [0, smaller.tokenizer("▁")["input_ids"][1], 3, 2]


def test_texts_of_named_tasks_keep_their_vectors(base: Path) -> None:
    """Of the training texts only the most frequent token is kept; of the others all are."""
    recipe, whole = recipe_of(base, text={"base": str(base), "vocabulary": 1, "length": 32}), ["en ask 1", "de say 2"]
    trimmed, full = build_model(recipe, ["zzzz x"], whole=whole), build_model(recipe_of(base), [])
    np.testing.assert_allclose(trimmed.encode(whole), full.encode(whole), atol=1e-5)
    assert set(trimmed.tokenizer.get_vocab()) == {*SPECIAL, *"▁enask1dy2z"}


def test_impossible_smaller_start_is_refused(base: Path) -> None:
    model = build_model(recipe_of(base), [])
    with pytest.raises(BadEncoder, match="has 4 layers, not 5"):
        keep_layers(model[0], 5)
    model.tokenizer._tokenizer.model = models.WordLevel({"<unk>": 3}, unk_token="<unk>")
    with pytest.raises(BadEncoder, match="Only a Unigram vocabulary"):
        keep_tokens(model[0], ["a"], 5)


@pytest.mark.parametrize(("patience", "steps"), [(1, 2), (3, 4), (None, 6)])
def test_training_stops_after_validations_without_a_better_one(
    base: Path, tmp_path: Path, patience: int | None, steps: int
) -> None:
    """A rate of 0 never gets better than the first validation; each comes after one step."""
    rows = [{"id": n, "lang": x, "text": f"{x} {n} {n * n}"} for n in range(8) for x in LANGUAGES]
    (tmp_path / "train").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train" / "validation_flores_sib200.parquet")
    recipe = recipe_of(
        base,
        training={"steps": 6, "batch": 6, "learning_rate": 0.0},
        validation={"every": 1, "sentences": 8, "patience": patience},
    )
    with data_from(tmp_path):
        training = train(recipe, tmp_path / "models" / "tiny", pairs_of(entries())).training
    assert (training.steps, training.best_step) == (steps, 1)
    assert training.best_validation is not None
    assert 0 <= training.best_validation <= 1


class Recorder(MultipleNegativesRankingLoss):
    """The stock loss, which notes how many rows came."""

    def forward(self, sentence_features: Any, labels: Any) -> torch.Tensor:
        columns = list(sentence_features)
        self.seen = [*getattr(self, "seen", []), len(columns[0]["input_ids"])]
        return super().forward(columns, labels)


def test_the_stock_trainer_takes_the_sampler(base: Path, tmp_path: Path) -> None:
    """Its batches are the sampler's, in order: a data set that notes what is asked of it sees them."""
    pairs, asked = pairs_of(entries()), []

    def note(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        asked.append(rows["row"])
        return {"query": rows["query"], "passage": rows["passage"]}

    recipe = recipe_of(base, training={"steps": 5, "batch": 6})
    drawer = BatchDrawer(pairs, recipe)
    data = Dataset.from_dict(
        {
            "row": list(range(len(pairs))),
            "query": [pairs.texts[place] for place in pairs.query],
            "passage": [pairs.texts[place] for place in pairs.passage],
        }
    )
    model = build_model(recipe, pairs.texts)
    settings = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        max_steps=5,
        batch_sampler=lambda dataset, **others: BatchSampler(drawer, 5, 6),
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    loss = Recorder(model)
    trainer = SentenceTransformerTrainer(model=model, args=settings, train_dataset=data.with_transform(note), loss=loss)
    trainer.train()
    assert loss.seen == [6] * 5
    assert [rows for rows in asked if len(rows) == 6][-5:] == [drawer.draw(step).rows for step in range(5)]
