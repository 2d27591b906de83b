"""The precision that a device computes in.

A GPU computes in the precision of the checkpoint unless another is requested, a CPU in fp32. bf16 is used only if there
are instructions for it, since emulation is slow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from panglot.encode.card import Precision
from panglot.encode.options import Options

FELL_BACK = (
    "Computed in fp32: this CPU has no bf16 instructions (AVX512-BF16, AMX, or Arm BF16), and emulating them is many "
    "times slower than fp32."
)


AS_STORED = "The checkpoint is stored in {}, and computed so on a GPU; --precision fp32 computes in full precision."

STORED: dict[str, Precision] = {"torch.float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "fp16"}


def computed_options(options: Options) -> Options:
    """Return the options with the precision that will be used here; None for that of the checkpoint, on GPUs.

    bf16 becomes fp32 where it would be emulated. OpenVINO reports unsupported precisions itself.
    """
    on_gpu = options.backend == "torch" and all(name.startswith("cuda") for name in _named(options.device))
    precision = options.precision or (None if on_gpu else "fp32")
    if precision == "bf16" and options.backend == "torch":
        precision = computed_precision("bf16", options.device)
    return replace(options, precision=precision)


def loaded_options(options: Options, model: Any) -> Options:
    """Return the options with the precision of a loaded model, if none was requested; its weights are made alike.

    Weights in other formats, or in bf16 for devices without it, become fp32.
    """
    if options.precision:
        return options
    stored = [str(weight.dtype) for weight in model.parameters() if weight.is_floating_point()] or ["torch.float32"]
    precision = computed_precision(STORED.get(stored[0], "fp32"), options.device)
    if {STORED.get(dtype) for dtype in stored} != {precision}:  # weights that accelerate keeps elsewhere cannot change
        {"fp32": model.float, "bf16": model.bfloat16, "fp16": model.half}[precision]()
    return replace(options, precision=precision)


def computed_precision(precision: Precision, devices: str | None = None) -> Precision:
    """Return the precision that these devices, given as for `--device`, use when `precision` is requested."""
    return "fp32" if precision == "bf16" and not all(map(has_bf16, _named(devices))) else precision


def _named(devices: str | None) -> list[str]:
    """Return the names in a list of devices, given as for `--device`; by default, or for `auto`, the fastest device."""
    from sentence_transformers.util import get_device_name

    return [name.strip() for name in (devices or "auto").replace("auto", get_device_name()).split(",")]


def has_bf16(device: str) -> bool:
    """Whether a device has bf16 instructions; True for devices other than cpu and cuda, which torch cannot query."""
    import torch

    kind = device.strip().partition(":")[0]
    if kind == "cuda" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind != "cpu":
        return True
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
