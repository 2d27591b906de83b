"""The whole run of the embedded default on XQuAD-R, against the time to encode its unique texts alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim, Encoding
from benchmarks.meter import Meter
from panglot.data.task import Task


def test_whole_run(benchmark: BenchmarkFixture, claim: Claim, task: Task, encoding: Encoding, tmp_path: Path) -> None:
    """The whole command, from the start of Python to the written files, with an empty cache that it fills."""
    panglot = Path(sys.executable).with_name("panglot")
    folders = ["--cache", tmp_path / "vectors", "--out", tmp_path / "results"]
    command = [panglot, "run", "use-multilingual", "--tasks", task.name, *folders]
    ours = Meter(subprocess.run)
    benchmark.pedantic(ours, (command,), {"check": True, "capture_output": True})
    (written,) = (tmp_path / "results").glob("*/*.json")
    claim(
        f"panglot run over encoding its {encoding.texts:,} unique texts alone, CPU",
        ours.total.cpu / encoding.cost.cpu,
        at_most=1.25,
        panglot_run=ours.total,
        encoding_alone=encoding.cost,
        steps_of_the_run_in_wall_seconds=json.loads(written.read_text(encoding="utf-8"))["run"]["seconds"],
    )
