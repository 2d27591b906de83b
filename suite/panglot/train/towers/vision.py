"""The vision model of the image tower, and precomputed image features if it is frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from panglot.data.image import decode, in_memory
from panglot.encode.checkpoints.loading import load_fetched
from panglot.errors import BadEncoder, PanglotError
from panglot.files import write_whole
from panglot.progress import Progress, silent
from panglot.train.recipes.towers_table import LITE0, ImageTower
from panglot.train.towers.layers import freeze
from panglot.train.towers.lite0 import SIDE, write_lite0

BATCH = 32
_EMPTY = Pillow.new("RGB", (SIDE, SIDE))


class Vision(NamedTuple):
    """Modules that turn images into features, and the dimension of these."""

    modules: tuple[Any, ...]
    dimension: int


def load_vision(image: ImageTower) -> Vision:
    """Load the vision model of a recipe, with the layers frozen that are not trained.

    :raises BadEncoder: the model cannot be loaded, does not make one vector per image, or has fewer layers.
    :raises MissingExtra: EfficientNet-Lite0's package is not installed.
    """
    try:
        module = _module(image)
        modules = (module, _pooling(module, image)) if image.pooling else (module,)
        vision = Vision(modules, _features(modules).shape[1])
    except PanglotError:
        raise
    except Exception as error:
        raise BadEncoder(_not_loaded(image.base, error)) from error
    if image.frozen_layers == "all":
        module.requires_grad_(False)
    else:
        freeze(module, image.frozen_layers, "image")
    return vision


def _module(image: ImageTower) -> Transformer:
    """A transformers vision model; of an image-text model such as CLIP, only the vision encoder."""
    with TemporaryDirectory() as folder:
        if image.base != LITE0:
            return load_fetched(image.base, partial(_loaded, image, folder))
        write_lite0(Path(folder))
        return _transformer(folder, image)


def _loaded(image: ImageTower, folder: str, local: bool) -> Transformer:
    where = {"local_files_only": local}
    if not hasattr(AutoConfig.from_pretrained(image.base, **where), "vision_config"):
        return _transformer(image.base, image, local)
    AutoModel.from_pretrained(image.base, **where).vision_model.save_pretrained(folder)
    AutoImageProcessor.from_pretrained(image.base, **where).save_pretrained(folder)
    return _transformer(folder, image)


def _transformer(name: str, image: ImageTower, local: bool = False) -> Transformer:
    """A module whose output is the model's own pooled features or, to pool them otherwise, those of all places."""
    places, pooled = ("last_hidden_state", "token_embeddings"), ("pooler_output", "sentence_embedding")
    output, written = places if image.pooling else pooled
    forward = {"image": {"method": "forward", "method_output_name": output}}
    where = {f"{part}_kwargs": {"local_files_only": local} for part in ("model", "config", "processor")}
    return Transformer(name, modality_config=forward, module_output_name=written, **where)


def _pooling(module: Transformer, image: ImageTower) -> Pooling:
    """Pooling over the places of an image; several ways are concatenated."""
    with torch.no_grad():
        places = module({**module.preprocess([_EMPTY]), "modality": "image"})["token_embeddings"]
    return Pooling(places.shape[-1], pooling_mode=image.pooling)


def _features(modules: Sequence[Any]) -> np.ndarray:
    """The features of a blank image, [1, dimension]."""
    found = SentenceTransformer(modules=list(modules), device="cpu").encode([_EMPTY], show_progress_bar=False)
    if found.ndim != 2:
        raise ValueError(f"Its output for an image is an array of shape {found.shape[1:]}, not a vector")
    return found


def _not_loaded(base: str, error: Exception) -> str:
    reason = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return (
        f"image.base: {base} cannot be loaded as a vision model. {type(error).__name__}: {reason}. "
        "Use a folder or Hub model with a transformers vision or CLIP model."
    )


def image_features(vision: Vision, images: Sequence[bytes], cache: Path, progress: Progress = silent) -> torch.Tensor:
    """Features [images, dimension] of image files, computed once for each model state and set of images.

    :param cache: folder of the stored features.
    """
    digest = vision_digest(vision.modules)
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    path = cache / f"{digest.hexdigest()[:24]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        features = _encode(vision, images, progress)
        write_whole(path, lambda unfinished: _write_array(unfinished, features))
    return torch.from_numpy(np.load(path, allow_pickle=False))


def vision_digest(modules: Sequence[Any]) -> Any:
    """A sha256 of the weights of vision modules and of how they pool, to which more can be added."""
    digest = hashlib.sha256()
    for module in modules:
        for name, weight in sorted(module.state_dict().items()):
            digest.update(name.encode() + weight.cpu().numpy().tobytes())
        digest.update(repr(getattr(module, "pooling_mode", "")).encode())
    return digest


def _encode(vision: Vision, images: Sequence[bytes], progress: Progress) -> np.ndarray:
    model = SentenceTransformer(modules=list(vision.modules), device="cuda" if torch.cuda.is_available() else "cpu")
    found = []
    with progress("image features", len(images)) as advance:
        for start in range(0, len(images), BATCH):
            pictures = [decode(in_memory(data)) for data in images[start : start + BATCH]]
            found.append(model.encode(pictures, batch_size=BATCH, show_progress_bar=False))
            advance(len(pictures))
    return np.concatenate(found).astype(np.float32)


def _write_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
