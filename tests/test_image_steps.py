"""The container's steps without Docker: what it copies is enough to install, to serve the board, and to be healthy."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from tests.helpers.browsing import served
from tests.helpers.layout import ROOT
from tests.helpers.processes import completed, free_port

OFFLINE = "--no-deps --no-index --no-build-isolation --quiet --disable-pip-version-check"
PORT = "8501"
SUBMISSION = "bm25@0.3.16"
"""Enough of the submissions for a board."""


class Instruction(NamedTuple):
    verb: str
    rest: str


def _instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def _copy(words: list[str], here: Path, root: Path) -> None:
    """Copy files of the checkout as COPY does: the content of one folder, or files into a folder."""
    *sources, target = words
    place = root / target.lstrip("/") if target.startswith("/") else here / target
    skip = shutil.ignore_patterns("__pycache__", "*.top100.parquet")
    for source in sources:
        if (ROOT / source).is_file():
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
        elif source == "submissions":
            shutil.copytree(ROOT / source / SUBMISSION, place / SUBMISSION, ignore=skip)
        else:
            shutil.copytree(ROOT / source, place, ignore=skip)


def test_steps_install_and_serve_a_healthy_board(tmp_path: Path) -> None:
    root, site, here = tmp_path / "root", tmp_path / "site", tmp_path / "root"
    variables: dict[str, str] = {}
    command: list[str] = []
    health: list[str] = []
    for verb, rest in _instructions():
        if verb == "COPY":
            _copy(rest.split(), here, root)
        elif verb == "WORKDIR":
            here = root / rest.lstrip("/")
        elif verb == "ENV":
            variables |= dict(word.split("=", 1) for word in shlex.split(rest))
        elif verb == "RUN" and "pip install" in rest:
            line = re.sub(r"/source\b", str(root / "source"), rest.replace("pip install", f"pip install {OFFLINE}"))
            line = line.replace("pip ", f"{sys.executable} -m pip ", 1).replace("&&", f"--target {site} &&", 1)
            completed(["bash", "-ec", line], check=True)
        elif verb == "RUN":
            completed(["bash", "-nc", rest], check=True)
        elif verb == "HEALTHCHECK":
            health = json.loads(rest.removeprefix("CMD"))
        elif verb == "CMD":
            command = json.loads(rest)
    assert not (root / "source").exists()
    assert (site / "panglot" / "tasks" / "xquad-r.toml").is_file()

    port = str(free_port())
    instead = {"0.0.0.0": "127.0.0.1", PORT: port}
    assert command[0] == "panglot"
    words = [sys.executable, "-P", "-m", "panglot", *(instead.get(word, word) for word in command[1:])]
    own = {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {**variables, **own, "PANGLOT_INBOX": str(tmp_path / "inbox")}
    with served(words, int(port), tmp_path / "log", here, environment):
        assert health[0] == "python"
        code = [word.replace(PORT, port) for word in health[1:]]
        completed([sys.executable, *code], check=True, env=os.environ | own)
