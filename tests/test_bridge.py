"""Bridges: to mteb and back, to model cards and trec_eval, from papers."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import pytrec_eval
import yaml

from panglot.data.catalogue import all_tasks
from panglot.data.image import IMAGES
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import image_to_text, mixed, text_to_image
from panglot.data.task import Task
from panglot.encode.model import load_model
from panglot.errors import BadData, BadResult
from panglot.evaluate.provenance import provenance
from panglot.evaluate.run import Outcome, run
from panglot.interop.mteb_export import METRICS, main_score, model_index, mteb_name, mteb_result, subset_languages
from panglot.interop.mteb_import import Imported, read_mteb_results
from panglot.interop.mteb_tasks import panglot_tasks
from panglot.interop.published import DATA, published_results
from panglot.interop.trec import run_lines
from panglot.results.evidence_file import read_evidence
from panglot.results.reported import ReportedResult, balance_of, read_reported, write_reported
from panglot.results.result_record import ResultRecord, TaskRecord, read_result_record, write_result
from panglot.retrieve.ranking import collect_evidence
from panglot.score.metrics import parse_metric
from tests.helpers.command import panglot
from tests.helpers.images import image_text
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

BROKEN_REVISION = "5bef8b6e2601af974fb1a1cca03fd702229be4b6"


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(TASKS["starter"], load_model("use-multilingual"))


@pytest.fixture(scope="module")
def result_path(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("submissions"), outcome.record, outcome.evidence, outcome.stem)


@pytest.fixture(scope="module")
def exported(outcome: Outcome) -> dict[str, Any]:
    return mteb_result(outcome.record, outcome.evidence)


def _subsets(exported: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["hf_subset"]: row for row in exported["scores"]["test"]}


class TestMtebExport:
    def test_holds_every_pair_and_every_pool_of_all(self, exported: dict[str, Any]) -> None:
        languages = TASKS["starter"].languages
        expected = {f"{one}-{other}" for one in languages for other in languages}
        assert set(_subsets(exported)) == expected | {f"multi-{language}" for language in languages}
        assert _subsets(exported)["zh-ar"]["languages"] == ["zho-Hans", "ara-Arab"]
        assert len(_subsets(exported)["multi-zh"]["languages"]) == 11
        assert exported["dataset_revision"] == TASKS["starter"].fingerprint

    def test_metrics_are_those_of_the_result(self, outcome: Outcome, exported: dict[str, Any]) -> None:
        rows, result = _subsets(exported), outcome.record
        languages = result.task.languages
        cell = result.pairs["ndcg@10"][languages.index("en")][languages.index("th")]
        assert cell is not None
        assert rows["en-th"]["ndcg_at_10"] == pytest.approx(cell.value, abs=1e-12)
        assert rows["multi-hi"]["hit_rate_at_5"] == pytest.approx(
            result.languages["hi"]["multi"]["success@5"].value, abs=1e-12
        )
        assert rows["multi-hi"]["main_score"] == rows["multi-hi"]["map_at_1000"]
        assert rows["multi-hi"]["map_at_1000"] == pytest.approx(result.languages["hi"]["multi"]["map"].value)

    def test_mteb_reads_it(self, exported: dict[str, Any], tmp_path: Path) -> None:
        results = import_module("mteb.results")
        path = tmp_path / "PanglotStarter.json"
        path.write_text(json.dumps(exported))
        read = results.TaskResult.from_disk(path)
        assert read.task_name == mteb_name("starter") == "PanglotStarter"
        assert len(read.hf_subsets) == 132
        assert {"ara-Arab", "zho-Hans"} <= {name for row in read.scores["test"] for name in row["languages"]}

    def test_mteb_name_of_each_task(self) -> None:
        assert main_score("map") == "map_at_1000"
        assert main_score("ndcg@10") == "ndcg_at_10"
        assert mteb_name("xquad-r") == "PanglotXquadR"

    @pytest.mark.parametrize("task", all_tasks(), ids=lambda task: task.name)
    def test_every_task_is_exported(self, task: Task, tmp_path: Path) -> None:
        pool = _one_item_a_language(task)
        evidence = collect_evidence(pool, FixedScores(np.zeros((len(pool.queries), len(pool.candidates)))))
        record = TaskRecord(
            name=task.name,
            fingerprint=pool.fingerprint,
            headline=task.headline,
            languages=pool.languages,
            queries=len(pool.queries),
            candidates=len(pool.candidates),
        )
        exported = mteb_result(cast(ResultRecord, SimpleNamespace(task=record, run=provenance({}, None))), evidence)
        rows = _subsets(exported)
        offering = np.count_nonzero(pool.sizes)
        assert len(rows) == len(pool.queries) * (offering + 1)
        check = import_module("mteb.languages.check_language_code").check_language_code
        for code in {code for row in rows.values() for code in row["languages"]}:
            check(code)
        path = tmp_path / "PanglotTask.json"
        path.write_text(json.dumps(exported))
        assert import_module("mteb.results").TaskResult.from_disk(path).task_name == mteb_name(task.name)

    def test_languages_of_belebele_and_of_images(self) -> None:
        languages = ("eng_Latn", "arb_Latn", IMAGES, "own")
        assert subset_languages(("arb_Latn", "own"), languages) == ["arb-Latn", "und-Zzzz"]
        assert subset_languages((IMAGES, "eng_Latn"), languages) == ["eng-Latn"]
        assert subset_languages(("eng_Latn", None), languages) == ["eng-Latn", "arb-Latn", "und-Zzzz"]


class TestMtebTasks:
    SUBSETS = ("de-de", "en-th", "hi-ar", "multi-zh")

    def test_mteb_finds_what_we_find(self, exported: dict[str, Any], starter: Pool) -> None:
        """All 132 subsets of the starter set agree as these do, to the five decimals that mteb keeps."""
        mteb = import_module("mteb")
        task = panglot_tasks([TASKS["starter"]])[0]
        task.hf_subsets = list(self.SUBSETS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = mteb.evaluate(_peer(), task, cache=None, co2_tracker=False, show_progress_bar=False)
        theirs = {row["hf_subset"]: row for row in found.task_results[0].scores["test"]}
        ours = _subsets(exported)
        assert set(theirs) == set(self.SUBSETS)
        for subset, row in theirs.items():
            assert row["languages"] == ours[subset]["languages"]
            for name in ("main_score", *METRICS.values()):
                assert row[name] == pytest.approx(ours[subset][name], abs=1e-5), (subset, name)

    def test_subsets_without_judgements_are_left_out(self, mlqa_r: Pool, data_dir: Path) -> None:
        import_module("mteb")
        task = panglot_tasks([TASKS["mlqa-r"]], data_dir)[0]
        assert len(task.hf_subsets) == 49 + 7
        task.load_data()
        split = task.dataset["ar-zh"]["test"]
        assert 0 < len(split["relevant_docs"]) < len(split["queries"]) == 517
        assert len(task.dataset["multi-ar"]["test"]["corpus"]) == len(mlqa_r.candidates)

    def test_gains_must_be_whole(self, make_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        import_module("mteb")
        pool = make_pool()
        pool.gain[0] = 0.5
        monkeypatch.setattr("panglot.interop.mteb_tasks.read_pool", lambda *_: pool)
        with pytest.raises(BadData, match="starter has gains that are not whole numbers"):
            panglot_tasks([TASKS["starter"]])

    @pytest.mark.parametrize(
        ("pool", "category", "columns"),
        [(text_to_image, "t2i", ("text", "image")), (image_to_text, "i2t", ("image", "text"))],
    )
    def test_mteb_reads_images(
        self, pool: Callable[..., Pool], category: str, columns: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = pool(image_text(3, ("de", "en")))
        monkeypatch.setattr("panglot.interop.mteb_tasks.read_pool", lambda *_: made)
        (task,) = panglot_tasks([TASKS["emoji-t2i"]])
        task.load_data()
        subset = "en-zxx" if category == "t2i" else "zxx-en"
        split = task.dataset[subset]["test"]
        assert (task.metadata.category, task.metadata.eval_langs[subset]) == (category, ["eng-Latn"])
        create = import_module("mteb._create_dataloaders").create_dataloader
        kinds = import_module("mteb.types").PromptType
        for name, kind, column in zip(("queries", "corpus"), (kinds.query, kinds.document), columns, strict=True):
            (batch,) = create(split[name], task_metadata=task.metadata, prompt_type=kind)
            assert len(batch[column]) == 3
            assert column == "text" or batch[column][0].size == (8, 8)

    def test_a_pool_of_images_and_texts_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = mixed(image_text(3, ("de", "en")))
        monkeypatch.setattr("panglot.interop.mteb_tasks.read_pool", lambda *_: made)
        with pytest.raises(BadData, match=r"emoji-mixed (mixes images and texts|withholds candidates)"):
            panglot_tasks([TASKS["emoji-mixed"]])


def _one_item_a_language(task: Task) -> Pool:
    """A query, a candidate that answers all queries, and one that answers none, in each language that has any."""
    asking = [language for language, size in task.sizes.items() if size.queries]
    offered = [language for language, size in task.sizes.items() if size.candidates]
    return Pool.of(
        task.languages,
        [Query(f"q {language}", "why", language, "g") for language in asking],
        [Candidate(f"{id_} {language}", f"since {language}", language) for language in offered for id_ in ("c", "d")],
        [Judgement(f"q {query}", f"c {candidate}") for query in asking for candidate in offered],
    )


def _peer() -> Any:
    """The embedded default as mteb asks for an encoder; it remembers its vectors."""
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder

    encoder: Any = load_model("use-multilingual")
    known: dict[str, np.ndarray] = {}

    class Peer(AbsEncoder):
        def __init__(self) -> None:
            self.mteb_model_meta = ModelMeta.create_empty({"name": "panglot/use", "revision": "local"})

        def encode(self, inputs: Any, **_: Any) -> np.ndarray:
            texts = [text for batch in inputs for text in batch["text"]]
            new = sorted(set(texts) - set(known))
            if new:
                known.update(zip(new, encoder.encode(new, "query"), strict=True))
            return np.stack([known[text] for text in texts])

    return Peer()


class TestMtebImport:
    def _folder(self, root: Path, content: Any, name: str = "PanglotStarter", meta: bool = True) -> Path:
        folder = root / "results" / "org__small" / "abc123"
        folder.mkdir(parents=True, exist_ok=True)
        if meta:
            (folder / "model_meta.json").write_text(json.dumps({"name": "org/small_x", "revision": "abc123"}))
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return root / "results"

    def _import(self, root: Path, content: Any, **options: Any) -> Imported:
        return read_mteb_results(self._folder(root, content, **options), all_tasks())

    def test_exported_result_imports_unchanged(
        self, outcome: Outcome, exported: dict[str, Any], tmp_path: Path
    ) -> None:
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
            ({"task_name": "XQuADRetrieval"}, "ranks whole paragraphs, each language by itself"),
            ({"task_name": "MLQARetrieval", "dataset_revision": BROKEN_REVISION}, "subset ara-deu is also broken"),
            ({"task_name": "MIRACLRetrieval"}, "MIRACLRetrieval is not a task of this suite"),
            ({"dataset_revision": "0" * 64}, "Other data: its fingerprint is 000"),
            ({"scores": {"dev": []}}, "no scores on the split 'test'"),
            ({"dataset_revision": None}, "It does not say which data was scored"),
            ({"scores": None}, "It is not a result of mteb: scores: Input should be a valid dictionary"),
            (
                {"scores": {"test": [1]}},
                "It is not a result of mteb: scores.test.0: Input should be a valid dictionary",
            ),
            ({"task_name": None}, "It is not a result of mteb: task_name: Input should be a valid string"),
            ({"task_name": "Foo", "mteb_version": 2}, "Foo is not a task of this suite"),
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
            ("[1, 2]", "It is not a result of mteb: it does not hold a JSON object."),
            ('{"task_name": NaN}', "It is not a result of mteb: task_name"),
            ('{"a": 1}', "It is not a result of mteb: task_name: Field required."),
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
            ({"mteb_dataset_name": "MIRACLRetrieval", "dev": {"ndcg_at_10": 0.5}}, "not a task of this suite"),
            ({"mteb_dataset_name": "PanglotStarter", "dev": {"ndcg_at_10": 0.5}}, "does not say which data was scored"),
        ],
    )
    def test_file_before_mteb_1_11_is_labelled(self, content: dict[str, Any], sentence: str, tmp_path: Path) -> None:
        (left,) = self._import(tmp_path, content).left_out
        assert left.reason.startswith("Written by mteb before 1.11. ")
        assert sentence in left.reason

    def test_duplicate_subsets_are_left_out(self, exported: dict[str, Any], tmp_path: Path) -> None:
        twice = json.loads(json.dumps(exported))
        twice["scores"]["test"].append({**_subsets(twice)["en-th"], "ndcg_at_10": 1.0})
        self._folder(tmp_path, exported, "B")
        imported = self._import(tmp_path, twice, name="A")
        (row,) = imported.reported
        assert "en-th" not in row.pairs
        assert {left.what.rpartition("/")[2]: left.reason for left in imported.left_out} == {
            "A.json, en-th": "The file holds this subset more than once.",
            "B.json": "org__small/abc123/A.json is already a result of org/small_x on starter.",
        }

    def test_a_task_of_images_has_means_over_its_pairs(self, tmp_path: Path) -> None:
        task = TASKS["multi30k-t2i"]
        languages = [language for language in task.languages if language != IMAGES]
        scores = [{"hf_subset": f"{x}-zxx", "ndcg_at_10": 0.5} for x in languages]
        content = {"task_name": "PanglotMulti30kT2i", "dataset_revision": "f" * 64, "scores": {"test": scores}}
        folder = self._folder(tmp_path, content)
        (row,) = read_mteb_results(folder, [replace(task, fingerprint="f" * 64)]).reported
        assert row.settings == {"cross": {"ndcg@10": 0.5}}

    @pytest.mark.parametrize("meta", ["[]", "{", '{"name": null, "revision": 3}', '{"name": ["x"]}'])
    def test_the_folders_name_a_model_that_does_not_name_itself(
        self, meta: str, exported: dict[str, Any], tmp_path: Path
    ) -> None:
        folder = self._folder(tmp_path, exported)
        (folder / "org__small" / "abc123" / "model_meta.json").write_text(meta)
        (row,) = read_mteb_results(folder, all_tasks()).reported
        assert (row.model, row.revision) == ("org/small", "abc123")

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadResult, match="There are no results of mteb in"):
            read_mteb_results(tmp_path, all_tasks())


class TestModelCard:
    def test_is_yaml_that_says_what_the_result_says(self, outcome: Outcome) -> None:
        (model,) = yaml.safe_load(model_index([outcome.record]))["model-index"]
        assert model["name"] == "use-multilingual"
        entries = {entry["dataset"]["config"]: entry for entry in model["results"]}
        assert list(entries) == ["mono", "cross", "multi", "balance", "bias"]
        assert {entry["task"]["type"] for entry in entries.values()} == {"Retrieval"}
        metrics = {metric["type"]: metric["value"] for metric in entries["multi"]["metrics"]}
        assert set(metrics) == {"map", "ndcg@10", "recall@10", "recall@100"}
        assert metrics["map"] == pytest.approx(outcome.record.settings["multi"]["map"].value, abs=1e-6)

    def test_the_hub_reads_it(self, outcome: Outcome) -> None:
        hub = import_module("huggingface_hub")
        card = hub.ModelCard(f"---\n{model_index([outcome.record])}---\n# A model\n")
        assert {result.dataset_name for result in card.data.eval_results} >= {"starter (mono)", "starter (bias)"}


class TestTrec:
    def test_trec_eval_finds_what_we_find(self, starter: Pool, result_path: Path) -> None:
        """From rounded scores in a file; within the list's 100, and up to ties, which we count against the encoder."""
        evidence = read_evidence(result_path)
        listed: dict[str, dict[str, float]] = {}
        ranks = []
        for line in run_lines(evidence, "use multilingual@1"):
            query, fixed, candidate, rank, score, tag = line.split(" ")
            assert (fixed, tag) == ("Q0", "use-multilingual@1")
            listed.setdefault(query, {})[candidate] = float(score)
            ranks.append(int(rank))
        assert len(listed) == len(starter.queries)
        assert ranks[:101] == [*range(1, 101), 1]
        assert all(list(scores.values()) == sorted(scores.values(), reverse=True) for scores in listed.values())
        assert all(len(set(np.float32(list(scores.values())))) == len(scores) for scores in listed.values())
        judged: dict[str, dict[str, int]] = {}
        for query, candidate in zip(starter.query, starter.candidate, strict=True):
            judged.setdefault(starter.queries.ids[query], {})[starter.candidates.ids[candidate]] = 1
        theirs = pytrec_eval.RelevanceEvaluator(judged, {"recall.100", "ndcg_cut.10"}).evaluate(listed)
        for ours, name in (("recall@100", "recall_100"), ("ndcg@10", "ndcg_cut_10")):
            values = parse_metric(ours).compute(evidence.together)
            assert [theirs[query][name] for query in evidence.query_ids] == pytest.approx(values.tolist(), abs=1e-9)

    @pytest.mark.parametrize("scale", [0, 1, 1e-6, 3000])
    def test_ties_keep_the_order_of_the_list(self, make_pool: PoolMaker, scale: float) -> None:
        pool = make_pool()
        evidence = collect_evidence(pool, FixedScores(np.full((len(pool.queries), len(pool.candidates)), scale)))
        lines = list(run_lines(evidence, "x"))[: len(pool.candidates)]
        scores = [np.float32(line.split(" ")[4]) for line in lines]
        assert scores == sorted(set(scores), reverse=True)
        assert [line.split(" ")[2] for line in lines] == [pool.candidates.ids[place] for place in evidence.top[0]]

    def test_an_id_with_white_space_is_refused(self, make_pool: PoolMaker) -> None:
        pool = make_pool(languages=("de", "e n"))
        evidence = collect_evidence(pool, FixedScores(np.zeros((len(pool.queries), len(pool.candidates)))))
        with pytest.raises(BadResult, match="cannot hold the id 'e n:q0'"):
            list(run_lines(evidence, "x"))


