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
from tests.helpers.processes import completed, python

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, without git."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """Built without the network."""
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    completed([*PIP, "wheel", *offline, "--wheel-dir", source / "dist", source], check=True)
    return next((source / "dist").glob("panglot-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs, beside the libraries of this environment."""
    folder = tmp_path_factory.mktemp("site")
    completed([*PIP, "install", "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def panglot(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": str(installed), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "PANGLOT_DATA"} | variables
    command = [sys.executable, "-P", "-m", "panglot", *arguments]
    return completed(command, cwd=home, env=environment)


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
    assert said.startswith("Scoring the multilingual Universal Sentence Encoder")
    results = tmp_path / "cache" / "panglot" / "demo"
    for part in (str(results), "starter", "map × 100", "Next steps:", "--bias", "run use-multilingual --tasks xquad-r"):
        assert part in said
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    verified = panglot(installed, tmp_path, "verify", str(results))
    assert verified.returncode == 0
    assert "recomputed" in verified.stdout


def test_data_of_the_package_is_found(installed: Path, tmp_path: Path) -> None:
    assert "rows written: 20" in panglot(installed, tmp_path, "import", "published").stdout
    named = "".join(panglot(installed, tmp_path, verb, "nothing").stderr for verb in ("train", "ablate"))
    assert all(recipe.stem in named for recipe in (ROOT / "suite" / "panglot" / "train" / "recipes").glob("*.toml"))


def test_the_board_says_what_it_lacks(installed: Path, tmp_path: Path) -> None:
    done = panglot(installed, tmp_path, "board")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "Error: Folder submissions does not exist. Create it with panglot run MODEL --out submissions"
    )


OWN_NAMES = ("tasks", "suite", "utils", "data", "train")
ENCODER = f"""
import numpy as np
{chr(10).join(f"import {name}" for name in OWN_NAMES)}


class Lengths:
    def encode(self, texts, role):
        assert all(module.MINE for module in ({", ".join(OWN_NAMES)}))
        return np.array([[len(text), 1.0] for text in texts])


make = Lengths
"""


def test_modules_of_an_encoder_never_meet_those_of_the_suite(installed: Path, tmp_path: Path) -> None:
    for name in OWN_NAMES[:2]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n")
    for name in OWN_NAMES[2:]:
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    (tmp_path / "my_encoder.py").write_text(ENCODER)
    done = panglot(
        installed, tmp_path, "run", "py:my_encoder:make", "--tasks", "starter", "--languages", "de,en", "--out", "mine"
    )
    assert done.returncode == 0, done.stderr


def test_an_editable_install_sees_files_that_come_later(source: Path, tmp_path: Path) -> None:
    build = "import setuptools.build_meta as build, sys; build.build_editable(sys.argv[1])"
    python(build, tmp_path, cwd=source)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(site)
    (source / "suite" / "panglot" / "later").mkdir()
    later = {
        "panglot.later_module": source / "suite" / "panglot" / "later_module.py",
        "panglot.later.inner": source / "suite" / "panglot" / "later" / "inner.py",
        "leaderboard_app.app_pages.later": source / "leaderboard_app" / "app_pages" / "later.py",
    }
    for path in later.values():
        path.touch()
    (source / "tasks" / "later.toml").touch()
    look = f"""
import site, sys
from importlib.resources import files
from importlib.util import find_spec
site.addsitedir({str(site)!r})
sys.path += {[path for path in sys.path if path.endswith("-packages")]!r}
print(*(find_spec(name).origin for name in {list(later)!r}), files("panglot.tasks") / "later.toml", sep="\\n")
assert not any(map(find_spec, ("suite", "tasks")))
"""
    done = completed([sys.executable, "-I", "-S", "-c", look], check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [*map(str, later.values()), str(source / "tasks" / "later.toml")]
