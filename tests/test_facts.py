"""Facts of a task travel with it: what states others is refused, with the data of the task and without."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import panglot.data.local
from leaderboard_app.index import verification
from leaderboard_app.index.index import read_index, update
from leaderboard_app.store.store import standings_of
from panglot.cli.main import app
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Source
from panglot.encode.load import load_model
from panglot.encode.scoring import score_pool
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.results.evidence_file import evidence_file, read_facts, write_table
from panglot.results.facts import read_evidence_of
from panglot.results.naming import RECORD
from panglot.results.record import write_record
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import score_evidence
from panglot.trust.recorded import record_verification
from panglot.trust.rescore import rescore
from panglot.trust.verify import verify
from panglot.trust.verify_folder import verify_folder
from tests.helpers import command
from tests.helpers.tasks import TASKS

STARTER = TASKS["starter"]
AWAY = replace(STARTER, source=Source("nowhere", {"en": ("en.json", "")}))
"""The starter set on a machine that does not have its data."""


@pytest.fixture(scope="module")
def outcome() -> Result:
    return run(STARTER, load_model("random"))


def _write(folder: Path, outcome: Result, evidence: Evidence, name: str = "liar") -> Path:
    """A result on other evidence, with all scores that follow from it."""
    record, model = outcome.record.task, outcome.record.model.model_copy(update={"name": name})
    scores = score_evidence(evidence, record.headline, draws=20)
    return Result(ResultRecord.of(record, model, scores, [], outcome.record.run), evidence, outcome.stem).save(folder)


def _easy(pool: Pool, outcome: Result) -> Evidence:
    """Evidence of the queries' own language only, every relevant candidate in the first places."""
    own = pool.queries.language[pool.query] == pool.candidates.language[pool.candidate]
    fewer = replace(pool, query=pool.query[own], candidate=pool.candidate[own], gain=pool.gain[own])
    evidence = collect_evidence(fewer, score_pool(load_model("language-id"), fewer).scores)
    return replace(evidence, above=np.zeros_like(evidence.above))


@pytest.mark.parametrize("task", [STARTER, AWAY], ids=["data is here", "data is away"])
def test_a_lie_about_being_divided_is_refused(
    task: object, outcome: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (task,))
    path = _write(tmp_path, outcome, replace(outcome.evidence, divided=True))
    assert read_facts(path).divided
    assert verify(path).findings == ("settings: mono, but starter is not divided by language.",)
    for name in ("evidence", "top10", "top100"):
        evidence_file(path, name).unlink()
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "evidence": {}}), encoding="utf-8")
    assert verify(path).findings == ("settings: mono, but starter is not divided by language.",)


def test_fewer_relevant_pairs_are_refused_without_the_data(
    outcome: Result, starter: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (AWAY,))
    panglot.data.local._remembered.cache_clear()  # other tests may have read it
    path = _write(tmp_path, outcome, _easy(starter, outcome))
    assert verify(path).findings == ("The evidence has 572 relevant pairs; starter has 6,292.",)
    honest = outcome.save(tmp_path)
    verdict = verify(honest)
    assert (verdict.level, verdict.findings) == ("consistent", ())
    assert verdict.unchecked == ("Ids, groups and judgements: the task's data is not here.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": ("ar", "de")}, "The evidence is about ar, de, el, .*; task.languages are ar, de"),
        ({"candidates": 857}, "The evidence counts 858 candidates, the result 857"),
        ({"queries": 500}, "its evidence has 572 queries, the result 500"),
        ({"queries": 7000}, "6,292 relevant pairs for 7,000 queries"),
    ],
)
def test_evidence_of_something_else_is_not_read(
    change: dict[str, object], message: str, outcome: Result, tmp_path: Path
) -> None:
    path = outcome.save(tmp_path)
    result = read_result_record(path)
    other = result.model_copy(update={"task": result.task.model_copy(update=change)})
    with pytest.raises(BadResult, match=message):
        read_evidence_of(path, other)
    assert read_evidence_of(path, result, STARTER).queries == 572


