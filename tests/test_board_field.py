"""The field on the board: every number is the file's, apart from ranks, and beside what was measured here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest

from leaderboard_app.charts.field_charts import islands_and_bridges
from leaderboard_app.tables import field as tables
from leaderboard_app.tables.formats import number
from panglot.data.catalogue import all_tasks
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.files import data_from
from panglot.interop.field import FILE, SCALE, reported_on, shipped_field, write_field
from panglot.interop.mteb_import import read_mteb
from tests.helpers.belebele import write_twin
from tests.helpers.pages import Open, named, page_opener
from tests.helpers.required import reported_folder
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

LANGUAGES = ["deu_Latn", "eng_Latn", "yor_Latn"]
TASKS_REPORTED = ("belebele", "miracl-hn", "miracl", "xm3600-t2i", "xflickr-co-t2i")
BGE = "BAAI/bge-m3@5617a9f61b028005a4858fdac845db406aefb181"


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    return page_opener(monkeypatch)


@pytest.fixture(scope="module")
def own_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models measured on three languages of a small Belebele, one named like a model that others reported."""
    data, root = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("own")
    (data / "belebele").mkdir()
    write_twin(data / "belebele", LANGUAGES)
    with data_from(data):
        path = run(TASKS["belebele"], load_model("bm25"), LANGUAGES).save(root)
    content = json.loads(path.read_text(encoding="utf-8"))
    shutil.move(path.parent, root / "org__other@1")
    for folder, name in (("org__other@1", "org/other"), ("BAAI__bge-m3@1", "BAAI/bge-m3")):
        if not (root / folder).exists():
            shutil.copytree(root / "org__other@1", root / folder)
        content["model"] |= {"name": name, "revision": "1"}
        (root / folder / path.name).write_text(json.dumps(content), encoding="utf-8")
    return root


def pair(own_results: Path, query: str, candidate: str) -> float:
    """A score of the result file."""
    record = json.loads(next(own_results.glob("org__other@1/belebele.*.json")).read_text(encoding="utf-8"))
    places = record["task"]["languages"].index(query), record["task"]["languages"].index(candidate)
    value: float = record["pairs"]["ndcg@10"][places[0]][places[1]][0]
    return value


def test_every_cell_equals_the_shared_parquet() -> None:
    shared = pd.read_parquet(reported_folder() / "mteb_results.parquet")
    shared = shared.astype({name: str for name in ("model", "revision", "task", "hf_subset")})
    names = {
        "BelebeleRetrieval": "belebele",
        "MIRACLRetrievalHardNegatives": "miracl-hn",
        "MIRACLRetrieval": "miracl",
        "XM3600T2IRetrieval": "xm3600-t2i",
        "XFlickr30kCoT2IRetrieval": "xflickr-co-t2i",
    }
    seen = 0
    for theirs, task in names.items():
        rows = shared[shared["task"] == theirs]
        models = tables.scored_by_others(reported_on(shipped_field(), task, "ndcg@10"))
        found = {
            (model.identity, model.facts["revision"], f"{candidate}-{query}" if task == "belebele" else query): value
            for model in models
            for (query, candidate), value in model.cells.items()
        }
        keys = zip(rows["model"], rows["revision"], rows["hf_subset"], strict=True)
        assert found == dict(zip(keys, rows["ndcg_at_10"] / SCALE, strict=True))
        seen += len(found)
    assert seen == 79_841


def test_page_opens_on_belebele_with_known_figures(open_page: Open, tmp_path: Path) -> None:
    page = open_page("field", tmp_path)
    assert not page.exception
    assert page.selectbox(key="on").options == [
        "belebele · 236 reported",
        "xm3600-t2i · 49 reported",
        "xflickr-co-t2i · 42 reported",
        "miracl-hn · 247 reported",
        "miracl · 189 reported",
    ]
    table = page.dataframe[0].value.set_index("folder")
    assert table["trust"].eq("reported").all()
    assert "rank" not in table
    means = table.loc[
        [BGE, "Qwen/Qwen3-Embedding-8B@4e423935c619ae4df87b646a3ce949610c66241c"], ["mono", "English pivot"]
    ]
    assert means.astype(float).round(3).to_numpy().tolist() == [
        [0.805, 0.79],
        [0.877, 0.897],
    ]
    assert len(table) == 191
    said = " ".join(caption.value for caption in page.caption).replace("\\", "")
    assert "Spearman's correlation of the two orders is 0.975." in said
    assert "in 80.5 % of cases" in said


@pytest.mark.parametrize("task", TASKS_REPORTED)
def test_page_shows_each_task(open_page: Open, tmp_path: Path, task: str) -> None:
    page = open_page("field", tmp_path, on=task, by="recall@1")
    assert not page.exception
    table = page.dataframe[0].value
    assert len(table) > 40
    assert ("English pivot" in table) == (task == "belebele")


def test_reported_rows_are_in_no_rank_and_no_other_page(open_page: Open, own_results: Path) -> None:
    page = open_page("overview", own_results)
    assert "reported" not in set(page.dataframe[0].value["trust"])
    assert [label for label in page.selectbox(key="task").options if label.startswith("miracl")] == []
    page = open_page("bias", own_results, task="miracl")
    assert any("No model was measured on miracl yet" in caption.value.replace("\\", "") for caption in page.caption)


