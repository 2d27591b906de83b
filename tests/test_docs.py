"""What the pages say is so: their code runs, their commands exist, their tables are those of the code."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from panglot.cli.main import app
from tests.helpers.command import panglot, program
from tests.helpers.documents import PAGES, ROOT, Block, blocks, name
from tests.helpers.processes import completed

NUMBER = re.compile(r"\d*\.\d+")
"""The last digits of a score may differ between processors."""

SHELL = re.compile(r"^(?!panglot )|[|>;&$*]")
"""A line that needs a shell."""

OFFLINE = {"HF_HUB_OFFLINE": "1"}

RUN = [page for page in PAGES if any(block.language in ("sh", "python") and not block.reason for block in blocks(page))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def _furnish(folder: Path, page: Path) -> None:
    """Put into a folder what the code of a page finds around it: the submissions that it names, and the examples."""
    text = page.read_text(encoding="utf-8")
    without = shutil.ignore_patterns("*.top100.parquet")
    for submission in (ROOT / "submissions").glob("*@*"):
        if submission.name in text:
            shutil.copytree(submission, folder / "submissions" / submission.name, ignore=without)
    (folder / "examples").symlink_to(ROOT / "examples")


@pytest.mark.parametrize("page", RUN, ids=name)
def test_code_of_each_page_runs(page: Path, tmp_path: Path) -> None:
    _furnish(tmp_path, page)
    printed = None
    for block in blocks(page):
        if block.title:
            path = tmp_path / block.title
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif printed is not None and block.language == "text":
            assert _without_numbers(printed) == _without_numbers(block.text)
            assert _numbers(printed) == pytest.approx(_numbers(block.text))
        elif not block.reason:
            outputs = [run() for run in _runs(block, tmp_path)]
            printed = "".join(outputs) if block.language == "python" else None


def _without_numbers(text: str) -> str:
    return NUMBER.sub("0", text)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def _runs(block: Block, folder: Path) -> list[Callable[[], str]]:
    """What a block does, step by step; only what needs a shell needs a process."""
    if block.language == "python":
        return [partial(program, block.text, folder, **OFFLINE)]
    return [
        partial(_run, line, folder) if SHELL.search(line) else partial(_run_here, line, folder)
        for line in (block.lines if block.language == "sh" else ())
    ]


def _run(line: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = completed(["bash", "-c", line], cwd=folder, env=os.environ | OFFLINE | {"PATH": path, "COLUMNS": "100"})
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _run_here(line: str, folder: Path) -> str:
    done = panglot(*shlex.split(line, comments=True)[1:], cwd=folder, **OFFLINE)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_that_is_not_run_is_valid(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, name(page), "exec")
        if block.language == "sh" and block.reason:
            for line in block.lines:
                _check(line)


def _check(line: str) -> None:
    """A verb of ours takes these options; a target of the Makefile is there."""
    for part in line.split("&&"):
        words = shlex.split(part, comments=True)
        if words[0] == "panglot":
            _parse(words[1:])
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), line


def _parse(words: list[str]) -> None:
    """Read words as the command line does, and do nothing; files that only a reader would have need not be here."""
    command = typer.main.get_command(app)
    context = command.make_context("panglot", words)
    while isinstance(command, TyperGroup):
        verb, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        try:
            command, context = found, found.make_context(verb, words, parent=context)
        except typer.BadParameter as error:
            if not error.message.endswith("does not exist."):
                raise
            return


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_is_overlooked(page: Path) -> None:
    fences = re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(page)))


def test_checker_finds_a_wrong_option() -> None:
    with pytest.raises(Exception, match="No such option"):
        _check("panglot show submissions --no-such-option   # a comment")
    with pytest.raises(Exception, match="No such command"):
        _check("panglot no-such-verb")


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=name)
def test_commands_of_workflows_exist(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    for step in chain.from_iterable(job["steps"] for job in jobs):
        assert ("uses" in step) != ("run" in step)
        for line in step.get("run", "").splitlines():
            if re.match(r"panglot |make |unset ", line):
                _check(line)


def test_links_of_the_front_pages_exist() -> None:
    for page in ROOT.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{name(page)}: {target}"


@pytest.mark.parametrize("page", ["docs/catalogue.md", "docs/evidence.md", "docs/tree.md"])
def test_tables_are_up_to_date(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "docs" / "tables.py"))["with_tables"](text) == text, "make readme makes it anew."


def test_terminal_picture_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "terminal.py"))
    assert script["PICTURE"].read_text(encoding="utf-8") == script["picture"](), "make readme takes it anew."


def test_notebook_outputs_are_up_to_date() -> None:
    """Digits and colours are left out: the last digit of a score may differ between processors."""
    script = runpy.run_path(str(ROOT / "docs" / "notebook.py"))
    kept = json.loads(script["NOTEBOOK"].read_text(encoding="utf-8"))
    again, before = (
        re.sub(r"#[0-9a-f]{6}|\bwhite\b|\bblack\b|[+−<-]?[0-9.]+", "0", script["text"](notebook))
        for notebook in (script["executed"](kept), kept)
    )
    assert again == before, "make readme runs it anew."


def test_site_builds_and_loads_nothing_external(tmp_path: Path) -> None:
    """Strict: a link that leads nowhere, or a page outside the navigation, is an error."""
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    completed(command, check=True, cwd=ROOT, env=quiet)
    pages = list((tmp_path / "site").rglob("*.html"))
    assert "panglot run" in (tmp_path / "site" / "cli" / "index.html").read_text(encoding="utf-8")
    loaded = re.compile(
        r'<(?:script|img|iframe|source)[^>]+src="https?://|<link[^>]+rel="(?!canonical)[^>]+href="https?://'
    )
    assert not [page for page in pages if loaded.search(page.read_text(encoding="utf-8"))]


def test_every_verb_is_somewhere_in_the_pages() -> None:
    said = set(chain.from_iterable(re.findall(r"panglot ([a-z]+)", page.read_text(encoding="utf-8")) for page in PAGES))
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    assert set(command.commands) <= said
