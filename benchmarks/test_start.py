"""How long the command takes to say something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter


@pytest.mark.parametrize("verb", ["--help", "tasks"])
def test_start(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path, verb: str) -> None:
    """Wall-clock seconds, once Python has kept its compiled files, as it does unless told not to."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [Path(sys.executable).with_name("panglot"), verb]
    ours = Meter(subprocess.run)
    settings = {"check": True, "capture_output": True, "env": environment | {"PYTHONPYCACHEPREFIX": str(tmp_path)}}
    subprocess.run(command, **settings)
    benchmark.pedantic(ours, (command,), settings, rounds=15)
    claim(f"panglot {verb}, median wall seconds", ours.typical.wall, at_most=0.5, median=ours.typical)