def test_own_rows_stand_beside_reported_ones_over_shared_languages(open_page: Open, own_results: Path) -> None:
    page = open_page("field", own_results)
    assert page.selectbox(key="on").options[0] == "belebele · 2 measured, 236 reported"
    table = page.dataframe[0].value.set_index("folder")
    own = (
        next(folder for folder in table.index.astype(str) if folder.startswith("org__"))
        if "org" in str(table.index)
        else ""
    )
    assert own == ""  # it lacks languages
    table = open_page("field", own_results, shared="true").dataframe[0].value.set_index("folder")
    row = table.loc[next(folder for folder in table.index if folder.startswith("org__other"))]
    assert row["trust"] == "not checked"
    within = np.mean([pair(own_results, code, code) for code in LANGUAGES])
    to_them, to_english = (
        np.mean([pair(own_results, *way) for way in ways])
        for ways in zip(*((("eng_Latn", code), (code, "eng_Latn")) for code in ("deu_Latn", "yor_Latn")), strict=True)
    )
    shown = row[["mono", "from English", "to English", "English pivot"]].astype(float).tolist()
    assert shown == pytest.approx([within, to_them, to_english, (to_them + to_english) / 2], abs=5e-4)
    cells = next(
        m for m in reported_on(shipped_field(), "belebele", "ndcg@10") if f"{m.model}@{m.revision}" == BGE
    ).cells
    expected = np.mean([cells[code, code] for code in LANGUAGES])
    assert float(table.loc[BGE, "mono"]) == pytest.approx(expected, abs=5e-4)


def test_where_both_exist_the_difference_of_each_cell_is_shown(open_page: Open, own_results: Path) -> None:
    page = open_page("field", own_results)
    summary, cells = (table.value for table in page.dataframe[-2:])
    assert summary["model"].tolist() == ["BAAI/bge-m3"]
    assert summary["cells"].tolist() == [len(cells)] == [7]
    row = cells.set_index(["query", "candidate"]).loc["eng_Latn", "yor_Latn"]
    assert row["measured"] == pytest.approx(pair(own_results, "eng_Latn", "yor_Latn"))
    assert row["difference"] == pytest.approx(row["measured"] - row["reported"])


def test_cells_with_merged_questions_are_not_compared() -> None:
    cells = {("lin_Latn", "lin_Latn"): 0.5, ("eng_Latn", "lin_Latn"): 0.4}
    models = [
        tables.Scored("a", "a", "org/a", trust, cells, {"revision": trust}) for trust in ("recomputed", "reported")
    ]
    assert tables.differences(models, "belebele")[["query", "candidate"]].to_numpy().tolist() == [
        ["eng_Latn", "lin_Latn"]
    ]


def test_without_own_results_the_page_says_so(open_page: Open, tmp_path: Path) -> None:
    page = open_page("field", tmp_path)
    assert any("No model was measured on belebele here yet." in info.value for info in page.info)


def test_imported_rows_and_filters_show(open_page: Open, tmp_path: Path) -> None:
    source = tmp_path / "results" / "org__mine" / "1"
    source.mkdir(parents=True)
    codes = ("ar", "bn")
    content = {
        "task_name": "MIRACLRetrievalHardNegatives",
        "dataset_revision": "d7d94fa4b946cec4a27c84653aa0cf6b33f74a3c",
        "scores": {"dev": [{"hf_subset": code, "ndcg_at_10": 0.5} for code in codes]},
    }
    (source / "MIRACLRetrievalHardNegatives.json").write_text(json.dumps(content))
    write_field(tmp_path / "board" / FILE, read_mteb(tmp_path / "results", all_tasks()).field)
    page = open_page("field", tmp_path / "board", on="miracl-hn", languages=list(codes), search="mine")
    table = named(page.dataframe[0].value)
    assert table[["model", "mono"]].to_numpy().tolist() == [["mine", 0.5]]
    page = open_page("field", tmp_path / "board", on="miracl-hn", search="no such model")
    assert any("No model" in info.value for info in page.info)


def test_damaged_import_is_reported_and_the_shipped_field_stays(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"PAR1 and more")
    page = open_page("field", tmp_path)
    assert not page.exception
    assert len(page.dataframe[0].value) == 191
    assert any("reported.parquet" in warning.value.replace("\\", "") for warning in page.warning)


def test_a_selected_row_shows_facts_and_languages(open_page: Open, tmp_path: Path) -> None:
    page = open_page("field", tmp_path, rows=BGE)
    cells = page.dataframe[1].value.set_index("language")
    assert len(cells) == 122
    reported = next(m for m in reported_on(shipped_field(), "belebele", "ndcg@10") if f"{m.model}@{m.revision}" == BGE)
    assert cells.loc["yor_Latn", "from English"] == number(reported.cells["eng_Latn", "yor_Latn"])
    assert cells.loc["yor_Latn", "to English"] == number(reported.cells["yor_Latn", "eng_Latn"])
    assert cells.loc["eng_Latn", "to English"] == "–"


def test_chart_names_the_ends_and_draws_all(tmp_path: Path) -> None:
    models = tables.scored_by_others(reported_on(shipped_field(), "belebele", "ndcg@10"))
    table = tables.standing(models, tables.languages_of(models, "belebele"), "belebele").table
    chart = islands_and_bridges(table)
    alt.Chart.from_dict(chart.saved(640))  # fails where the schema of Vega-Lite does not allow it
    points, names = chart.tables["models"], chart.tables["named"]
    assert len(points) == 190
    assert 2 <= len(names) <= 8
    assert set(names["model"]) <= {*points["model"].head(4), *points["model"].tail(4)}
