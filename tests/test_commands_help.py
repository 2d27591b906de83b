"""The help of every verb: its size, its examples, and shell completion."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from panglot.cli.completion import complete_model, complete_suite, complete_task, complete_tasks
from panglot.cli.main import WIDEST_HELP, app
from panglot.cli.names import find_tasks
from panglot.data.catalogue import all_tasks, groups, suites
from panglot.encode.registry import KINDS
from tests.helpers.command import ROOT, VERBS, panglot, panglot_process
from tests.helpers.processes import python

LINES = 60
"""Of a tall terminal, which the verb with most options needs."""

REPOSITORY = Path(__file__).parents[1]


def help_of(path: tuple[str, ...], columns: int = WIDEST_HELP) -> list[str]:
    done = CliRunner().invoke(app, [*path, "--help"], prog_name="panglot", terminal_width=columns - 2)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def examples_of(path: tuple[str, ...]) -> list[list[str]]:
    """The words after `panglot` in each example, which may wrap over two lines."""
    paragraphs = "\n".join(line.strip() for line in help_of(path)).split("\n\n")
    examples = [shlex.split(part.removeprefix("Example: ")) for part in paragraphs if part.startswith("Example: ")]
    assert examples
    assert all(words[0] == "panglot" for words in examples)
    return [words[1:] for words in examples]


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_help_of_each_verb_is_short(path: tuple[str, ...]) -> None:
    lines = help_of(path)
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= WIDEST_HELP
    for columns in (40, 60):
        assert max(len(line) for line in help_of(path, columns)) <= columns


def test_the_first_page_names_every_verb_in_a_line_each() -> None:
    lines = help_of(())
    for name in ROOT.commands:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1
    for heading in ("Measure:", "Read:", "Share:", "Make:"):
        assert heading in lines


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_examples_of_each_verb_parse(path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in examples_of(path):
        for word in words:
            if word.startswith("submissions/"):
                assert (REPOSITORY / word).exists()
            if word == "./pairs.csv":
                (tmp_path / word).write_text("query,passage\na,b\n", encoding="utf-8")
            if word.endswith((".gz", ".zip")):
                (tmp_path / word).touch()
        if "--tasks" in words:
            assert find_tasks(words[words.index("--tasks") + 1])
        command = ROOT
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        assert command.make_context(command.name, words).command is command


def test_names_are_completed() -> None:
    assert complete_task("star") == ["starter"]
    assert complete_task("") == [task.name for task in all_tasks()]
    assert complete_tasks("starter,ml") == ["starter,mlqa-r"]
    assert set(groups()) <= set(complete_tasks(""))
    assert complete_suite("m") == list(suites())
    assert complete_model("use") == ["use-multilingual"]
    assert complete_model("o") == ["openai:", "openai-images:"]
    assert len(complete_model("")) == len(KINDS)


def complete(words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    variables = {"_PANGLOT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return panglot_process(**variables).stdout.split()


def test_a_shell_completes_verbs_options_and_names() -> None:
    assert complete("panglot ru") == ["run"]
    assert complete("panglot cache p") == ["prune"]
    assert complete("panglot run x --retr") == ["--retry-failed"]
    assert complete("panglot run x --tasks emoji-k") == ["emoji-keywords", "emoji-keywords-t2i", "emoji-keywords-i2t"]
    assert complete("panglot run lan") == ["language-id"]


@pytest.mark.parametrize(("shell", "sign"), [("bash", "COMPREPLY"), ("zsh", "#compdef"), ("fish", "complete ")])
def test_the_scripts_of_shells_are_shown(shell: str, sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build: Any = typer.main.get_command  # what shells it knows depends on the environment in which it is built
    monkeypatch.setattr("typer.main.get_command", build.__wrapped__)
    assert sign in panglot("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout


def test_completion_loads_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "pyarrow", "sentence_transformers", "streamlit", "rich.markdown")
    script = (
        "import sys; import panglot.cli.main; from panglot.cli.completion import complete_tasks, complete_model\n"
        f"complete_tasks(''), complete_model(''); print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = python(script)
    assert done.stdout.strip() == "[]"
