"""What a person sees: narrow terminals, pipes, colour, and messages that say what to do."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner, Result

from panglot.cli.main import app, main
from panglot.cli.view.tables import LONGEST_LINE, FoldingTable, Grid, facts, prose
from panglot.cli.view.terminal import _heat
from panglot.data.catalogue import all_tasks, groups
from panglot.encode.registry import KINDS
from panglot.errors import PanglotError
from panglot.score.bootstrap import Score
from tests.helpers.processes import started

PANGLOT = str(Path(sys.executable).with_name("panglot"))


def panglot(*arguments: str, columns: int | None = None) -> Result:
    width = None if columns is None else str(columns)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": width}, catch_exceptions=False)


def drawn(renderable: object, columns: int) -> list[str]:
    console = Console(width=columns, markup=False)
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def table() -> FoldingTable:
    made = FoldingTable()
    made.add_column("name", no_wrap=True)
    made.add_column("what it is", min_width=10)
    made.add_column("own\nlanguage", justify="right", no_wrap=True)
    made.add_row("one", "a few words of prose", Text("1.5\n.9–2.1"))
    return made


def test_a_table_folds_where_words_would_break() -> None:
    assert [line.split() for line in drawn(table(), 40)[4:6]] == [
        ["one", "a", "few", "words", "of", "prose", "1.5"],
        [".9–2.1"],
    ]
    assert [line.split() for line in drawn(table(), 29)[4:6]] == [
        ["one", "a", "few", "words", "1.5"],
        ["of", "prose", ".9–2.1"],
    ]
    assert drawn(table(), 27) == [
        "",
        "one",
        "  what it is    a few words",
        "                of prose",
        "  own language  1.5 .9–2.1",
        "",
    ]


def test_wide_grid_is_split_into_parts() -> None:
    rows = [(name, [Text(f"{name}{column}") for column in "abcde"]) for name in ("x", "y")]
    whole = drawn(Grid("abcde", rows, 4), 22)
    assert [line.split() for line in whole] == [
        [*"abcde"],
        ["x", *(f"x{column}" for column in "abcde")],
        ["y", *(f"y{column}" for column in "abcde")],
    ]
    parts = drawn(Grid("abcde", rows, 4), 14)
    assert [line.split()[-1] for line in parts] == ["c", "xc", "yc", "e", "xe", "ye"]
    assert len(drawn(Grid("abcde", rows, 4), 1)) == 15


def test_prose_and_facts_wrap() -> None:
    assert max(map(len, drawn(prose("word " * 100), 200))) <= LONGEST_LINE
    assert drawn(facts([("sum", Text("0123456789"))], indent=2), 12) == ["  sum  01234", "       56789"]


@pytest.fixture(scope="module")
def shown(starter_results: Path) -> list[list[str]]:
    """Command lines that print tables."""
    bm25, use = (str(next(starter_results.glob(f"{name}@*"))) for name in ("bm25", "use-multilingual"))
    return [
        ["tasks"],
        ["tasks", "mlqa-r"],
        ["models"],
        ["plan", "language-id"],
        ["cache", "ls"],
        ["show", use, bm25, "--bias", "--by-language", "--matrix"],
        ["compare", bm25, use, "--matrix"],
        ["compare", bm25, use, "--setting", "multi"],
        ["rank", str(starter_results)],
    ]


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_nothing_is_cut_in_a_narrow_terminal(shown: list[list[str]], columns: int) -> None:
    for arguments in shown:
        said = panglot(*arguments, columns=columns).stdout
        assert "…" not in said.replace("…)", ""), arguments
        paths = [line for line in said.splitlines() if "/" in line]
        assert all(len(line.rstrip()) <= columns for line in said.splitlines() if line not in paths), arguments


def test_cells_of_100_percent_do_not_touch() -> None:
    grid = Grid(["en", "de"], [("en", [_heat(Score(1.0, 1.0, 1.0), 0, 1), _heat(Score(0.815, 0.8, 0.9), 0, 1)])], 5)
    assert drawn(grid, 80)[-1].split() == ["en", "100", "81.5"]


def test_a_pipe_gets_whole_lines_without_colour(shown: list[list[str]]) -> None:
    for arguments in shown:
        done = panglot(*arguments)
        assert "\x1b" not in done.stdout
        assert done.stderr == ""
    lines = panglot("tasks").stdout.splitlines()
    of_one_language = {task.name for name in ("mkqa", "xpqa", "miracl-vision") for task in groups()[name]}
    listed = [task for task in all_tasks() if task.name not in of_one_language]
    assert all(any(task.name in line and task.title in line for line in lines) for task in listed)
    assert [line.split()[-3:] for line in lines if line.startswith(" mkqa ")] == [["26", "175,212", "173,318"]]
    assert not any("mkqa-de" in line for line in lines)
    lines = panglot("models").stdout.splitlines()
    assert all(any(kind.example in line and kind.sentence in line for line in lines) for kind in KINDS.values())


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What the command writes to a terminal of 100 columns."""
    outside, inside = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    variables |= {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with started([PANGLOT, *arguments], stdout=inside, stderr=inside, env=variables) as process:
        os.close(inside)
        written = b""
        try:
            while part := os.read(outside, 1 << 16):
                written += part
        except OSError:  # how Linux says that the other end is closed
            pass
        assert process.wait() == 0
    os.close(outside)
    return written.decode()


def test_colour_is_for_terminals_that_want_it(shown: list[list[str]]) -> None:
    show = next(arguments for arguments in shown if arguments[0] == "show")
    assert ";48;5;" in on_a_terminal(*show)
    assert ";5;" not in on_a_terminal(*show, NO_COLOR="1")


@pytest.mark.parametrize("arguments", [["tasks"], ["tasks", "--json"], ["models"], ["--help"]], ids=" ".join)
def test_closed_pipe_exits_without_error(arguments: list[str]) -> None:
    with started([PANGLOT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run"], "Missing argument 'MODEL'"),
        (["run", "random", "--task", "starter"], "No such option: --task (Possible options: --tasks)"),
        (["run", "random", "--precision", "fp8"], "'--precision': 'fp8' is not one of 'fp32', 'bf16'"),
        (["run", "random", "--max-length", "0"], "'--max-length': must be at least 1."),
        (["score", "nowhere", "--task", "starter"], "'RUN': path 'nowhere' does not exist"),
        (["receive", "nowhere.zip"], "'ZIP': path 'nowhere.zip' does not exist"),
        (["cache", "prune", "--days", "-1"], "'--days': must be at least 0."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_error_is_explained_with_hint(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = panglot(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "--help' for help" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "random", "--out", "file/x"], "--out: cannot write to file/x: .*/file is not a folder"),
        (["run", "random", "--cache", "file"], "--cache: cannot write to file"),
        (["train", "static-hybrid", "--results", "file"], "--results: cannot write to file"),
        (["ablate", "static", "--out", "file"], "--out: cannot write to file"),
        (["import", "published", "--out", "file"], "--out: cannot write to file"),
        (["receive", "file", "--into", "file"], "--into: cannot write to file"),
        (["board"], "Folder submissions does not exist. Create it with panglot run MODEL --out submissions"),
        (["index", "elsewhere"], "Folder elsewhere does not exist"),
        (["submit", "empty"], "No results in empty. Pass a result file, or the folder of a model."),
        (["verify", "empty"], "No submission in empty"),
        (["verify", "nope"], "nope does not exist. Pass a result file"),
        (["submit", "nope"], "nope does not exist. Pass a result file"),
        (["push", "nope", "org/name"], "nope does not exist. Pass the folder of a model"),
        (["train", "nope"], "nope does not exist. Recipes in the package: .*static-hybrid, .*tiny"),
        (["ablate", "nope"], "nope does not exist. Ablations in the package: e5-intact, .*static, transformer\\."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_fixable_error_says_what_to_do(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PanglotError, match=message):
        panglot(*arguments)


@pytest.mark.parametrize("verb", ["index", "board"])
def test_an_index_that_cannot_be_written_is_reported(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(PanglotError, match=r"XDG_CACHE_HOME\): cannot write to .*: .*file is not"):
        panglot(verb, str(tmp_path))


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(sys, "argv", ["panglot", "tasks", "starter", "--export", "folder"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "folder: Is a directory." in capsys.readouterr().err
