"""What others reported: mteb's results on its own tasks become rows of the field, or are left out with a reason."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from panglot.data.catalogue import all_tasks, suite_tasks
from panglot.errors import BadResult
from panglot.interop.field import (
    FILE,
    METRICS,
    SCALE,
    SHIPPED,
    Field,
    merge,
    read_field,
    read_fields,
    shipped_field,
    write_field,
)
from panglot.interop.mteb_cells import mteb_cells
from panglot.interop.mteb_import import Imported, read_mteb
from tests.helpers.command import panglot
from tests.helpers.required import reported_folder

BELEBELE = "979a211276faa22f671e69d096634193567cfd05"
META = {
    "name": "org/model",
    "revision": "abc",
    "n_parameters": 568_000_000,
    "embed_dim": 1024,
    "max_tokens": 8194.0,
    "open_weights": True,
    "license": "mit",
    "release_date": "2024-02-28",
    "reference": "https://example.org/model",
    "similarity_fn_name": "cosine",
    "training_datasets": ["MIRACLRetrieval"],
    "modalities": ["text"],
}


@pytest.fixture(scope="module")
def imported() -> Imported:
    return read_mteb(reported_folder(), all_tasks())


@pytest.fixture(scope="module")
def original() -> pd.DataFrame:
    """The shared Parquet, rows of tasks with the same cells, named as ours."""
    table = pd.read_parquet(reported_folder() / "mteb_results.parquet")
    table = table.astype({name: str for name in ("model", "revision", "task", "hf_subset")})
    names = {theirs: same.task for theirs, same in mteb_cells().same.items()}
    return table[table["task"].isin(names)].assign(task=table["task"].map(names))


def frame(field: Field) -> pd.DataFrame:
    rows = field.rows.to_pandas()
    return rows.astype({name: str for name in rows.select_dtypes("category")})


def write_result(root: Path, scores: Any, task: str = "BelebeleRetrieval", **changes: Any) -> Path:
    """A folder with one result file of mteb, and the metadata of its model."""
    folder = root / "results" / "org__model" / "abc"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"task_name": task, "dataset_revision": BELEBELE, "mteb_version": "2.1.3", "scores": scores}
    (folder / f"{task}.json").write_text(json.dumps(content | changes))
    (folder / "model_meta.json").write_text(json.dumps(META))
    return root / "results"


def cell(subset: str = "deu_Latn-eng_Latn", value: Any = 0.5, **metrics: Any) -> dict[str, Any]:
    return {"hf_subset": subset, "ndcg_at_10": value, **metrics}


def reasons(found: Imported) -> list[str]:
    return [left.reason for left in found.left_out]


def test_every_number_equals_the_parquet(imported: Imported, original: pd.DataFrame) -> None:
    ours = frame(imported.field)
    subset = ours["candidate"].str.cat(ours["query"], "-").where(ours["task"] == "belebele", ours["query"])
    ours = ours.assign(hf_subset=subset).set_index(["task", "model", "revision", "hf_subset"]).sort_index()
    theirs = original.set_index(["task", "model", "revision", "hf_subset"]).sort_index()
    assert len(ours) == 79_841
    assert ours.index.equals(theirs.index)
    for name, their_name in METRICS.items():
        assert (ours[name].to_numpy() == theirs[their_name].to_numpy()).all()
    for name, their_name in (("data_revision", "dataset_revision"), ("mteb_version", "mteb_version")):
        assert (ours[name].to_numpy() == theirs[their_name].astype(object).fillna("").to_numpy()).all()
    dated = theirs["date"].notna().to_numpy()
    days = pd.to_datetime(theirs["date"][dated].astype(float), unit="s").dt.strftime("%Y-%m-%d")
    assert (ours["date"].to_numpy()[dated] == days.to_numpy()).all()
    assert (ours["date"].to_numpy()[~dated] == "").all()


def test_counts_and_reasons_are_those_of_the_table(imported: Imported) -> None:
    assert imported.field.models() == {
        "belebele": 236,
        "miracl": 189,
        "miracl-hn": 247,
        "xflickr-co-t2i": 42,
        "xm3600-t2i": 49,
    }
    counted = Counter(reason.partition(":")[0] for reason in reasons(imported))
    assert counted == {
        "MLQARetrieval": 394,
        "XQuADRetrieval": 178,
        "MIRACLRetrievalHardNegatives.v2": 132,
        "WITT2IRetrieval": 49,
    }


def test_belebele_cells_are_the_376_that_mteb_measures(imported: Imported) -> None:
    rows = frame(imported.field)
    rows = rows[rows["task"] == "belebele"]
    cells = rows[["query", "candidate"]].drop_duplicates()
    assert len(cells) == 376
    assert (cells["query"] == cells["candidate"]).sum() == 122
    assert set(cells["query"]) == set(suite_tasks()["belebele"].languages)
    assert sum(rows.groupby(["model", "revision"]).size() == 376) == 190
    merged = mteb_cells().same["BelebeleRetrieval"].merged
    assert sorted(merged.values()) == [898, 898, *[899] * 7]
    assert set(merged) <= set(cells["query"])


def test_shipped_file_is_the_import_of_the_public_results(imported: Imported) -> None:
    assert shipped_field().rows.equals(imported.field.rows)
    assert "f4cc6c8b365a3c779dbc708d6affe0b0355b2ddf" in shipped_field().source
    assert "CC0" in shipped_field().source
    assert SHIPPED.stat().st_size < 2_000_000


def test_facts_are_those_of_the_model_revision(imported: Imported) -> None:
    rows = frame(imported.field)
    row = rows[(rows["model"] == "BAAI/bge-m3") & (rows["task"] == "miracl-hn")].iloc[0]
    assert (row["parameters"], row["dimension"], row["max_length"]) == (568_000_000, 1024, 8194)
    assert (row["weights"], row["licence"], row["released"]) == ("open", "mit", "2024-06-28")
    assert row["training"] == "trained"


@pytest.mark.parametrize("old", [False, True])
def test_repository_files_of_either_form_give_the_rows_of_the_parquet(
    tmp_path: Path, imported: Imported, original: pd.DataFrame, old: bool
) -> None:
    names = ["BAAI/bge-m3", "google/siglip-so400m-patch14-384"]
    chosen = original[original["model"].isin(names)].copy()
    theirs = {same.task: name for name, same in mteb_cells().same.items()}
    for (model, revision, task, split), rows in chosen.groupby(["model", "revision", "task", "split"], observed=True):
        folder = tmp_path / "results" / model.replace("/", "__") / revision
        folder.mkdir(parents=True, exist_ok=True)
        scores = [
            {"hf_subset": row["hf_subset"], "nauc_ndcg_at_10_std": math.nan}
            | {name: row[name] / SCALE for name in METRICS.values()}
            for _, row in rows.iterrows()
        ]
        about = {key: None if pd.isna(v := rows.iloc[0][key]) else v for key in ("dataset_revision", "mteb_version")}
        content: dict[str, Any] = {**about, "task_name": theirs[task], "scores": {split: scores}}
        if old:
            content = {**about, "mteb_dataset_name": theirs[task], split: {row["hf_subset"]: row for row in scores}}
        (folder / f"{theirs[task]}.json").write_text(json.dumps(content))
        (folder / "MTOPIntentClassification.json").write_text("not read, since no cells are the same")
    found = read_mteb(tmp_path / "results", all_tasks())
    facts = [
        name for name in frame(found.field) if name in ("task", "model", "revision", "query", "candidate", *METRICS)
    ]
    expected = frame(imported.field)
    expected = expected[expected["model"].isin(names)].reset_index(drop=True)
    assert len(expected) > 376
    pd.testing.assert_frame_equal(frame(found.field)[facts], expected[facts], check_categorical=False)
    assert set(reasons(found)) == {"Panglot has no task with the same cells."}


def test_row_has_origin_and_facts(tmp_path: Path) -> None:
    rows = [cell(recall_at_1=0.25, mrr_at_10=1)]
    field = read_mteb(write_result(tmp_path, {"test": rows}, date=1_772_339_665.1), all_tasks()).field
    (row,) = frame(field).to_dict("records")
    assert (row["task"], row["query"], row["candidate"]) == ("belebele", "eng_Latn", "deu_Latn")
    assert (row["model"], row["revision"], row["mteb_version"]) == ("org/model", "abc", "2.1.3")
    assert (row["data_revision"], row["date"]) == (BELEBELE, "2026-03-01")
    assert (row["ndcg@10"], row["recall@1"], row["mrr@10"], row["recall@100"]) == (50_000, 25_000, 100_000, -1)
    assert (row["parameters"], row["training"], row["similarity"]) == (568_000_000, "zero-shot", "cosine")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset_revision": "0" * 40}, "BelebeleRetrieval: with data revision '000"),
        ({"dataset_revision": None}, "BelebeleRetrieval: with no data revision"),
        ({"scores": {"train": [cell()]}}, "BelebeleRetrieval: its split is 'train'; belebele is on 'test'."),
        ({"scores": {"test": [cell("deu_Latn-tlh_Latn")]}}, "belebele has no such cell."),
        ({"scores": {"test": [cell("eng_Latn")]}}, "belebele has no such cell."),
        ({"scores": {"test": [cell(), cell()]}}, "BelebeleRetrieval: the subset is listed more than once."),
        ({"scores": {"test": [cell(value=math.nan)]}}, "BelebeleRetrieval: ndcg_at_10 is not a number from 0 to 1."),
        ({"scores": {"test": [cell(value=None)]}}, "BelebeleRetrieval: ndcg_at_10 is not a number from 0 to 1."),
        ({"scores": {"test": [cell(value="0.5")]}}, "BelebeleRetrieval: ndcg_at_10 is not a number from 0 to 1."),
        ({"scores": {"test": [cell(recall_at_1=50)]}}, "BelebeleRetrieval: recall_at_1 is not a number from 0 to 1."),
        ({"mteb_version": "\x1b[31m2"}, "The mteb version contains the invisible character U+001B."),
        ({"scores": [1]}, "It is not an mteb result: scores: must be a valid dictionary."),
    ],
)
def test_what_is_not_the_same_cell_is_left_out(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    found = read_mteb(write_result(tmp_path, **{"scores": {"test": [cell()]}, **changes}), all_tasks())
    assert [said for said in reasons(found) if said.startswith(reason)]
    assert len(found.field.rows) == ("more than once" in reason)


@pytest.mark.parametrize("name", ["", "\u202eevil", "=cmd()", "m" * 300, "Вge-m3", "a\nb"])
def test_model_with_an_unsafe_name_is_left_out(tmp_path: Path, name: str) -> None:
    folder = write_result(tmp_path, {"test": [cell()]})
    (folder / "org__model" / "abc" / "model_meta.json").write_text(json.dumps({**META, "name": name or " "}))
    found = read_mteb(folder, all_tasks())
    assert len(found.field.rows) == 0
    assert reasons(found)[0].startswith("The name of the model ")


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"n_parameters": -5, "embed_dim": [1, 2], "max_tokens": math.inf, "license": 3, "open_weights": "yes"},
        {
            "n_parameters": 1e300,
            "training_datasets": 5,
            "modalities": {"a": 1},
            "reference": "\x00",
            "release_date": [],
        },
        {"training_datasets": [["x"], None], "modalities": [1, None, "text"], "similarity_fn_name": 7},
    ],
)
def test_facts_that_are_not_valid_are_unknown(tmp_path: Path, meta: dict[str, Any]) -> None:
    folder = write_result(tmp_path, {"test": [cell()]})
    (folder / "org__model" / "abc" / "model_meta.json").write_text(json.dumps(meta))
    (row,) = frame(read_mteb(folder, all_tasks()).field).to_dict("records")
    assert row["parameters"] == row["max_length"] == -1
    assert (row["licence"], row["weights"], row["link"]) == ("unknown", "unknown", "")
    assert row["training"] == ("zero-shot" if isinstance(meta.get("training_datasets"), list) else "unknown")
    assert row["modalities"] == "text"


def test_variant_of_a_model_keeps_the_name_of_its_folder(tmp_path: Path) -> None:
    folder = write_result(tmp_path, {"test": [cell()]})
    (folder / "org__model").rename(folder / "org__model_(embed_dim=2048)")
    assert frame(read_mteb(folder, all_tasks()).field)["model"].tolist() == ["org/model_(embed_dim=2048)"]


def test_experiments_pipes_and_huge_files_are_not_read(tmp_path: Path) -> None:
    folder = write_result(tmp_path, {"test": [cell()]})
    (folder / "org__model" / "abc" / "experiments" / "a").mkdir(parents=True)
    (folder / "org__model" / "abc" / "BelebeleRetrieval.json").rename(
        folder / "org__model" / "abc" / "experiments" / "a" / "BelebeleRetrieval.json"
    )
    os.mkfifo(folder / "org__model" / "abc" / "MIRACLRetrieval.json")
    with (folder / "org__model" / "abc" / "XM3600T2IRetrieval.json").open("wb") as huge:
        huge.truncate(1 << 40)
    found = read_mteb(folder, all_tasks())
    assert len(found.field.rows) == 0
    assert sorted(reasons(found)) == [
        "It is an experiment with other settings of the model.",
        "It is larger than 16 MiB, too large for an mteb result.",
        "It is not a file.",
    ]


def test_later_import_replaces_the_same_model_revision_and_task(tmp_path: Path) -> None:
    first = read_mteb(write_result(tmp_path, {"test": [cell(), cell("eng_Latn-eng_Latn")]}), all_tasks(), "one").field
    second = read_mteb(write_result(tmp_path, {"test": [cell(value=0.75)]}), all_tasks(), "two").field
    both = merge(first, second)
    assert frame(both)["ndcg@10"].tolist() == [75_000]
    assert both.source == "two; one"
    assert len(merge(shipped_field(), second).rows) == len(shipped_field().rows) + 1


def test_a_folder_of_submissions_adds_to_the_shipped_field(tmp_path: Path) -> None:
    assert read_fields(tmp_path) is shipped_field()
    write_field(tmp_path / FILE, read_mteb(write_result(tmp_path, {"test": [cell()]}), all_tasks()).field)
    assert read_fields(tmp_path).models()["belebele"] == 237


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("ndcg@10", SCALE + 1, "column ndcg@10 has a number out of range"),
        ("parameters", -2, "column parameters has a number out of range"),
        ("model", "=evil()", "column model: '=evil()' must not begin with ="),
        ("link", "\u202ehttps", "contains the invisible character"),
    ],
)
def test_file_with_an_invalid_cell_is_refused(tmp_path: Path, column: str, value: Any, said: str) -> None:
    field = read_mteb(write_result(tmp_path, {"test": [cell()]}), all_tasks()).field
    place = field.rows.schema.get_field_index(column)
    changed = field.rows.set_column(
        place, field.rows.schema.field(column), pa.array([value]).cast(field.rows.schema.types[place])
    )
    write_field(tmp_path / FILE, Field(changed))
    with pytest.raises(BadResult, match=said.replace("(", r"\(").replace(")", r"\)")):
        read_field(tmp_path / FILE)


def test_parquet_of_another_form_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"model": ["a"]}), tmp_path / FILE)
    with pytest.raises(BadResult, match="its columns are not"):
        read_field(tmp_path / FILE)
    with pytest.raises(BadResult, match="has no mteb results: expected the columns"):
        read_mteb(tmp_path / FILE, all_tasks())
    (tmp_path / FILE).write_bytes(b"PAR1")
    with pytest.raises(BadResult, match="not a Parquet file"):
        read_mteb(tmp_path / FILE, all_tasks())


def test_import_command_writes_one_file_and_a_line_for_each_reason(tmp_path: Path) -> None:
    folder = write_result(tmp_path, {"test": [cell(), cell("deu_Latn-tlh_Latn"), cell("x")]})
    done = panglot("import", "mteb", str(folder), "--out", "out", "--source", "my cache", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "reported: out/reported.parquet" in done.stdout
    assert "belebele: 1 models. mteb measures a language with itself and with English" in done.stdout
    assert "rows written: 1" in done.stdout
    assert "skipped 2: belebele has no such cell." in done.stdout
    assert "tlh" not in done.stdout
    assert read_field(tmp_path / "out" / FILE).source == "my cache"
    done = panglot("import", "mteb", str(folder), "--out", "out", "--json", "--verbose", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["cells"] == 1
    assert [what.rpartition(", ")[2] for what in found["left_out"][0]["what"]] == ["deu_Latn-tlh_Latn", "x"]


def test_field_command_prints_means_of_reported_and_measured_models(starter_results: Path) -> None:
    done = panglot("field", str(starter_results), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = {model["model"]: model for model in found["models"]}
    assert len(first) == 191
    assert (round(first["BAAI/bge-m3"]["mono"], 3), round(first["BAAI/bge-m3"]["english_pivot"], 3)) == (0.805, 0.790)
    assert round(found["spearman"], 3) == 0.975
    done = panglot("field", "--task", "xquad-r")
    assert done.returncode == 2
    assert "Unknown task with reported scores 'xquad-r'." in done.stderr


def test_field_table_lists_models_with_all_cells_of_the_languages() -> None:
    done = panglot("field", "--task", "miracl-hn", "--languages", "ar,bn", "--metric", "recall@100")
    assert done.returncode == 0, done.stderr
    assert "recall@100 on miracl-hn, means over 2 languages; 226 models." in " ".join(done.stdout.split())
