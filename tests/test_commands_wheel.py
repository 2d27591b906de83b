"""The wheel: all of the package and its data are in it, and the command works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.layout import FOLDERS, ROOT, SETTINGS, installed_path, package_name

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, without the network."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*PIP, "wheel", *offline, "--wheel-dir", str(source / "dist"), str(source)], check=True)
    return next((source / "dist").glob("panglot-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs, beside the libraries of this environment."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)], check=True)
    return folder


def panglot(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": str(installed), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "PANGLOT_DATA"} | variables
    command = [sys.executable, "-P", "-m", "panglot", *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=900)


def test_every_package_is_listed() -> None:
    folders = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert sorted(SETTINGS["packages"]) == sorted(map(package_name, folders))


def test_everything_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        installed_path(path).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
    assert {Path(name).parts[0] for name in packed} == {"panglot", "leaderboard_app"}


def test_the_demo_works_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    done = panglot(installed, tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert said.startswith("Scoring a real encoder")
    results = tmp_path / "cache" / "panglot" / "demo"
    for part in (str(results), "starter", "map × 100", "Next:", "--bias", "run use-multilingual --tasks xquad-r"):
        assert part in said
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    verified = panglot(installed, tmp_path, "verify", str(results))
    assert verified.returncode == 0
    assert "recomputed" in verified.stdout


def test_data_of_the_package_is_found(installed: Path, tmp_path: Path) -> None:
    assert "rows written: 20" in panglot(installed, tmp_path, "import", "published").stdout
    named = panglot(installed, tmp_path, "train", "nothing").stderr
    assert all(recipe.stem in named for recipe in (ROOT / "suite" / "panglot" / "train" / "recipes").glob("*.toml"))


def test_the_board_says_what_it_lacks(installed: Path, tmp_path: Path) -> None:
    done = panglot(installed, tmp_path, "board")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no folder submissions here. panglot run MODEL --out submissions")