ROWS = {(row.task, row.model.partition("/")[2]): row for row in published_results()}


class TestPublished:
    @pytest.mark.parametrize(
        ("task", "model", "normalised"),
        [
            ("xquad-r", "XLM-R", (0.0369, 0.0263, 0.0255)),
            ("xquad-r", "LaBSE", (0.0232, 0.0199, 0.0195)),
            ("mlqa-r", "XLM-R", (0.0241, 0.0190, 0.0190)),
            ("mlqa-r", "LaBSE", (0.0189, 0.0166, 0.0163)),
        ],
    )
    def test_normalised_rank_distance(self, task: str, model: str, normalised: tuple[float, ...]) -> None:
        found = [
            ROWS[task, f"{model}-{batches}"].bias["normalised_rank_distance"]
            for batches in ("X-X-mono", "X-Y", "hybrid")
        ]
        assert found == pytest.approx(normalised, abs=5.1e-5)

    def test_some_printed_numbers(self) -> None:
        row = ROWS["xquad-r", "XLM-R-X-X-mono"]
        assert {setting: scores["map"] for setting, scores in row.settings.items()} == {
            "mono": 0.7918,
            "cross": 0.6737,
            "multi": 0.5479,
        }
        assert row.bias["rank_distance"] == 410.2
        assert row.languages["zh"]["bias"]["rank_distance"] == 357.3
        assert row.languages["ar"]["cross"]["map"] == 0.6064
        assert row.balance["map"] == pytest.approx(3 / (1 / 0.7918 + 1 / 0.6737 + 1 / 0.5479))
        assert ROWS["xquad-r", "mBERT-X-Y"].settings == {"multi": {"map": 0.66}}
        assert ROWS["mlqa-r", "mBERT-En-En"].balance == {}

    def test_every_row_says_where_it_is_from(self) -> None:
        assert len(ROWS) == 2 * (2 * 3 + 4)
        for row in ROWS.values():
            assert row.level == "published"
            assert "arXiv" in row.citation
            assert row.source
            assert row.note
            assert row.fingerprint is None

    def test_means_are_the_means_of_the_languages(self) -> None:
        """Printed with four decimals, rank distances with one."""
        for row in ROWS.values():
            for setting in row.settings if row.languages else ():
                mean = np.mean([scores[setting]["map"] for scores in row.languages.values()])
                assert mean == pytest.approx(row.settings[setting]["map"], abs=1.1e-4), (row.model, setting)

    @pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
    def test_bounds_are_those_of_the_pool(self, name: str, request: pytest.FixtureRequest) -> None:
        pool: Pool = request.getfixturevalue(name.replace("-", "_"))
        stored = json.loads(DATA.read_bytes())["pools"][name]
        relevants = np.bincount(pool.query, minlength=len(pool.queries))
        random = (len(pool.candidates) + 1) * (relevants - 1) / (relevants + 1)
        assert stored["languages"] == list(pool.languages)
        for place in range(len(pool.languages)):
            asked = pool.queries.language == place
            assert stored["perfect"][place] == pytest.approx((relevants[asked] - 1).mean(), abs=1e-5)
            assert stored["random"][place] == pytest.approx(random[asked].mean(), abs=1e-5)