@pytest.mark.parametrize("task", [STARTER, AWAY], ids=["data is here", "data is away"])
def test_a_lie_about_where_the_data_is_from_is_refused(
    task: object, outcome: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`panglot export --format hub-eval` names that data set."""
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (task,))
    lie = outcome.record.task.model_copy(update={"origin": f"hub:imp/x@{'0' * 40}"})
    path = Result(outcome.record.model_copy(update={"task": lie}), outcome.evidence, outcome.stem).save(tmp_path)
    assert [finding.partition(":")[0] for finding in verify(path).findings] == ["task.origin"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("group", -1),
        ("group", (1 << 31) - 1),
        ("cluster", -1),
        ("cluster", (1 << 31) - 1),
        ("above.en", -1),
        ("above.en", 858),
        ("gain", 0.0),
        ("score", np.nan),
    ],
)
def test_evidence_that_nothing_can_be_computed_from_is_not_read(
    column: str, value: float, outcome: Result, tmp_path: Path
) -> None:
    path = outcome.save(tmp_path)
    file = evidence_file(path, "evidence")
    table = pq.read_table(file)
    values = table[column].to_numpy().copy()
    first = table["query"].combine_chunks().indices.to_numpy() == 0
    values[first] = value
    place = table.column_names.index(column)
    write_table(table.set_column(place, column, pa.array(values, table[column].type)), file)
    with pytest.raises(BadResult, match="is impossible"):
        read_evidence_of(path, read_result_record(path))
    with pytest.raises(BadResult, match="is impossible"):
        rescore(path)
    assert "is impossible" in command.panglot("whatif", str(path)).stdout
    assert verify(path).level == "failed"


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.fingerprint])
def test_facts_of_a_task_are_those_of_its_data(name: str) -> None:
    task = TASKS[name]
    pool = read_pool(task)
    assert (task.relevants, task.divided) == (len(pool.query), False)


@pytest.mark.usefixtures("real_data")
def test_facts_of_unread_tasks_follow_from_their_construction() -> None:
    assert TASKS["belebele"].relevants == 13_395_600
    miracl = TASKS["miracl"]
    assert miracl.divided
    assert miracl.relevants == len(miracl.questions(miracl, miracl.languages).judgements)  # type: ignore[attr-defined]


def test_no_result_decides_by_what_the_others_are_ranked(outcome: Result, tmp_path: Path) -> None:
    """Neither by its headline nor by a lie about the task, and two states of one model are two models."""
    for name in ("one", "two"):
        _write(tmp_path, outcome, outcome.evidence, name)
    state = outcome.record.model.model_copy(update={"name": "one", "revision": "1", "settings": ("precision=bf16",)})
    changed = outcome.record.model_copy(update={"model": state})
    Result(changed, outcome.evidence, outcome.stem).save(tmp_path)
    again = Result(changed, outcome.evidence, "zzz").save(tmp_path)
    path = _write(tmp_path, outcome, replace(outcome.evidence, divided=True), "a-first")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"task": record["task"] | {"headline": "recall@1"}}), encoding="utf-8")
    done = CliRunner().invoke(app, ["rank", str(tmp_path), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert (found["metric"], found["setting"]) == ("map", "multi")
    assert {model["model"] for model in found["models"]} == {"one@1", "two@1", "one@1+precision=bf16"}
    assert set(found["left_out"]) == {str(path), str(again)}


def test_ranks_are_made_of_what_can_be_compared_and_the_rest_is_named(
    outcome: Result, starter: Pool, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        _write(tmp_path, outcome, outcome.evidence, name)
    liars = [
        _write(tmp_path, outcome, replace(outcome.evidence, divided=True), "divided"),
        _write(tmp_path, outcome, _easy(starter, outcome), "easy"),
    ]
    damaged = _write(tmp_path, outcome, outcome.evidence, "damaged")
    evidence_file(damaged, "evidence").write_bytes(b"PAR1")
    moved = _write(tmp_path, outcome, replace(outcome.evidence, cluster=outcome.evidence.cluster // 2), "moved")
    part = run(STARTER, load_model("constant"), ["de", "en"])
    other = part.save(tmp_path)
    done = CliRunner().invoke(app, ["rank", str(tmp_path), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert [model["model"] for model in found["models"]] == ["one@1", "two@1"]
    reasons = found["left_out"]
    assert set(reasons) == {str(path) for path in (*liars, damaged, moved, other)}
    assert "starter is not divided by language" in reasons[str(liars[0])]
    assert "572 relevant pairs; starter has 6,292" in reasons[str(liars[1])]
    assert "cannot be read" in reasons[str(damaged)]
    assert "does not hold the same queries" in reasons[str(moved)]
    assert "asked in de, en" in reasons[str(other)]
    shown = CliRunner().invoke(app, ["rank", str(tmp_path)], catch_exceptions=False)
    assert f"not ranked: {damaged}" in shown.stdout
    with pytest.raises(BadResult, match=f"{moved.parent.name}.*cannot be compared"):
        CliRunner().invoke(
            app, ["compare", str(tmp_path / "one@1"), str(moved.parent)], catch_exceptions=False, standalone_mode=False
        )


WITHOUT_EVIDENCE = r"one@1/starter\.json: handed in without evidence \(starter\.evidence\.parquet and "
"""How each message about it begins."""


@pytest.mark.parametrize(
    "verb",
    [
        ["rank", "ONE"],
        ["compare", "ONE", "TWO"],
        ["compare", "TWO", "ONE"],
        ["whatif", "ONE"],
        ["rescore", "ONE"],
        ["show", "ONE/starter.json", "--gallery", "page.html"],
        ["export", "ONE", "--format", "mteb"],
        ["export", "ONE", "--format", "trec"],
        ["export", "ONE", "--format", "csv", "--per-query"],
        ["export", "ONE", "--format", "eee", "--per-query", "--out", "eee"],
    ],
    ids=" ".join,
)
def test_verb_says_that_result_has_no_evidence_and_what_to_do(
    verb: list[str], outcome: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {name.upper(): _write(tmp_path, outcome, outcome.evidence, name).parent for name in ("one", "two")}
    for file in places["ONE"].glob("*.parquet"):
        file.unlink()
    words = [word.replace("ONE", str(places["ONE"])).replace("TWO", str(places["TWO"])) for word in verb]
    done = CliRunner().invoke(app, words)
    said = f"{done.output} {done.exception}"
    assert done.exit_code
    assert re.search(WITHOUT_EVIDENCE, said)
    assert "so it cannot be ranked, compared" in said
    assert "or score the model again with panglot run" in said
    assert "Errno" not in said


def test_results_without_evidence_are_skipped_among_others(outcome: Result, tmp_path: Path) -> None:
    one, _ = (_write(tmp_path, outcome, outcome.evidence, name) for name in ("one", "two"))
    for file in one.parent.glob("*.parquet"):
        file.unlink()
    for verb in ("rank", "rescore"):
        done = CliRunner().invoke(app, [verb, str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0
        assert "two@1" in done.output
        assert re.search(WITHOUT_EVIDENCE, done.output)
    done = CliRunner().invoke(app, ["verify", str(one), "--rerun"], catch_exceptions=False)
    assert "Not scored again: it was handed in without evidence" in done.output


def _regrouped(evidence: Evidence, way: str) -> Evidence:
    """Evidence that is possible, has the task's queries and judgements, and lies about what was drawn together."""
    queries = np.arange(evidence.queries)
    return {
        "a group for each query": replace(evidence, group=queries, cluster=queries),
        "a cluster for each group": replace(evidence, cluster=evidence.group),
    }[way]


@pytest.mark.parametrize("way", ["a group for each query", "a cluster for each group"])
def test_many_consistent_lies_do_not_push_out_one_result_that_was_compared_with_the_data(
    way: str, outcome: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = run(STARTER, load_model("bm25"))
    honest_path = honest.save(tmp_path)
    write_record(tmp_path / RECORD, record_verification(verify_folder(honest_path.parent), {}))
    evidence = _regrouped(outcome.evidence, way)
    scores = score_evidence(evidence, STARTER.headline)
    liars = []
    for name in ("liar-1", "liar-2"):
        card = outcome.record.model.model_copy(update={"name": name})
        record = ResultRecord.of(outcome.record.task, card, scores, [], outcome.record.run)
        liars.append(Result(record, evidence, outcome.stem).save(tmp_path))
    assert {verify(path).level for path in liars} == {"failed"}
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (AWAY,))
    monkeypatch.setattr("panglot.data.local._remembered", panglot.data.local._remembered.__wrapped__)
    assert {verify(path).level for path in liars} == {"consistent"}
    found = CliRunner().invoke(app, ["rank", str(tmp_path), "--json"])
    ranked = json.loads(found.stdout)
    assert [place["model"] for place in ranked["models"]] == [honest.record.model.label]
    assert sorted(ranked["left_out"]) == sorted(map(str, liars))
    update(tmp_path)
    verification.verify_new(tmp_path)
    index = read_index(tmp_path)
    levels = {entry.identity: entry.trust for entry in index.entries if entry.task == "starter"}
    assert sorted(levels.values()) == ["consistent"] * 2 + ["recomputed"]
    there = [entry for entry in index.entries if entry.task == "starter"]
    shown = standings_of(index, there, "map", "multi")
    assert [model.name for model in shown.models] == [f"{honest_path.parent.name}/starter"]
    assert sorted(shown.odd) == sorted(f"{path.parent.name}/starter" for path in liars)
