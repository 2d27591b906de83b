"""The precision that a device computes in: bf16 only if it has the instructions, since emulation is slow."""

from __future__ import annotations

from dataclasses import replace

from panglot.encode.card import Precision
from panglot.encode.options import Options

FELL_BACK = (
    "Computed in fp32: this CPU has no bf16 instructions (AVX512-BF16, AMX, or Arm BF16), and emulating them is many "
    "times slower than fp32."
)


def computed_options(options: Options) -> Options:
    """Return the options with the precision that will be used here: fp32 instead of emulated bf16.

    OpenVINO reports unsupported precisions itself.
    """
    if options.precision != "bf16" or options.backend == "openvino":
        return options
    return replace(options, precision=computed_precision("bf16", options.device))


def computed_precision(precision: Precision, devices: str | None = None) -> Precision:
    """Return the precision that these devices, given as for `--device`, use when `precision` is requested."""
    from sentence_transformers.util import get_device_name

    named = (devices or get_device_name()).split(",")
    return "fp32" if precision == "bf16" and not all(map(has_bf16, named)) else precision


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
