"""Vision models in training: frozen or not, beside a text tower or alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sentence_transformers import (
    SentenceTransformer,
)

from panglot.encode.load import load_model
from panglot.encode.model import SeesImages
from panglot.errors import BadEncoder
from panglot.train.data.pairs import ImageCaption, PairsBuilder
from panglot.train.recipes.towers_table import ImageTower
from panglot.train.run.train import train
from panglot.train.towers.build import build_model
from panglot.train.towers.vision import load_vision
from tests.helpers.letters import (
    DIMENSION,
    LANGUAGES,
    entries,
    gradients,
    recipe_of,
    save_letters,
)

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_letters(tmp_path_factory.mktemp("base") / "letters")


def picture(number: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module", params=["vit", "clip-vision", "clip"])
def vision(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision model of random weights, as the Hub has them; `clip` is one of texts too."""
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel, ViTConfig, ViTModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("vision") / request.param
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    if request.param == "vit":
        ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes)).save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    else:
        sees = CLIPVisionConfig(image_size=32, patch_size=16, **sizes)
        reads = {**sizes, "hidden_size": 4, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 2}
        whole = CLIPConfig(text_config=reads, vision_config=sees.to_dict(), projection_dim=6)
        (CLIPModel(whole) if request.param == "clip" else CLIPVisionModel(sees)).save_pretrained(folder)
        side = {"height": 32, "width": 32}
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("frozen", [True, False])
def test_a_vision_model_of_one_s_own_learns_only_where_it_is_not_frozen(
    base: Path, vision: Path, frozen: bool, tmp_path: Path
) -> None:
    builder = PairsBuilder(LANGUAGES)
    captions = [ImageCaption(str(n), x, f"{x} picture {n}") for n in range(6) for x in LANGUAGES]
    builder.add_texts("ntrex", entries())
    builder.add_images("emoji", captions, {str(n): picture(n) for n in range(6)})
    recipe = recipe_of(
        base,
        image={"base": str(vision), "frozen": frozen},
        images=[{"name": "emoji"}],
        sampler={"gamma": 1.0},
    )
    folder = train(recipe, tmp_path / "models" / "seeing", builder.build()).folder
    trained = SentenceTransformer(str(folder), device="cpu")
    before = SentenceTransformer(modules=[build_vision(vision)], device="cpu").state_dict()
    after = {name.partition("sub_modules.image.0.")[2]: weight for name, weight in trained.state_dict().items()}
    same = [torch.equal(weight, after[name.removeprefix("0.")]) for name, weight in before.items()]
    assert all(same) if frozen else not all(same)
    model = load_model(str(folder))
    assert isinstance(model, SeesImages)
    assert model.encode_images([Pillow.open(io.BytesIO(picture(0)))]).shape == (1, DIMENSION)


def test_image_batches_can_leave_the_text_tower_alone(base: Path, vision: Path) -> None:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", entries())
    captions = [ImageCaption(str(n), "en", f"picture {n}") for n in range(6)]
    builder.add_images("emoji", captions, {str(n): picture(n) for n in range(6)})
    pairs = builder.build()
    for frozen in (False, True):
        recipe = recipe_of(
            base,
            text={"base": str(base), "length": 32, "frozen_for_images": frozen},
            image={"base": str(vision)},
            images=[{"name": "emoji"}],
            sampler={"gamma": 1.0},
        )
        tower = load_vision(ImageTower(base=str(vision)))
        features = torch.ones(len(pairs.images), tower.dimension)
        found = gradients(build_model(recipe, pairs.texts, tower), recipe, pairs, features)[1]
        assert any(".text." in name for name in found) != frozen
        assert any(".image.1." in name for name in found)


@pytest.mark.parametrize("frozen", [True, False])
def test_image_batches_in_parts_have_the_gradient_of_the_whole(base: Path, vision: Path, frozen: bool) -> None:
    builder = PairsBuilder(LANGUAGES)
    captions = [ImageCaption(str(n), "en", f"picture {n}") for n in range(6)]
    builder.add_images("emoji", captions, {str(n): picture(n) for n in range(6)})
    pairs = builder.build()
    image = {"base": str(vision), "frozen": frozen}
    parts = {"image": image, "images": [{"name": "emoji"}], "sampler": {"gamma": 1.0}}
    found = []
    for size in (None, 4):
        recipe = recipe_of(base, **parts, data=[], loss={"mini_batch": size})
        tower = load_vision(ImageTower(**image))
        features = torch.arange(6.0)[:, None] * torch.ones(tower.dimension) if frozen else None
        found.append(gradients(build_model(recipe, pairs.texts, tower), recipe, pairs, features))
    (whole, expected), (parted, gradient) = found
    assert parted == pytest.approx(whole, rel=1e-5)
    assert gradient.keys() == expected.keys()
    assert any(".image.0." in name for name in gradient) != frozen
    assert all(torch.allclose(gradient[name], expected[name], atol=1e-5) for name in expected)


def build_vision(folder: Path) -> Any:
    return load_vision(ImageTower(base=str(folder))).module


def test_of_a_model_that_reads_and_sees_only_the_part_that_sees_is_taken(vision: Path) -> None:
    tower = load_vision(ImageTower(base=str(vision)))
    assert tower.dimension == 8
    assert not any("text" in name for name, _ in tower.module.named_parameters())


def test_an_image_encoder_without_vectors_is_reported(base: Path, tmp_path: Path) -> None:
    from transformers import ResNetConfig, ResNetModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    (tmp_path / "empty").mkdir()
    maps = tmp_path / "maps"
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])).save_pretrained(maps)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(maps)
    for folder, said in ((tmp_path / "empty", ""), (base, ""), (maps, "is an array of shape")):
        with pytest.raises(BadEncoder, match=rf"image\.base: .*{said}.* Use a folder or Hub model"):
            build_vision(folder)
