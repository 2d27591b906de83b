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
from panglot.encode.kinds.floors import RandomVectors
from panglot.encode.load import load_model
from panglot.errors import BadData, BadResult
from panglot.evaluate.provenance import provenance
from panglot.interop.mteb_export import METRICS, main_score, model_index, mteb_name, mteb_result, subset_languages
from panglot.interop.mteb_tasks import panglot_tasks
from panglot.interop.trec import run_lines
from panglot.results.evidence_file import read_evidence
from panglot.results.reported import read_reported
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord, TaskRecord, read_result_record
from panglot.retrieve.ranking import collect_evidence
from panglot.score.metrics import parse_metric
from tests.helpers.command import panglot
from tests.helpers.images import image_text
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS


@pytest.fixture(scope="module")
def outcome(starter_outcome: Callable[[str], Result]) -> Result:
    return starter_outcome("use-multilingual")


@pytest.fixture(scope="module")
def result_path(outcome: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return outcome.save(tmp_path_factory.mktemp("submissions"))


@pytest.fixture(scope="module")
def exported(outcome: Result) -> dict[str, Any]:
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

    def test_metrics_are_those_of_the_result(self, outcome: Result, exported: dict[str, Any]) -> None:
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
        exported = mteb_result(
            cast(ResultRecord, SimpleNamespace(task=record, run=provenance(RandomVectors(), {}))), evidence
        )
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

    @pytest.mark.usefixtures("real_data")
    def test_subsets_without_judgements_are_left_out(self, mlqa_r: Pool) -> None:
        import_module("mteb")
        task = panglot_tasks([TASKS["mlqa-r"]])[0]
        assert len(task.hf_subsets) == 49 + 7
        task.load_data()
        split = task.dataset["ar-zh"]["test"]
        assert 0 < len(split["relevant_docs"]) < len(split["queries"]) == 517
        assert len(task.dataset["multi-ar"]["test"]["corpus"]) == len(mlqa_r.candidates)

    def test_gains_must_be_whole(self, make_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        import_module("mteb")
        pool = make_pool()
        pool = replace(pool, gain=0.5 * pool.gain)
        monkeypatch.setattr("panglot.interop.mteb_tasks.read_pool", lambda *_: pool)
        with pytest.raises(BadData, match="starter has fractional gains"):
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
        with pytest.raises(BadData, match=r"emoji-mixed (mixes images and texts|excludes candidates)"):
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


class TestModelCard:
    def test_is_yaml_that_says_what_the_result_says(self, outcome: Result) -> None:
        (model,) = yaml.safe_load(model_index([outcome.record]))["model-index"]
        assert model["name"] == "use-multilingual"
        entries = {entry["dataset"]["config"]: entry for entry in model["results"]}
        assert list(entries) == ["mono", "cross", "multi", "balance", "bias"]
        assert {entry["task"]["type"] for entry in entries.values()} == {"Retrieval"}
        metrics = {metric["type"]: metric["value"] for metric in entries["multi"]["metrics"]}
        assert set(metrics) == {"map", "ndcg@10", "recall@10", "recall@100"}
        assert metrics["map"] == pytest.approx(outcome.record.settings["multi"]["map"].value, abs=1e-6)

    def test_the_hub_reads_it(self, outcome: Result) -> None:
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
        with pytest.raises(BadResult, match="cannot contain the id 'e n:q0'"):
            list(run_lines(evidence, "x"))


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
        assert "contains 2 results" in done.stderr

    def test_import_command_reads_mteb_results(self, exported: dict[str, Any], tmp_path: Path) -> None:
        folder = tmp_path / "results" / "a__b" / "1"
        folder.mkdir(parents=True)
        (folder / "PanglotStarter.json").write_text(json.dumps(exported))
        (folder / "XQuADRetrieval.json").write_text(json.dumps({**exported, "task_name": "XQuADRetrieval"}))
        done = panglot("import", "mteb", "results", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "rows written: 1" in done.stdout
        assert "skipped 1: XQuADRetrieval: It ranks whole paragraphs" in done.stdout
        done = panglot("import", "mteb", "results", "--verbose", cwd=tmp_path)
        assert "  a__b/1/XQuADRetrieval.json" in done.stdout
        assert read_reported(tmp_path / "submissions/a__b@1/starter.reported.json").level == "self-reported"

    def test_import_command_writes_published_rows(self, tmp_path: Path) -> None:
        done = panglot("import", "published", "--out", str(tmp_path))
        assert done.returncode == 0, done.stderr
        rows = [read_reported(path) for path in tmp_path.glob("*@published/*.reported.json")]
        assert len(rows) == 20
