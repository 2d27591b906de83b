"""Provenance of a run: machine, time, durations and package versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from panglot.encode.model import Model, batch_tokens, hardware
from panglot.results.run_record import EncodingRecord, RunRecord


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Record the wall-clock seconds of a step in `seconds`."""
    start = perf_counter()
    yield
    seconds[step] = round(perf_counter() - start, 3)


def provenance(
    model: Model,
    seconds: dict[str, float],
    encoding: EncodingRecord | None = None,
    damaged: int = 0,
    rank_device: str | None = None,
    close: int | None = None,
) -> RunRecord:
    """The provenance of this run of a model.

    `damaged` counts the items skipped because they are damaged; `close` as in `Evidence`.
    """
    return RunRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        panglot=version("panglot"),
        python=platform.python_version(),
        packages=_packages(),
        platform=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        seconds=seconds,
        encoding=encoding,
        batch_tokens=batch_tokens(model),
        hardware=hardware(model),
        damaged=damaged,
        rank_device=rank_device,
        close_scores=close,
        peak_memory_mib=_peak_memory_mib(),
    )


def _peak_memory_mib() -> int | None:
    """Peak resident memory of this process in MiB; None on Windows, which has no `resource` module."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _processor() -> str:
    """The processor's name, from /proc/cpuinfo on Linux because `platform` does not know it there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    name = next((line.partition(":")[2] for line in lines if line.startswith("model name")), platform.machine())
    return "".join(filter(str.isprintable, name)).strip()


def _packages() -> dict[str, str]:
    """Versions of the loaded libraries that can affect vectors or scores."""
    names = ("numpy", "pyarrow", "torch", "transformers", "sentence-transformers", "openvino", "openai", "model2vec")
    return {name: version(name) for name in names if name.replace("-", "_") in sys.modules}
