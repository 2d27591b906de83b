"""`--json` of every verb that prints data: nothing else on standard output, keys sorted, no NaN."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from leaderboard_app.index.verification import main as index
from panglot.cli.main import app
from panglot.cli.output import print_json
from tests.helpers.command import ROOT, VERBS, json_of, strictly

WITHOUT = {("board",), ("export",)}
"""A server, and forms of others."""


@pytest.fixture
def results(starter_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of one's own, with results in `submissions`."""
    shutil.copytree(starter_results, tmp_path / "submissions")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "submissions"


def model_of(results: Path, name: str) -> str:
    return str(next(results.glob(f"{name}@*")))


@pytest.mark.parametrize("path", [path for path in VERBS if path not in WITHOUT], ids=" ".join)
def test_every_verb_that_prints_data_takes_json(path: tuple[str, ...]) -> None:
    command = ROOT
    for name in path:
        command = command.commands[name]
    if not hasattr(command, "commands"):
        assert "--json" in {name for parameter in command.params for name in parameter.opts}


def test_nan_is_refused_in_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"score": float("nan")})


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        (["tasks"], lambda rows: {row["name"] for row in rows} >= {"starter", "xquad-r"}),
        (["tasks", "starter"], lambda rows: [row["candidates"] for row in rows] == [858]),
        (["tasks", "starter", "--export", "x"], lambda made: made == {"candidates": 858, "file": "x", "queries": 572}),
        (["models"], lambda rows: all(set(row) == {"example", "sentence"} for row in rows)),
        (["fetch", "starter"], lambda rows: rows[0]["task"] == "starter" and rows[0]["as_published"]),
        (["fetch", "starter", "--languages", "de,en"], lambda rows: rows[0]["as_published"] is None),
        (["plan", "random"], lambda plans: plans["starter"]["dimension"] > 0),
        (["plan", "bm25"], lambda plans: plans["starter"]["roles"] == []),
        (["show", "submissions"], lambda rows: len(rows) == 3 and len(rows[0]["pairs"]) == 121),
        (["rank", "submissions"], lambda found: [model["rank"] for model in found["models"]] == [1, 2, 3]),
        (["verify", "submissions"], lambda rows: {row["level"] for row in rows} == {"recomputed"}),
        (["import", "published"], lambda made: len(made["written"]) == 20 and made["left_out"] == []),
        (["cache", "ls", "--cache", "none"], lambda rows: rows == []),
        (["cache", "verify", "--cache", "none"], lambda found: found == {"damaged": []}),
        (["cache", "prune", "--cache", "none"], lambda found: found == {"removed_bytes": 0}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_json_of_each_verb_holds_its_data(arguments: list[str], holds: Callable[[Any], bool], results: Path) -> None:
    assert holds(json_of(*arguments))


def test_run_prints_what_show_prints(results: Path) -> None:
    made = json_of("run", "language-id", "--out", "again", "--matrix")
    assert made == json_of("show", "again")
    assert made == json_of("show", model_of(results, "language-id"))


def test_failed_task_is_reported_on_stderr(results: Path) -> None:
    done = CliRunner().invoke(app, ["run", "bm25", "--tasks", "starter,emoji-t2i", "--json"])
    assert done.exit_code == 2
    assert [row["task"] for row in strictly(done.stdout)] == ["starter"]
    assert "emoji-t2i failed: " in done.stderr


def test_compare_json_holds_comparison(results: Path) -> None:
    (found,) = json_of("compare", model_of(results, "bm25"), model_of(results, "use-multilingual"))
    assert set(found["settings"]) == {"mono", "cross", "multi", "balance"}
    assert found["settings"]["cross"]["difference"] > 0


def test_score_json_holds_scores(results: Path) -> None:
    bm25 = model_of(results, "bm25")
    CliRunner().invoke(app, ["export", bm25, "--format", "trec", "--out", "run.trec"])
    assert json_of("score", "run.trec", "--task", "starter")["task"] == "starter"


def test_submit_and_receive_print_json(results: Path) -> None:
    made = json_of("submit", model_of(results, "bm25"), "--licence", "MIT")
    assert made["card"]["licence"] == "MIT"
    assert [verdict["level"] for verdict in made["verdicts"]] == ["recomputed"]
    taken = json_of("receive", made["zip"], "--into", "board")
    assert taken["folder"] == f"board/{Path(made['zip']).stem}"


def test_refusal_is_printed_as_json(results: Path) -> None:
    path = next(results.glob("bm25@*/starter.json"))
    path.write_text(path.read_text(encoding="utf-8").replace('"multi"', '"mutli"', 1), encoding="utf-8")
    (verdict,) = json_of("verify", str(path), code=1)
    assert verdict["level"] == "failed"
    assert verdict["findings"]


def test_demo_json_holds_scores() -> None:
    found = json_of("demo")
    assert found["task"] == "starter"
    assert found["model"].startswith("use-multilingual@")


def test_index_json_holds_models(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index(["--json", str(results)])
    found = strictly(capsys.readouterr().out)
    assert found["refused"] == {}
    assert found["shown"] > 3
