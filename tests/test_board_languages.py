"""The page of languages: its numbers are those of the files, and its orders put alike languages side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leaderboard_app.charts.grids import language_map
from leaderboard_app.index.index import update
from leaderboard_app.tables import languages
from leaderboard_app.tables.field import languages_of, scored_by_others
from panglot.data.catalogue import all_tasks
from panglot.interop.field import reported_on, shipped_field
from panglot.languages import parse_language
from panglot.results.result_record import read_result_record
from tests.helpers.boards import path_of, verified_index
from tests.helpers.pages import Open, named, page_opener

pytestmark = pytest.mark.usefixtures("no_checks")

MODELS = {
    "good": {"ben_Beng": 0.9, "ben_Latn": 0.7, "deu_Latn": 0.8},
    "bad": {"ben_Beng": 0.3, "ben_Latn": 0.1, "deu_Latn": 0.2},
}


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    return page_opener(monkeypatch)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (languages.HARDEST, ["ben_Latn", "deu_Latn", "ben_Beng"]),
        (languages.BY_NAME, ["ben_Beng", "ben_Latn", "deu_Latn"]),
        (languages.BY_SCRIPT, ["ben_Beng", "ben_Latn", "deu_Latn"]),
        (languages.BY_FAMILY, ["ben_Beng", "ben_Latn", "deu_Latn"]),
    ],
)
def test_languages_stand_in_the_order_asked_for(order: str, expected: list[str]) -> None:
    grid = languages.grid_of(dict(reversed(MODELS.items())), order, 2)
    assert list(dict.fromkeys(grid["language"])) == expected
    assert list(dict.fromkeys(grid["model"])) == ["good", "bad"]
    spec = language_map(grid).spec
    assert spec["layer"][0]["encoding"]["y"]["sort"][0].startswith("Bengali")
    labelled = language_map(grid, languages.family_of).spec["layer"][0]["encoding"]["y"]["sort"]
    assert labelled[0].startswith("Indo-European · Bengali")


def test_hardest_languages_are_those_of_all_models_where_the_best_are_drawn() -> None:
    models = {"best": {"de": 0.8, "th": 0.9}, "other": {"de": 0.7, "th": 0.1}}
    grid = languages.grid_of(models, languages.HARDEST, 1)
    assert grid["model"].tolist() == ["best", "best"]
    assert grid["language"].tolist() == ["th", "de"] == [code for code, _ in languages.hardest(models)]


def test_hardest_scripts_and_families_come_first() -> None:
    by_script = languages.group_table(MODELS, languages.BY_SCRIPT)
    assert by_script["script"].tolist() == ["Latin", "Bengali"]
    assert by_script["mean"].tolist() == pytest.approx([0.45, 0.6])
    assert by_script["worst language"][0] == "Bengali, Latin"
    assert languages.group_table(MODELS, languages.BY_FAMILY)["languages"].tolist() == [3]


def test_every_language_of_a_task_has_a_script_and_a_family() -> None:
    codes = {code for task in all_tasks() for code in task.languages if parse_language(code)}
    assert {
        code for code in codes if languages.OTHER in (languages.script_of(code), languages.family_of(code))
    } == set()
    assert [languages.family_of(code) for code in ("tur_Latn", "zxx", "tlh")] == ["Turkic", "other", "other"]


def test_models_are_ordered_by_languages_that_all_have() -> None:
    models = {"few easy": {"en": 0.9, "de": 0.2}, "many": {"en": 0.8, "de": 0.4, "th": 0.1}}
    assert languages.shared_languages(models.values()) == ["en", "de"]
    assert languages.best_first(models) == ["many", "few easy"]
    assert languages.hardest(models, 1) == [("th", 0.1)]
    assert languages.spread_table(models)["worst language"].tolist() == ["Thai", "German"]
    assert languages.best_first({}) == []


@pytest.mark.parametrize("setting", ["mono", "cross", "multi"])
def test_page_shows_the_numbers_of_the_result_file(open_page: Open, starter_results: Path, setting: str) -> None:
    verified_index(starter_results)
    page = open_page("languages", starter_results, task="starter", setting=setting)
    assert not page.exception
    table = named(page.dataframe[0].value).set_index("model")
    result = read_result_record(path_of(starter_results, "bm25"))
    values = [scores[setting]["map"][0] for scores in result.languages.values() if setting in scores]
    row = table.loc["bm25"]
    assert (row["worst"], row["best"]) == (min(values), max(values))
    assert row["mean"] == pytest.approx(np.mean(values))
    assert "random" not in table.index
    assert [header.value for header in page.subheader] == ["Best and worst languages", "Every pair of languages"]


def test_scores_without_verified_evidence_are_in_no_mean(
    open_page: Open, starter_results: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(starter_results, tmp_path / "results"))
    update(folder)
    page = open_page("languages", folder, task="starter")
    assert not page.exception
    assert [info.value for info in page.info] == ["There are no scores of single languages on this task."]
    assert not page.dataframe


def test_reported_models_are_shown_where_none_was_measured(open_page: Open, tmp_path: Path) -> None:
    page = open_page("languages", tmp_path, task="belebele", setting="from English")
    assert not page.exception
    table = named(page.dataframe[0].value).set_index("model")
    models = scored_by_others(reported_on(shipped_field(), "belebele", "ndcg@10"))
    model = next(each for each in models if each.name == "Qwen3-Embedding-8B")
    cells = languages.cells_by_language(model, languages_of(models, "belebele"), "from English")
    assert len(cells) == 121
    assert table.loc["Qwen3-Embedding-8B", "mean"] == pytest.approx(np.mean(list(cells.values())))
    assert any("without evidence" in caption.value for caption in page.caption)


def test_mean_of_pairs_leaves_out_languages_without_scores() -> None:
    rows = [("a", "de", "en", 0.2), ("b", "de", "en", 0.4), ("a", "en", "de", 0.5)]
    scores = pd.DataFrame(rows, columns=["result", "query", "candidate", "value"]).assign(metric="map")
    pairs = languages.mean_pairs(scores, "map", ["de", "en", "th"]).dropna()
    assert pairs[["query", "candidate"]].to_numpy().tolist() == [["de", "en"], ["en", "de"]]
    assert pairs["value"].tolist() == pytest.approx([0.3, 0.5])
