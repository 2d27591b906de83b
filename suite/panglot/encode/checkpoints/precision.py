"""In which precision a device computes: bf16 only where it has instructions for it, since emulation is slow."""

from __future__ import annotations

from dataclasses import replace

from panglot.encode.model import Options, Precision

FELL_BACK = (
    "Computed in fp32: this processor has no bf16 instructions (AVX512-BF16, AMX, or bf16 of ARM), and emulating them "
    "is many times slower than fp32."
)


def computed_options(options: Options) -> Options:
    """The options with the precision in which they will be computed here: fp32 in place of an emulated bf16.

    OpenVINO says itself what it can compute.
    """
    if options.precision != "bf16" or options.backend == "openvino":
        return options
    return replace(options, precision=computed_precision("bf16", options.device))


def computed_precision(precision: Precision, devices: str | None = None) -> Precision:
    """The precision in which these devices, named as for `--device`, compute what is asked for in another one."""
    from sentence_transformers.util import get_device_name

    named = (devices or get_device_name()).split(",")
    return "fp32" if precision == "bf16" and not all(map(has_bf16, named)) else precision


def has_bf16(device: str) -> bool:
    """Whether a device has instructions for bf16; for kinds other than cpu and cuda, which torch does not ask, true."""
    import torch

    kind = device.strip().partition(":")[0]
    if kind == "cuda" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind != "cpu":
        return True
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
