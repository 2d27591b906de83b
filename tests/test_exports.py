"""Exports: each is valid by the published schema or the library of its format, and reads back as the same scores."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import numpy as np
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.image import IMAGES
from panglot.data.readers.captions import text_to_image
from panglot.encode.kinds.floors import RandomVectors
from panglot.errors import PanglotError
from panglot.evaluate.provenance import provenance
from panglot.interop import mteb_own
from panglot.interop.every_eval_ever import aggregate, model_id, path_of, samples
from panglot.interop.hub_eval import hub_entries, yaml_lines
from panglot.interop.mteb_export import model_index
from panglot.interop.mteb_import import read_mteb
from panglot.interop.mteb_own import mteb_own_result
from panglot.interop.tidy import query_rows, score_rows, table_lines
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord, TaskRecord
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import score_evidence
from tests.helpers.command import panglot
from tests.helpers.images import image_text
from tests.helpers.layout import ROOT
from tests.helpers.pools import parallel_questions
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

SCHEMAS = ROOT / "tests" / "schemas" / "every_eval_ever"
SETTINGS = ("mono", "cross", "multi", "balance")


@pytest.fixture(scope="module")
def outcome(starter_outcome: Callable[[str], Result]) -> Result:
    return starter_outcome("bm25")


@pytest.fixture(scope="module")
def path(outcome: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return outcome.save(tmp_path_factory.mktemp("submissions"))


def _of_card(record: ResultRecord, **changes: Any) -> ResultRecord:
    return record.model_copy(update={"model": record.model.model_copy(update=changes)})


def _exported(*arguments: object) -> str:
    done = panglot("export", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


# The Hub.


@pytest.mark.parametrize("address", ["https://example.org/panglot", None])
def test_hub_entries_are_read_by_its_library(
    address: str | None, path: Path, outcome: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.interop.hub_eval.repository", lambda: address)
    target = tmp_path / ".eval_results" / "panglot.yaml"
    _exported(path.parent, "--format", "hub-eval", "--out", target)
    data = yaml.safe_load(target.read_text(encoding="utf-8"))
    entries = parse_eval_result_entries(data)
    assert [entry.task_id for entry in entries] == list(SETTINGS)
    record = outcome.record
    for entry in entries:
        score = outcome.scores[entry.task_id]["map"]
        assert entry.value == pytest.approx(score.value, abs=1e-6)
        assert (entry.dataset_id, entry.date) == ("panglot/starter", record.run.created)
        assert entry.source_url == address
        assert record.task.fingerprint in str(entry.notes)
        assert "95 % interval" in str(entry.notes)


@pytest.mark.parametrize(
    ("name", "origin", "dataset"),
    [
        ("belebele", "", ("mteb/belebele", "979a211276faa22f671e69d096634193567cfd05", "belebele_mono")),
        ("hub-org-set", f"hub:org/set@{'a' * 40}?config=de", ("org/set", "a" * 40, "hub-org-set_mono")),
        ("xquad-r", "", ("panglot/xquad-r", None, "mono")),
    ],
)
def test_hub_entries_name_the_data_set_and_its_revision(
    name: str, origin: str, dataset: tuple[str, str | None, str], outcome: Result
) -> None:
    task = outcome.record.task.model_copy(update={"name": name, "origin": origin})
    found = hub_entries([outcome.record.model_copy(update={"task": task})], "https://example.org/results")
    entry = parse_eval_result_entries(yaml.safe_load("\n".join(yaml_lines(found))))[0]
    assert (entry.dataset_id, entry.dataset_revision, entry.task_id) == dataset
    assert entry.source_url == "https://example.org/results"


@pytest.mark.parametrize(
    ("form", "source", "message"),
    [
        *(("hub-eval", source, "must be the address of a page") for source in (
            "my lab", "https://", "https:///x", "http://", "https://a b.org", "https://x@example.org", "ftp://example.org",
            "https://example.org/a\nb", "https://exämple.org", "https://example.org:port/", " https://example.org",
        )),
        ("csv", "https://a.b", "applies to"),
    ],
)  # fmt: skip
def test_source_is_the_address_of_a_page_and_for_the_hub(path: Path, form: str, source: str, message: str) -> None:
    done = CliRunner().invoke(app, ["export", str(path), "--format", form, "--source", source])
    assert isinstance(done.exception, PanglotError)
    assert message in str(done.exception)


def test_hub_entries_describe_one_model(path: Path, starter_outcome: Callable[[str], Result], tmp_path: Path) -> None:
    for name in ("bm25", "language-id"):
        starter_outcome(name).save(tmp_path)
    done = panglot("export", str(tmp_path), "--format", "hub-eval")
    assert done.returncode == 2
    assert "these results are for bm25@" in done.stderr


# Every Eval Ever.


def _schema(name: str) -> Any:
    return jsonschema.Draft7Validator(json.loads((SCHEMAS / name).read_text(encoding="utf-8")))


def test_record_and_queries_are_valid_by_the_published_schemas(path: Path, outcome: Result, tmp_path: Path) -> None:
    printed = _exported(path, "--format", "eee", "--per-query", "--out", tmp_path, "--by", "A Lab")
    file, lines_file = map(Path, printed.split())
    assert file == tmp_path / f"{path_of(outcome.record)}.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    _schema("eval.schema.json").validate(record)
    assert record["source_metadata"]["source_organization_name"] == "A Lab"

    details = record["detailed_evaluation_results"]
    data = lines_file.read_bytes()
    assert details["file_path"] == lines_file.relative_to(tmp_path).as_posix()
    assert details["checksum"] == hashlib.sha256(data).hexdigest()
    lines = [json.loads(line) for line in data.decode().splitlines()]
    assert details["total_rows"] == len(lines) == outcome.record.task.queries
    validator = _schema("instance_level_eval.schema.json")
    for line in lines:
        validator.validate(line)
    assert {line["evaluation_id"] for line in lines} == {record["evaluation_id"]}
    assert {line["model_id"] for line in lines} == {record["model_info"]["id"]}

    results = {each["evaluation_result_id"]: each for each in record["evaluation_results"]}
    by_language = defaultdict(list)
    for line in lines:
        by_language[line["metadata"]["language"]].append(line["evaluation"])
    for key, field in (("multi/map", "score"), ("multi/success@1", "is_correct")):
        mean = np.mean([np.mean([each[field] for each in found]) for found in by_language.values()])
        assert mean == pytest.approx(results[key]["score_details"]["score"])
    assert {line["evaluation_result_id"] for line in lines} == {"multi/map"}
    assert _exported(path, "--format", "eee").startswith("{\n")


def test_record_has_every_score_with_its_interval(outcome: Result) -> None:
    results = {each["evaluation_result_id"]: each for each in aggregate(outcome.record)["evaluation_results"]}
    for setting in SETTINGS:
        for metric, score in outcome.scores[setting].items():
            details = results[f"{setting}/{metric}"]["score_details"]
            interval = details["uncertainty"]["confidence_interval"]
            assert [details["score"], interval["lower"], interval["upper"]] == [*score]
            assert details["uncertainty"]["num_samples"] == outcome.record.clusters
    distance = results["bias/normalised_rank_distance"]
    assert distance["metric_config"]["lower_is_better"]
    assert distance["score_details"]["score"] == outcome.bias["normalised_rank_distance"].value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/multilingual-e5-small", "intfloat/multilingual-e5-small"),
        ("my-model", "local/my-model"),
        ("openai:m@host", "local/openai-m-host"),
        ("rerank:org/name@bm25?depth=100", "local/rerank-org-name-bm25-depth-100"),
        ("../..", "local/unnamed"),
        ("模型", "local/unnamed"),
    ],
)
def test_model_is_filed_under_a_portable_name(name: str, expected: str, outcome: Result) -> None:
    record = _of_card(outcome.record, name=name)
    assert model_id(record) == expected
    assert re.fullmatch(rf"data/panglot-starter/{expected}/[0-9a-f-]{{36}}", path_of(record))
    jsonschema.Draft7Validator(_schema("eval.schema.json").schema).validate(aggregate(record, lines=[]))


def test_results_of_a_model_behind_an_api_and_of_images_are_valid() -> None:
    pool = text_to_image(image_text(6, ("de", "en")))
    scores = np.random.default_rng(3).random((len(pool.queries), len(pool.candidates)))
    record = _record(TASKS["emoji-t2i"].name, pool, scores, "recall@1")
    record = _of_card(record, backend="http://127.0.0.1:1/v1")
    found = aggregate(record)
    _schema("eval.schema.json").validate(found)
    assert found["model_info"]["additional_details"]["deployment_type"] == "externally_managed"
    for line in samples(record, collect_evidence(pool, FixedScores(scores))):
        _schema("instance_level_eval.schema.json").validate(json.loads(line))


# Tables.


def test_tables_read_back_as_the_scores(path: Path, outcome: Result, tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    _exported(path.parent, "--format", "csv", "--out", target)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in _exported(path, "--format", "jsonl").splitlines()]
    assert len(rows) == len(lines) == len(list(score_rows(outcome.record)))
    for row, line in zip(rows, lines, strict=True):
        assert {name: "" if value is None else str(value) for name, value in line.items()} == row
    whole = {(line["setting"], line["metric"]): line for line in lines if line["query"] == line["candidate"] == "*"}
    for setting in SETTINGS:
        for metric, score in outcome.scores[setting].items():
            found = whole[setting, metric]
            assert [found["value"], found["low"], found["high"]] == pytest.approx([*score], abs=1e-9)
    assert {(row["task"], row["model"], row["fingerprint"]) for row in rows} == {
        ("starter", "bm25", outcome.record.task.fingerprint)
    }


def test_ids_are_no_formulas_in_csv_and_are_plain_json_otherwise(outcome: Result) -> None:
    ids = ("=1+1", "a\u00a0b", "\x85c", "\u2028", *outcome.evidence.query_ids[4:])
    named = replace(outcome.evidence, query_ids=ids)
    record = outcome.record.model_copy(
        update={"task": outcome.record.task.model_copy(update={"name": "Pr\u00e9nom\u00a0: a"})}
    )
    rows = list(query_rows(record, named))
    lines = list(table_lines(rows, "jsonl"))
    assert [json.loads(line)["query_id"] for line in lines] == [row["query_id"] for row in rows]
    table = list(csv.DictReader(io.StringIO("\n".join(table_lines(rows, "csv")), newline="")))
    assert {row["query_id"] for row in table} == {"'=1+1", *ids[1:]}
    for text in (
        *lines,
        *samples(record, named),
        *yaml_lines(hub_entries([record])),
        *model_index([record]).splitlines(),
    ):
        assert text.isprintable()
    assert yaml.safe_load(model_index([record]))["model-index"][0]["results"][0]["dataset"]["type"] == (
        f"panglot/{record.task.name}"
    )


def test_queries_average_to_the_scores(path: Path, outcome: Result, tmp_path: Path) -> None:
    target = tmp_path / "queries.csv.gz"
    _exported(path, "--format", "csv", "--per-query", "--out", target)
    with gzip.open(target, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == outcome.record.task.queries * 12
    for metric in ("map", "ndcg@10", "success@1"):
        cells = defaultdict(list)
        for row in rows:
            cells[row["setting"], row["query"], row["candidate"]].append(float(row[metric]))
        for setting in ("mono", "cross", "multi"):
            means = [np.mean(values) for key, values in cells.items() if key[0] == setting]
            assert np.mean(means) == pytest.approx(outcome.scores[setting][metric].value)


def test_queries_against_images_have_only_the_pool_of_all() -> None:
    pool = text_to_image(image_text(4, ("de", "en")))
    scores = np.random.default_rng(3).random((len(pool.queries), len(pool.candidates)))
    record = _record("emoji-t2i", pool, scores, "recall@1")
    rows = list(query_rows(record, collect_evidence(pool, FixedScores(scores))))
    assert {row["setting"] for row in rows} == {"multi"}
    assert next(iter(table_lines(rows, "csv"))).startswith("task,fingerprint,model,revision,setting,query,candidate")


def _record(name: str, pool: Any, scores: np.ndarray, headline: str) -> ResultRecord:
    """The record of a pool under the name of a task."""
    from panglot.encode.card import ModelCard

    task = TaskRecord(
        name=name,
        fingerprint=pool.fingerprint,
        headline=headline,
        languages=pool.languages,
        queries=len(pool.queries),
        candidates=len(pool.candidates),
    )
    card = ModelCard(name="org/name", revision="1", library="none")
    derived = score_evidence(collect_evidence(pool, FixedScores(scores)), headline, draws=50)
    return ResultRecord.of(task, card, derived, [], provenance(RandomVectors(), {}))


# mteb's own tasks.


@pytest.mark.parametrize(
    ("task", "own", "languages", "subsets"),
    [
        ("belebele", "BelebeleRetrieval", ("deu_Latn", "eng_Latn", "fra_Latn"), 7),
        ("belebele", "BelebeleRetrieval", ("arb_Arab", "arb_Latn", "ibo_Latn"), 4),
        ("miracl-hn", "MIRACLRetrievalHardNegatives", ("de", "en"), 2),
        ("miracl", "MIRACLRetrieval", ("sw",), 1),
        ("xm3600-t2i", "XM3600T2IRetrieval", ("de", "en", IMAGES), 2),
        ("xflickr-co-t2i", "XFlickr30kCoT2IRetrieval", ("de", IMAGES), 1),
    ],
)
def test_results_become_those_of_mtebs_own_tasks(
    task: str, own: str, languages: tuple[str, ...], subsets: int, tmp_path: Path
) -> None:
    import mteb

    if IMAGES in languages:
        pool = text_to_image(image_text(5, [language for language in languages if language != IMAGES]))
    else:
        pool = parallel_questions(4, 3, languages)
    scores = np.random.default_rng(3).random((len(pool.queries), len(pool.candidates)))
    evidence = collect_evidence(pool, FixedScores(scores))
    record = TaskRecord(
        name=task,
        fingerprint=pool.fingerprint,
        headline="ndcg@10",
        languages=pool.languages,
        queries=len(pool.queries),
        candidates=len(pool.candidates),
    )
    exported = mteb_own_result(
        cast(ResultRecord, SimpleNamespace(task=record, run=provenance(RandomVectors(), {}))), evidence
    )
    folder = tmp_path / "org__name" / "1"
    folder.mkdir(parents=True)
    (folder / f"{own}.json").write_text(json.dumps(exported), encoding="utf-8")
    read = mteb.results.TaskResult.from_disk(folder / f"{own}.json")
    metadata = mteb.get_task(own).metadata
    (split,) = read.scores
    assert split in metadata.eval_splits
    assert len(read.scores[split]) == subsets
    assert read.dataset_revision == metadata.dataset["revision"]
    assert {row["hf_subset"] for row in read.scores[split]} <= set(metadata.hf_subsets)
    assert all(row["main_score"] == row["ndcg_at_10"] for row in read.scores[split])

    values = score_evidence(evidence, "ndcg@10", ["ndcg@10"], draws=2).pairs["ndcg@10"].values[..., 0]
    again = read_mteb(tmp_path, TASKS.values())
    assert not again.left_out
    assert again.field.rows.num_rows == subsets
    own_cells = {row["hf_subset"]: row["ndcg_at_10"] for row in read.scores[split]}
    first = next(iter(own_cells))
    same = mteb_own.mteb_cells().same[own]
    cell = same.cell(first, TASKS[task])
    assert cell
    assert own_cells[first] == values[pool.languages.index(cell.query), pool.languages.index(cell.candidate)]


def test_tasks_that_mteb_does_not_have_are_refused(path: Path, outcome: Result) -> None:
    done = panglot("export", str(path), "--format", "mteb", "--as-mteb-task")
    assert done.returncode == 2
    assert "mteb has no task with the cells of starter. It has those of belebele" in done.stderr


def test_other_data_is_refused(outcome: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["xm3600-t2i"]
    record = SimpleNamespace(name=task.name, languages=task.languages, fingerprint="0" * 64, headline="ndcg@10")
    if task.fingerprint:
        with pytest.raises(PanglotError, match="is on other data than xm3600-t2i"):
            mteb_own_result(cast(ResultRecord, SimpleNamespace(task=record)), outcome.evidence)
    changed = {
        name: same.model_copy(update={"revisions": frozenset({"x"})})
        for name, same in mteb_own.mteb_cells().same.items()
    }
    monkeypatch.setattr(mteb_own, "mteb_cells", lambda: SimpleNamespace(same=changed))
    record.fingerprint = task.fingerprint
    with pytest.raises(PanglotError, match=r"whose cells are not known to be those of xm3600-t2i\. Known: x"):
        mteb_own_result(cast(ResultRecord, SimpleNamespace(task=record)), outcome.evidence)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "trec", "--per-query"), "--per-query applies to --format csv, jsonl, eee, not to trec"),
        (("--format", "csv", "--as-mteb-task"), "--as-mteb-task applies to --format mteb, not to csv"),
        (("--format", "csv", "--by", "X"), "--by applies to --format eee, not to csv"),
        (("--format", "eee", "--per-query"), "Name a folder for them with --out"),
    ],
)
def test_options_of_other_formats_are_refused(options: tuple[str, ...], message: str, path: Path) -> None:
    done = panglot("export", str(path), *options)
    assert done.returncode == 2
    assert message in done.stderr
