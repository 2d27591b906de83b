"""What a release rests on: versions, pinned tools, and the check that stands before publishing."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from tests.helpers.layout import ROOT
from tests.helpers.processes import completed

SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
FALLBACK: str = SETTINGS["tool"]["setuptools_scm"]["fallback_version"]
SOURCES = ("pyproject.toml", ".git_archival.txt", ".gitattributes")
REPOSITORY = "https://github.com/someone/panglot"


def run(*command: str, at: Path) -> str:
    """What a command prints."""
    return completed(command, check=True, cwd=at).stdout


def git(*words: str, at: Path) -> str:
    """Run git without a person's own settings."""
    who = (
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    )
    return run("git", *who, *words, at=at)


def version_of(folder: Path) -> str:
    return run(sys.executable, "-W", "ignore", "-m", "setuptools_scm", at=folder).strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with two commits and the settings of this one."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    git("init", "--quiet", at=folder)
    git("add", ".", at=folder)
    for title in ("first", "second"):
        git("commit", "--quiet", "--allow-empty", "--message", title, at=folder)
    return folder


def archived(checkout: Path) -> Path:
    """The commit as an archive that holds no repository."""
    folder = checkout.with_name("archive")
    folder.mkdir()
    git("archive", "--output", str(folder / "all.tar"), "HEAD", at=checkout)
    shutil.unpack_archive(folder / "all.tar", folder, filter="data")
    return folder


def shallow(checkout: Path) -> Path:
    """A clone of the newest commit alone."""
    git("clone", "--quiet", "--depth", "1", checkout.as_uri(), "shallow", at=checkout.parent)
    return checkout.with_name("shallow")


def copied(checkout: Path) -> Path:
    """The folder without the repository."""
    return Path(shutil.copytree(checkout, checkout.with_name("copy"), ignore=shutil.ignore_patterns(".git*")))


def test_version_of_tagged_commit_is_tag(checkout: Path) -> None:
    git("tag", "v3.2.1", at=checkout)
    assert version_of(checkout) == "3.2.1"
    assert version_of(archived(checkout)) == "3.2.1"


def test_version_after_tag_is_development_of_next(checkout: Path) -> None:
    git("tag", "v3.2.1", "HEAD~1", at=checkout)
    assert version_of(checkout) == "3.2.2.dev1"
    assert version_of(archived(checkout)) == "3.2.2.dev1"


@pytest.mark.parametrize("tree", [shallow, archived, copied])
def test_version_without_tags_is_fallback(tree: Callable[[Path], Path], checkout: Path) -> None:
    found = version_of(tree(checkout))
    assert re.sub(r"\.dev\d+$", ".dev0", found) == FALLBACK


def test_command_prints_installed_version() -> None:
    printed = run(sys.executable, "-m", "panglot", "--version", at=ROOT)
    assert printed == f"panglot {version('panglot')}\n"


def test_version_in_work_is_named_alike_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) \((?:unreleased|\d{4}-\d\d-\d\d)\)$", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == CITATION["version"] == FALLBACK.removesuffix(".dev0")


def test_citation_has_what_its_format_requires() -> None:
    assert {"title", "authors", "message", "cff-version", "license"} <= CITATION.keys()


def _steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return list(chain.from_iterable(job["steps"] for job in jobs))


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    used = [step["uses"] for step in _steps(path) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used)
    assert len(re.findall(r"@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", path.read_text(encoding="utf-8"), re.MULTILINE)) == len(
        used
    )


def test_an_action_has_one_commit_in_all_workflows() -> None:
    used = {
        step["uses"]
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for step in _steps(path)
        if "uses" in step
    }
    assert len({action.partition("@")[0] for action in used}) == len(used)


def test_pre_commit_uses_pinned_versions() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    pinned = set((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    tools = {tool for repo in config["repos"] for hook in repo["hooks"] for tool in hook["additional_dependencies"]}
    assert tools
    assert tools <= pinned


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A tree whose version 1.2.0 may be published."""
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (2027-01-31)\n")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "panglot-1.2.0.tar.gz").touch()
    with ZipFile(tmp_path / "dist" / "panglot-1.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("panglot-1.2.0.dist-info/METADATA", f"Version: 1.2.0\nProject-URL: Repository, {REPOSITORY}\n")
    return tmp_path


def faults(root: Path, tag: str = "v1.2.0", repository: str = REPOSITORY) -> list[str]:
    return list(runpy.run_path(str(ROOT / ".ci" / "release.py"))["faults"](root, tag, repository))


def test_release_passes_where_everything_agrees(ready: Path) -> None:
    assert faults(ready) == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("CITATION.cff", "version: 1.1.0\n", "CITATION.cff is not of version 1.2.0."),
        ("CHANGELOG.md", "## 1.2.0 (unreleased)\n", "CHANGELOG.md has no heading"),
        ("dist/panglot-1.2.0.dev1.tar.gz", "", "dist holds"),
    ],
)
def test_release_is_refused_where_something_disagrees(ready: Path, file: str, text: str, fault: str) -> None:
    (ready / file).write_text(text)
    (found,) = faults(ready)
    assert fault in found


def test_release_is_refused_from_another_repository(ready: Path) -> None:
    (found,) = faults(ready, repository="https://github.com/another/panglot")
    assert "does not name https://github.com/another/panglot" in found


@pytest.mark.parametrize("repository", ["", "ada/panglot"])
def test_metadata_names_the_repository_that_builds_it_or_none(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", repository)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    given: dict[str, dict[str, str]] = {}
    monkeypatch.setattr("setuptools.setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    address = given["project_urls"].get("Repository")
    assert address == (f"https://github.com/{repository}" if repository else None)


def test_release_is_refused_for_a_tag_that_is_not_a_version(ready: Path) -> None:
    assert any("is not a version" in fault for fault in faults(ready, "v1.2"))
