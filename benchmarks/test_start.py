"""How long the command takes to say something, and a shell to complete what is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter

PANGLOT = Path(sys.executable).with_name("panglot")


def measure(benchmark: BenchmarkFixture, folder: Path, *arguments: str, **variables: str) -> Cost:
    """The median call, once Python has kept its compiled files, as it does unless told not to."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [PANGLOT, *arguments]
    ours = Meter(subprocess.run)
    kept = {"PYTHONPYCACHEPREFIX": str(folder), **variables}
    settings = {"check": True, "capture_output": True, "env": environment | kept}
    subprocess.run(command, **settings)
    benchmark.pedantic(ours, (command,), settings, rounds=15)
    return ours.typical


@pytest.mark.parametrize("verb", ["--help", "tasks"])
def test_start(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path, verb: str) -> None:
    cost = measure(benchmark, tmp_path, verb)
    claim(f"panglot {verb}, median wall seconds", cost.wall, at_most=0.5, median=cost)


@pytest.mark.parametrize("words", ["panglot ru", "panglot run random --tasks em", "panglot run us"])
def test_completion(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path, words: str) -> None:
    asked = {"_PANGLOT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    cost = measure(benchmark, tmp_path, **asked)
    claim(f"completion of '{words}', median wall seconds", cost.wall, at_most=0.5, median=cost)
