"""Flash attention is used where it is installed, the model supports it, and its vectors stay the same.

Other functions under other names stand in for it, since it needs a GPU; transformers switches to them in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from panglot.encode.card import Precision
from panglot.encode.checkpoints import attention
from panglot.encode.checkpoints.attention import use_flash
from panglot.encode.checkpoints.devices import describe
from tests.helpers.tiny import bare


def wrong(*inputs: Any, **settings: Any) -> Any:
    """Attention to something else."""
    found, weights = sdpa_attention_forward(*inputs, **settings)
    return -9 * found, weights


def failing(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no kernel for this GPU")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name, function in (("twin", sdpa_attention_forward), ("wrong", wrong), ("failing", failing)):
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, sdpa_mask)
    return bare(tmp_path_factory.mktemp("models") / "bare")


@pytest.mark.parametrize(
    ("installed", "precision", "device", "flash", "expected"),
    [
        (True, "bf16", "cuda:0", "twin", "twin"),
        (False, "bf16", "cuda:0", "twin", "sdpa"),
        (True, "fp32", "cuda:0", "twin", "sdpa"),
        (True, "bf16", "cpu", "twin", "sdpa"),
        (True, "fp16", "cuda:0", "wrong", "sdpa"),
        (True, "fp16", "cuda:0", "failing", "sdpa"),
        (True, "fp16", "cuda:0", "flash_attention_2", "sdpa"),  # transformers refuses it without a GPU
    ],
)
def test_flash_attention_is_used_where_it_can_be(
    installed: bool,
    precision: Precision,
    device: str,
    flash: str,
    expected: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "FLASH", flash)
    monkeypatch.setattr(attention, "PACKAGE", "torch" if installed else "flash_attn_of_nobody")
    model = SentenceTransformer(str(folder), device="cpu")
    before = model.encode(["a b c", "d"])
    use_flash(model, precision, [device])
    assert describe(model, ["cpu"]) == f"cpu, {expected} attention"
    assert model.encode(["a b c", "d"]) == pytest.approx(before, abs=1e-6)
