"""Results of mteb as rows: what is read, and what is left out with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panglot.data.catalogue import all_tasks
from panglot.data.image import IMAGES
from panglot.errors import BadResult
from panglot.interop.mteb_export import mteb_result
from panglot.interop.mteb_import import Imported, read_mteb
from panglot.results.reported import read_reported, write_reported
from panglot.results.result import Result
from tests.helpers.tasks import TASKS

BROKEN_REVISION = "5bef8b6e2601af974fb1a1cca03fd702229be4b6"


@pytest.fixture(scope="module")
def outcome(starter_outcome: Callable[[str], Result]) -> Result:
    return starter_outcome("use-multilingual")


@pytest.fixture(scope="module")
def exported(outcome: Result) -> dict[str, Any]:
    return mteb_result(outcome.record, outcome.evidence)


def _subsets(exported: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["hf_subset"]: row for row in exported["scores"]["test"]}


class TestMtebImport:
    def _folder(
        self, root: Path, content: Any, name: str = "PanglotStarter", meta: bool = True, model: str = "org__small"
    ) -> Path:
        folder = root / "results" / model / "abc123"
        folder.mkdir(parents=True, exist_ok=True)
        if meta:
            (folder / "model_meta.json").write_text(json.dumps({"name": "org/small_x", "revision": "abc123"}))
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return root / "results"

    def _import(self, root: Path, content: Any, **options: Any) -> Imported:
        return read_mteb(self._folder(root, content, **options), all_tasks())

    def test_exported_result_imports_unchanged(self, outcome: Result, exported: dict[str, Any], tmp_path: Path) -> None:
        imported = self._import(tmp_path, exported)
        assert imported.left_out == []
        (row,) = imported.reported
        assert (row.model, row.revision, row.level) == ("org/small_x", "abc123", "self-reported")
        assert row.fingerprint == TASKS["starter"].fingerprint
        for setting, scores in outcome.record.settings.items():
            for metric in ("map", "ndcg@10", "mrr@10", "success@1"):
                assert row.settings[setting][metric] == pytest.approx(scores[metric].value, abs=1e-9)
        assert row.balance["map"] == pytest.approx(outcome.record.balance["map"].value, abs=1e-9)
        assert row.languages["th"]["cross"]["map"] == pytest.approx(
            outcome.record.languages["th"]["cross"]["map"].value, abs=1e-9
        )
        assert len(row.pairs) == 121
        assert read_reported(write_reported(tmp_path, row)) == row
        assert (tmp_path / "org__small_x@abc123" / "starter.reported.json").is_file()

    def test_map_has_its_name_only_where_it_is_uncut(self, exported: dict[str, Any], tmp_path: Path) -> None:
        task = TASKS["xquad-r"]
        large = {**exported, "task_name": "PanglotXquadR", "dataset_revision": task.fingerprint}
        (row,) = self._import(tmp_path, large, meta=False).reported
        assert row.model == "org/small"
        assert {"map", "map@1000"} <= set(row.pairs["en-th"])  # 852 candidates
        assert "map" not in row.pairs["th-en"]
        assert "map" not in row.settings["multi"]

    def test_wrong_number_drops_its_subset_and_mean(self, exported: dict[str, Any], tmp_path: Path) -> None:
        changed = json.loads(json.dumps(exported))
        rows = _subsets(changed)
        rows["ar-de"]["ndcg_at_10"] = float("nan")
        rows["multi-th"]["recall_at_10"] = 97.5
        rows["en-en"]["hf_subset"] = "en-tlh"
        imported = self._import(tmp_path, changed)
        assert [left.what.partition(", ")[2] for left in imported.left_out] == ["ar-de", "en-tlh", "multi-th"]
        said = "".join(left.reason for left in imported.left_out)
        for sentence in ("ndcg@10 is nan, not a number from 0 to 1.", "is 97.5", "starter has no such subset."):
            assert sentence in said
        (row,) = imported.reported
        assert row.settings == {}
        assert "ar-de" not in row.pairs
        assert "cross" not in row.languages["ar"]
        assert "cross" in row.languages["de"]

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"task_name": "XQuADRetrieval"}, "ranks whole paragraphs, separately for each language"),
            ({"task_name": "MLQARetrieval", "dataset_revision": BROKEN_REVISION}, "subset ara-deu is also broken"),
            ({"task_name": "MIRACLReranking"}, "MIRACLReranking is not a Panglot task"),
            ({"dataset_revision": "0" * 64}, "It was scored on other data: its fingerprint is 000"),
            ({"scores": {"dev": []}}, "no scores on the split 'test'"),
            ({"dataset_revision": None}, "It has no dataset_revision"),
            ({"scores": None}, "It is not an mteb result: scores: must be a valid dictionary"),
            (
                {"scores": {"test": [1]}},
                "It is not an mteb result: scores.test.0: must be a valid dictionary",
            ),
            ({"task_name": None}, "It is not an mteb result: task_name: must be a valid string"),
            ({"task_name": "Foo", "mteb_version": 2}, "Foo is not a Panglot task"),
        ],
    )
    def test_unmatched_scores_are_left_out(
        self, exported: dict[str, Any], tmp_path: Path, changes: dict[str, Any], sentence: str
    ) -> None:
        imported = self._import(tmp_path, {**exported, **changes})
        assert imported.reported == []
        (left,) = imported.left_out
        assert sentence in left.reason

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("", "It is not valid JSON: Expecting value"),
            ('{"dataset_revision": ', "It is not valid JSON: Expecting value"),
            ("[" * 100_000, "It is not valid JSON: maximum recursion depth"),
            ("[1, 2]", "It is not an mteb result: not a JSON object."),
            ('{"task_name": NaN}', "It is not an mteb result: task_name"),
            ('{"a": 1}', "It is not an mteb result: task_name: Field required."),
        ],
    )
    def test_a_file_that_is_not_a_result_is_left_out_with_the_reason(
        self, content: str, sentence: str, tmp_path: Path
    ) -> None:
        imported = self._import(tmp_path, content)
        assert imported.reported == []
        assert imported.left_out[0].reason.startswith(sentence)

    def test_files_before_mteb_1_11_are_read(self, exported: dict[str, Any], tmp_path: Path) -> None:
        rows = {
            row["hf_subset"]: {k: v for k, v in row.items() if k != "hf_subset"} for row in exported["scores"]["test"]
        }
        old = {
            "mteb_dataset_name": exported["task_name"],
            "mteb_version": "1.6.2",
            "dataset_revision": exported["dataset_revision"],
            "test": {**rows, "evaluation_time": 3.2},
        }
        (row,) = self._import(tmp_path / "old", old).reported
        (new,) = self._import(tmp_path / "new", exported).reported
        assert (row.settings, row.pairs) == (new.settings, new.pairs)
        assert row.note.startswith("From mteb 1.6.2")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ({"mteb_dataset_name": "XQuADRetrieval", "validation": {"de": {"ndcg_at_10": 0.5}}}, "whole paragraphs"),
            ({"mteb_dataset_name": "MIRACLReranking", "dev": {"ndcg_at_10": 0.5}}, "not a Panglot task"),
            ({"mteb_dataset_name": "PanglotStarter", "dev": {"ndcg_at_10": 0.5}}, "It has no dataset_revision"),
        ],
    )
    def test_file_before_mteb_1_11_is_labelled(self, content: dict[str, Any], sentence: str, tmp_path: Path) -> None:
        (left,) = self._import(tmp_path, content).left_out
        assert left.reason.startswith("Written by mteb before 1.11. ")
        assert sentence in left.reason

    def test_duplicate_subsets_are_left_out(self, exported: dict[str, Any], tmp_path: Path) -> None:
        twice = json.loads(json.dumps(exported))
        twice["scores"]["test"].append({**_subsets(twice)["en-th"], "ndcg_at_10": 1.0})
        self._folder(tmp_path, exported, model="second")
        imported = self._import(tmp_path, twice)
        (row,) = imported.reported
        assert "en-th" not in row.pairs
        assert dict(imported.left_out) == {
            "org__small/abc123/PanglotStarter.json, en-th": "The file has this subset more than once.",
            "second/abc123/PanglotStarter.json": "org__small/abc123/PanglotStarter.json is already a result of "
            "org/small_x on starter.",
        }

    def test_a_task_of_images_has_means_over_its_pairs(self, tmp_path: Path) -> None:
        task = TASKS["multi30k-t2i"]
        languages = [language for language in task.languages if language != IMAGES]
        scores = [{"hf_subset": f"{x}-zxx", "ndcg_at_10": 0.5} for x in languages]
        content = {"task_name": "PanglotMulti30kT2i", "dataset_revision": "f" * 64, "scores": {"test": scores}}
        folder = self._folder(tmp_path, content, "PanglotMulti30kT2i")
        (row,) = read_mteb(folder, [replace(task, fingerprint="f" * 64)]).reported
        assert row.settings == {"cross": {"ndcg@10": 0.5}}

    @pytest.mark.parametrize("meta", ["[]", "{", '{"name": null, "revision": 3}', '{"name": ["x"]}'])
    def test_the_folders_name_a_model_that_does_not_name_itself(
        self, meta: str, exported: dict[str, Any], tmp_path: Path
    ) -> None:
        folder = self._folder(tmp_path, exported)
        (folder / "org__small" / "abc123" / "model_meta.json").write_text(meta)
        (row,) = read_mteb(folder, all_tasks()).reported
        assert (row.model, row.revision) == ("org/small", "abc123")

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadResult, match="has no mteb results"):
            read_mteb(tmp_path, all_tasks())

    def test_a_single_file_is_refused_because_a_folder_is_expected(self, tmp_path: Path) -> None:
        file = tmp_path / "Task.json"
        file.write_text("{}")
        with pytest.raises(BadResult, match=r"Task\.json is a file\. Choose the folder"):
            read_mteb(file, all_tasks())
