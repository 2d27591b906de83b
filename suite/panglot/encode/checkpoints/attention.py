"""Flash attention, where it is installed and a model supports it; elsewhere transformers chooses SDPA, or eager."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from panglot.arrays import Floats, to_unit_length
from panglot.encode.card import Precision
from panglot.encode.checkpoints.loading import vectors_of

FLASH = "flash_attention_2"

PACKAGE = "flash_attn"
"""The package `kernels` has it as well, but would run code that it fetches from the Hub."""

ALIKE = 0.99
"""Least cosine of the vectors of a probe with flash attention and without it; rounding to 16 bits changes far less."""


def use_flash(model: Any, precision: Precision, devices: Sequence[str]) -> None:
    """Let a model of sentence-transformers on GPUs use flash attention if it can, and its vectors stay the same.

    Flash attention computes in 16 bits only. Some architectures lack it, and some compute other vectors once
    sentence-transformers leaves out the padding; then the model stays as it was.
    """
    on_gpu = all(device.startswith("cuda") for device in devices)
    if precision == "fp32" or not on_gpu or not find_spec(PACKAGE):
        return
    if len(devices) > 1:  # until its processes take it, the model is on the CPU
        model.to(devices[0])
    calls, before = vectors_of(model), _attention(model)
    expected = _vectors(calls)
    try:
        _set_attention(model, dict.fromkeys(before, FLASH))
        is_alike = _least_cosine(expected, _vectors(calls)) >= ALIKE
    except Exception:  # of any library: the model does without
        is_alike = False
    if not is_alike:
        _set_attention(model, before)


def _attention(model: Any) -> dict[Any, str]:
    """Return the attention of each transformer in a model."""
    from sentence_transformers.sentence_transformer.modules import Transformer

    parts = [part for part in model.modules() if isinstance(part, Transformer)]
    return {part: part.model.config._attn_implementation for part in parts}


def _set_attention(model: Any, chosen: dict[Any, str]) -> None:
    for part, attention in chosen.items():
        part.model.set_attn_implementation(attention)
        part.unpad_inputs = part.unpad_inputs  # looks again whether padding can be left out


def _vectors(calls: Sequence[Callable[[], Any]]) -> list[Floats]:
    """Return the unit vectors [inputs, dim] of each call."""
    made = [np.array(call(), np.float32) for call in calls]
    for vectors in made:
        to_unit_length(vectors)
    return made


def _least_cosine(ones: Sequence[Floats], others: Sequence[Floats]) -> float:
    return min(float((one * other).sum(axis=1).min()) for one, other in zip(ones, others, strict=True))