class TestReported:
    def test_balance_needs_all_three(self) -> None:
        half = {"map": 0.5, "ndcg@10": 0.5}
        assert balance_of({"mono": half, "cross": half}) == {}
        assert balance_of({"mono": half, "cross": half, "multi": {"map": 0.0}}) == {"map": 0.0}

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"level": "recomputed"}, "level"),
            ({"settings": {"mono": {"map": 1.5}}}, "settings.mono.map"),
            ({"bias": {"rank_distance": "NaN"}}, "bias.rank_distance"),
            ({"claim": 1}, "claim"),
        ],
    )
    def test_what_is_no_reported_result_is_refused(self, change: dict[str, Any], fault: str, tmp_path: Path) -> None:
        row: ReportedResult = ROWS["xquad-r", "LaBSE-hybrid"]
        path = tmp_path / "xquad-r.reported.json"
        path.write_text(json.dumps(row.model_dump() | change))
        with pytest.raises(BadResult, match=fault):
            read_reported(path)
        with pytest.raises(BadResult, match="cannot be read"):
            read_reported(tmp_path / "absent.reported.json")


class TestCommand:
    def test_export_command_writes_each_format(self, result_path: Path, tmp_path: Path) -> None:
        for form, name in (("mteb", "a.json"), ("model-index", "a.yaml"), ("trec", "a.run.gz")):
            done = panglot("export", str(result_path), "--format", form, "--out", str(tmp_path / name))
            assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "a.json").read_text())["task_name"] == "PanglotStarter"
        assert yaml.safe_load((tmp_path / "a.yaml").read_text())["model-index"]
        assert (tmp_path / "a.run.gz").read_bytes()[:2] == b"\x1f\x8b"
        shown = panglot("export", str(result_path), "--format", "mteb")
        assert json.loads(shown.stdout) == json.loads((tmp_path / "a.json").read_text())
        shown = panglot("export", str(result_path.parent), "--format", "model-index")
        assert shown.stdout == (tmp_path / "a.yaml").read_text()
        assert read_result_record(result_path).model.name in shown.stdout

    def test_export_command_takes_several_results(self, result_path: Path, tmp_path: Path) -> None:
        for stem in ("one", "two"):
            shutil.copy(result_path, tmp_path / f"{stem}.json")
        done = panglot("export", str(tmp_path), "--format", "trec")
        assert done.returncode == 2
        assert "holds 2 results" in done.stderr

    def test_import_command_reads_mteb_results(self, exported: dict[str, Any], tmp_path: Path) -> None:
        folder = tmp_path / "results" / "a__b" / "1"
        folder.mkdir(parents=True)
        (folder / "PanglotStarter.json").write_text(json.dumps(exported))
        (folder / "XQuADRetrieval.json").write_text(json.dumps({**exported, "task_name": "XQuADRetrieval"}))
        done = panglot("import", "mteb", "results", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "rows written: 1" in done.stdout
        assert "left out: a__b/1/XQuADRetrieval.json. It ranks whole paragraphs" in done.stdout
        assert read_reported(tmp_path / "submissions/a__b@1/starter.reported.json").level == "self-reported"

    def test_import_command_writes_published_rows(self, tmp_path: Path) -> None:
        done = panglot("import", "published", "--out", str(tmp_path))
        assert done.returncode == 0, done.stderr
        rows = [read_reported(path) for path in tmp_path.glob("*@published/*.reported.json")]
        assert len(rows) == 20
