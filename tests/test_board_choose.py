"""The page that makes a short list: it agrees with the command, and its address holds what was asked for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from leaderboard_app.index.index import Index
from leaderboard_app.store.field_store import scored_on
from leaderboard_app.tables.field import Scored
from leaderboard_app.tables.formats import number_of_parameters
from tests.helpers.command import json_of
from tests.helpers.pages import Open, named, page_opener

pytestmark = pytest.mark.usefixtures("no_checks")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    return page_opener(monkeypatch)


@pytest.mark.parametrize("direction", ["within", "english"])
def test_page_and_command_make_the_same_list(open_page: Open, tmp_path: Path, direction: str) -> None:
    asked = {"languages": ["deu_Latn", "tur_Latn"], "size": "600 M", "licence": "true", "direction": direction}
    page = open_page("choose", tmp_path, **asked)
    assert not page.exception
    check, command = (shlex.split(code.value) for code in page.code[-2:])
    listed = json_of(*command[1:], "--json")
    shown = named(page.dataframe[0].value)
    assert shown["model"].tolist() == [model["model"].rpartition("/")[2] for model in listed["models"]]
    assert [text.partition(" ")[0] for text in shown["score"]] == [f"{m['score'][0]:.3f}" for m in listed["models"]]
    assert shown["as good as the best"].tolist() == [model["tied"] for model in listed["models"]]
    assert shown["parameters"].tolist() == [number_of_parameters(model["parameters"]) for model in listed["models"]]
    assert max(model["parameters"] for model in listed["models"]) <= 6e8
    assert shlex.join(check) == listed["check"]


def test_scores_without_verified_evidence_are_not_recommended(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_claim(index: Index, task: str, metric: str) -> list[Scored]:
        found = scored_on(index, task, metric)
        cells = dict.fromkeys(found[0].cells, 1.0)
        return [found[0]._replace(id="x", name="x", identity="x/best", trust="self-reported", cells=cells), *found]

    monkeypatch.setattr("leaderboard_app.store.field_store.scored_on", with_a_claim)
    page = open_page("choose", tmp_path)
    assert not page.exception
    assert len(page.dataframe[0].value) == 10
    assert "best" not in named(page.dataframe[0].value)["model"].tolist()
    assert "reported" in set(page.dataframe[0].value["trust"])


def test_command_names_the_models_measured_here(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_result(index: Index, task: str, metric: str) -> list[Scored]:
        found = scored_on(index, task, metric)
        facts = {**found[0].facts, "task": task, "folder": "mine@1"}
        return [found[0]._replace(trust="recomputed", facts=facts), *found]

    monkeypatch.setattr("leaderboard_app.store.field_store.scored_on", with_a_result)
    page = open_page("choose", tmp_path, languages=["deu_Latn"])
    assert not page.exception
    assert shlex.split(page.code[-1].value)[:3] == ["panglot", "shortlist", str(tmp_path / "mine@1")]


def test_page_says_so_where_no_model_meets_all_limits(open_page: Open, tmp_path: Path) -> None:
    page = open_page("choose", tmp_path, size="50 M", length="32,768", licence="true", weights="true")
    assert not page.exception
    assert any("No model meets these limits" in info.value for info in page.info)


def test_models_can_be_chosen_for_images(open_page: Open, tmp_path: Path) -> None:
    page = open_page("choose", tmp_path, find="images", languages=["de", "tr"])
    assert not page.exception
    check, command = (shlex.split(code.value) for code in page.code[-2:])
    listed = json_of(*command[1:], "--json")
    assert listed["task"].endswith("-t2i")
    shown = named(page.dataframe[0].value)["model"].tolist()
    assert shown == [model["model"].rpartition("/")[2] for model in listed["models"]]
    assert shlex.join(check) == listed["check"]
    assert "./images.toml" in check


def test_task_without_cells_across_languages_has_one_direction(open_page: Open, tmp_path: Path) -> None:
    page = open_page("choose", tmp_path, on="miracl-hn", direction="english")
    assert not page.exception
    assert len(page.dataframe[0].value) == 10
