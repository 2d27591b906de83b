"""The leaderboard: its tables against the files, and its page as a person opens it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.board import overview, pairs, read_results, trust_levels
from leaderboard_app.charts import heat_map, quality_against_bias
from suite.encoder import load_model
from suite.result import write_result
from suite.run import run
from tests.conftest import TASKS

PAGE = Path(__file__).parents[1] / "leaderboard_app" / "app_pages" / "overview.py"


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of three models on the starter set."""
    folder = tmp_path_factory.mktemp("submissions")
    for name in ("use-multilingual", "bm25", "language-id"):
        outcome = run(TASKS["starter"], load_model(name))
        write_result(folder, outcome.result, outcome.evidence, outcome.stem)
    return folder


def test_every_number_of_the_table_is_the_files(submissions: Path) -> None:
    results, refused = read_results(submissions)
    assert refused == []
    table = overview(results, trust_levels(list(results)), "starter")
    assert table["model"][0].startswith("use-multilingual@")
    assert set(table["trust"]) == {"recomputed"}
    by_model = {f"{result.model.name}@{result.model.revision}": result for result in results.values()}
    for _, row in table.iterrows():
        result = by_model[row["model"]]
        for setting in ("mono", "cross", "multi"):
            assert row[setting] == result.settings[setting]["map"].value
        assert row["balance"] == result.balance["map"].value
        assert row["normalised_rank_distance"] == result.bias["normalised_rank_distance"].value
        grid = pairs(result)
        assert len(grid) == 121
        cell = grid[(grid["query"] == "en") & (grid["candidate"] == "de")]["score"].item()
        assert cell == result.plain()["pairs"]["en-de"]["map"]
        assert "viridis" in heat_map(grid).to_json()
    assert "normalised_rank_distance" in quality_against_bias(table).to_json()


def test_a_changed_result_is_not_shown_as_recomputed(submissions: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(submissions, folder)
    path = next(folder.glob("bm25@*/starter.json"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"map": [0.', '"map": [0.9', 1), encoding="utf-8")
    assert trust_levels([path]) == {path: "failed"}


def _page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(sys, "argv", ["app", str(folder)])
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def test_the_page_shows_the_results(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _page(submissions, monkeypatch)
    assert not page.exception
    assert page.title[0].value == "Panglot"
    assert len(page.dataframe[0].value) == 3
    assert "Small and easy" in page.info[0].value
    assert page.selectbox[0].value == "starter"
    page.selectbox[1].set_value(page.selectbox[1].options[1]).run()
    assert not page.exception


def test_an_empty_board_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _page(tmp_path, monkeypatch)
    assert not page.exception
    assert "panglot run use-multilingual" in page.info[0].value


def test_a_broken_file_is_named_and_the_rest_shown(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(submissions, folder)
    next(folder.glob("bm25@*/starter.json")).write_text("{", encoding="utf-8")
    page = _page(folder, monkeypatch)
    assert not page.exception
    assert "bm25" in page.warning[0].value
    assert len(page.dataframe[0].value) == 2
