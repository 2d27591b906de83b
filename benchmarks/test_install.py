"""`make demo` from nothing: a fresh clone, a fresh environment, and a real encoder scored on the starter set.

Fetches packages, so it is left out by default: python -m pytest benchmarks/test_install.py -m network
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter

ROOT = Path(__file__).parents[1]


@pytest.mark.network
def test_install(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path) -> None:
    """Wall-clock seconds; neither pip nor the command finds anything in a cache."""
    clone = tmp_path / "panglot"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    ours = Meter(subprocess.run)
    environment = os.environ | {"PIP_NO_CACHE_DIR": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    benchmark.pedantic(ours, (["make", "demo"],), {"cwd": clone, "env": environment, "check": True})
    size = int(subprocess.check_output(["du", "-sm", clone / ".venv"]).split()[0])
    claim("make demo in a fresh clone, wall seconds", ours.total.wall, at_most=90, cost=ours.total)
    claim("its environment, MB as du -sm counts", size, at_most=400)
