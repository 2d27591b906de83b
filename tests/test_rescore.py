"""`panglot rescore`: the present format from older files, nothing that was measured lost, no value moved in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.errors import BadResult, UnknownName
from panglot.results.evidence_file import OlderEvidence, evidence_file, read_evidence, write_table
from panglot.results.result_record import read_result_record
from panglot.score.metrics import NAMES
from panglot.score.summary import BIAS_NAMES
from panglot.trust.rescore import rescore
from panglot.trust.verify import verify


@pytest.fixture
def present(starter_results: Path, tmp_path: Path) -> Path:
    """A result of today."""
    folder = next(starter_results.glob("use-multilingual@*"))
    return Path(shutil.copytree(folder, tmp_path / folder.name)) / "starter.json"


@pytest.fixture
def older(present: Path) -> Path:
    """The same as it was before clusters and some measures: question by question."""
    file = evidence_file(present, "evidence")
    table = pq.read_table(file)
    metadata = {**table.schema.metadata, b"format": b"1"}
    write_table(table.drop_columns("cluster").replace_schema_metadata(metadata), file)

    def change(record: dict[str, Any]) -> None:
        del record["clusters"]
        for scores in (record["bias"], record["blind"], *(own["bias"] for own in record["languages"].values())):
            for name in [name for name in scores if name.startswith(("top_hit", "hub", "english"))]:
                del scores[name]

    edit(present, change)
    return present


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def contents(path: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}


def test_older_evidence_is_refused_with_the_command_that_helps(older: Path) -> None:
    with pytest.raises(OlderEvidence, match=r"is of format 1.* Run: panglot rescore .*starter\.json"):
        read_evidence(older)
    assert verify(older).level == "failed"


def test_an_older_result_gains_clusters_and_measures_and_loses_nothing(older: Path, starter_results: Path) -> None:
    done = rescore(older)
    assert (done.changed, done.clusters, done.moved) == (True, 26, ())
    assert {name for name in BIAS_NAMES if name.startswith(("top_hit", "hub", "english"))} == set(done.added)
    original = starter_results / older.parent.name / older.name
    results = [read_result_record(path).model_copy(update={"evidence": {}}) for path in (older, original)]
    assert results[0] == results[1]
    assert (read_evidence(older).cluster == read_evidence(original).cluster).all()
    assert verify(older).level == "recomputed"
    assert not list(older.parent.glob(".*"))


def test_a_second_time_changes_no_byte(older: Path) -> None:
    rescore(older)
    before = contents(older)
    assert not rescore(older).changed
    assert contents(older) == before


def test_a_present_result_is_left_alone(present: Path) -> None:
    before = contents(present)
    assert not rescore(present).changed
    assert contents(present) == before


def test_the_long_lists_may_be_left_out(older: Path) -> None:
    named = json.loads(older.read_bytes())["evidence"]["top100"]
    evidence_file(older, "top100").unlink()
    rescore(older)
    assert read_result_record(older).evidence["top100"] == named
    assert verify(older).level == "recomputed"


CURVE_SCORES = {"mono": 0.5, "cross": 0.125, "multi": 0.25}


def test_curve_without_a_setting_is_refused(older: Path) -> None:
    curve = [{"dimension": 8, "form": "int8", "scores": {"multi": 0.25}}]
    edit(older, lambda record: record.update(curve=curve))
    with pytest.raises(BadResult, match=r"curve\[0\]\.scores: lacks"):
        rescore(older)


@pytest.mark.parametrize(
    "more", [{"settings": []}, {"settings": {"mono": 1}}, {"bias": None}, {"evidence": None}, {"blind": [1.0, "a", {}]}]
)
def test_parts_of_another_type_are_refused(more: dict[str, Any], older: Path) -> None:
    edit(older, lambda record: record.update(more))
    with pytest.raises(BadResult):
        rescore(older)


def test_what_is_not_derived_is_kept(older: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["curve"] = [{"dimension": 8, "form": "int8", "scores": CURVE_SCORES}]
        record["run"]["processor"] = "Abacus"

    edit(older, change)
    rescore(older)
    result = read_result_record(older)
    assert (result.curve[0].dimension, result.curve[0].scores) == (8, CURVE_SCORES)
    assert result.run.processor == "Abacus"


@pytest.mark.parametrize("name", ["settings", "bias", "pairs", "blind", "language_mix"])
def test_a_value_that_would_move_is_refused_unless_forced(name: str, older: Path) -> None:
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "settings": lambda record: record["settings"]["mono"].update({"map": [0.5, 0.4, 0.6]}),
        "bias": lambda record: record["bias"].update({"kendall_w": [0.5, 0.4, 0.6]}),
        "pairs": lambda record: record["pairs"]["map"][1].__setitem__(2, [0.5, 0.4, 0.6]),
        "blind": lambda record: record["blind"].update({"kendall_w": 0.75}),
        "language_mix": lambda record: record["language_mix"][1].__setitem__(2, 0.75),
    }
    edit(older, changes[name])
    before = contents(older)
    with pytest.raises(BadResult, match=rf"1 value would change, first {name}.* from 0\.\d+ to .*--force"):
        rescore(older)
    assert contents(older) == before
    done = rescore(older, allow_moves=True)
    assert (done.changed, len(done.moved)) == (True, 1)
    assert verify(older).level == "recomputed"


def test_a_metric_can_be_added_and_stays(present: Path) -> None:
    done = rescore(present, metrics=["ndcg@3"])
    assert done.added == ("ndcg@3",)
    result = read_result_record(present)
    assert set(result.settings["multi"]) == {*NAMES, "ndcg@3"}
    assert verify(present).level == "recomputed"
    assert not rescore(present).changed
    with pytest.raises(UnknownName, match="Unknown metric 'ndgc@3'"):
        rescore(present, metrics=["ndgc@3"])


def test_without_the_data_older_evidence_is_refused(older: Path) -> None:
    edit(older, lambda record: record["task"].update({"name": "mine"}))
    with pytest.raises(BadResult, match="cannot be looked up, because the task mine is not one of the suite"):
        rescore(older)


def test_a_query_that_the_task_lacks_is_refused(older: Path) -> None:
    file = evidence_file(older, "evidence")
    table = pq.read_table(file)
    names = ["another", *table["query"].to_pylist()[1:]]
    place = table.schema.get_field_index("query")
    write_table(table.set_column(place, "query", pa.array(names).dictionary_encode()), file)
    with pytest.raises(BadResult, match="The task has no query 'another'"):
        rescore(older)


def test_the_command_says_what_changed(older: Path) -> None:
    first = CliRunner().invoke(app, ["rescore", str(older.parent)])
    assert first.exit_code == 0, first.output
    assert "starter.json: 26 clusters, intervals " in first.output
    assert "top_hit_right_own" in first.output
    assert "no value changed" in first.output
    assert "starter.json: unchanged" in CliRunner().invoke(app, ["rescore", str(older.parent)]).output
    (record,) = json.loads(CliRunner().invoke(app, ["rescore", str(older.parent), "--json"]).stdout)
    assert (record["path"], record["changed"], record["clusters"]) == (str(older), False, 26)
