"""Result files: written whole, read back the same, and following from the evidence beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.results.evidence_file import NoEvidence, read_evidence
from panglot.results.naming import result_folder
from panglot.results.result import Result
from panglot.results.result_record import find_results, read_result_record
from panglot.score.summary import score_evidence
from tests.helpers.tasks import TASKS


@pytest.fixture(scope="module")
def outcome(starter_outcome: Callable[[str], Result]) -> Result:
    return starter_outcome("use-multilingual")


@pytest.fixture
def written(outcome: Result, tmp_path: Path) -> Path:
    return outcome.save(tmp_path)


def test_a_result_is_four_files_in_the_folder_of_its_model(written: Path, outcome: Result) -> None:
    assert written.parent.name == f"use-multilingual@{outcome.record.model.revision}"
    assert {path.name for path in written.parent.iterdir()} == {
        "starter.json",
        "starter.evidence.parquet",
        "starter.top10.parquet",
        "starter.top100.parquet",
    }


def test_result_reads_back_unchanged(written: Path, outcome: Result) -> None:
    result = read_result_record(written)
    for name, scores in outcome.record.settings.items():
        for metric, score in scores.items():
            assert result.settings[name][metric] == pytest.approx(score, abs=1e-9)
    assert result.task == outcome.record.task
    assert result.model == outcome.record.model
    text = written.read_text(encoding="utf-8")
    assert "NaN" not in text
    assert Result(result, outcome.evidence, outcome.stem).save(written.parents[1]).read_text(encoding="utf-8") == text


def test_every_score_follows_from_the_evidence_files(written: Path, outcome: Result) -> None:
    evidence = read_evidence(written)
    for name in ("above", "gain", "language", "query", "query_language", "group", "cluster", "sizes", "top_language"):
        assert (getattr(evidence, name) == getattr(outcome.evidence, name)).all(), name
    assert evidence.query_ids == outcome.evidence.query_ids
    again, result = score_evidence(evidence, "map"), read_result_record(written)
    for setting, scores in again.settings.items():
        for metric, score in scores.items():
            assert result.settings[setting][metric] == pytest.approx(score, abs=1e-9)
    for measured, stored in ((again.bias, result.bias), (again.balance, result.balance)):
        assert set(measured) == set(stored)
        for name, score in measured.items():
            known = [number for number in score if number is not None]
            assert [number for number in stored[name] if number is not None] == pytest.approx(known, abs=1e-9), name
    for metric, grid in again.pairs.items():
        assert np.array(result.pairs[metric]) == pytest.approx(grid.values, abs=1e-9)


def test_scores_are_plain_numbers(written: Path) -> None:
    result = read_result_record(written)
    plain = result.to_dict()
    assert set(plain) == {"task", "model", "scores", "languages", "pairs"}
    assert set(plain["scores"]) == {"mono", "cross", "multi", "bias", "balance"}
    assert plain["scores"]["mono"]["map"] == result.settings["mono"]["map"].value
    assert set(plain["scores"]["bias"]) >= {"rank_distance", "normalised_rank_distance", "same_language_ratio@10"}
    assert len(plain["pairs"]) == 121
    crossing = [
        plain["pairs"][f"{a}-{b}"]["map"] for a in result.task.languages for b in result.task.languages if a != b
    ]
    assert np.mean(crossing) == pytest.approx(plain["scores"]["cross"]["map"], abs=1e-9)
    assert plain["pairs"]["en-de"]["map"] == result.pairs["map"][3][1].value
    three = [plain["scores"][setting]["map"] for setting in ("mono", "cross", "multi")]
    assert plain["scores"]["balance"]["map"] == pytest.approx(3 / sum(1 / value for value in three), abs=1e-9)


def test_means_are_macro_means_of_queries_languages_and_pairs(outcome: Result) -> None:
    """Recomputed here from ranks, without the suite's own averaging."""
    evidence, result = outcome.evidence, outcome.record
    rank = 1 + evidence.above.sum(axis=1)
    reciprocal = [
        np.mean(
            [1 / rank[evidence.query == query].min() for query in np.flatnonzero(evidence.query_language == language)]
        )
        for language in range(11)
    ]
    assert result.settings["multi"]["mrr"].value == pytest.approx(np.mean(reciprocal))
    own = 1 + evidence.above[np.arange(len(rank)), evidence.language]
    asked = evidence.query_language[evidence.query]
    cells = [np.mean(1 / own[(asked == a) & (evidence.language == b)]) for a in range(11) for b in range(11) if a != b]
    assert result.settings["cross"]["map"].value == pytest.approx(np.mean(cells))


def test_lines_are_short_and_keys_sorted(written: Path) -> None:
    lines = written.read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) < 700
    assert list(json.loads("\n".join(lines))) == sorted(json.loads("\n".join(lines)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "is not a valid result of format 1"),
        (lambda text: text[:-20], "is not a valid result of format 1"),
        (lambda text: text.replace('"mono"', '"momo"', 1).replace('"task": {', '"tusk": {'), "task: Field required"),
        (lambda text: text.replace('"queries": 572', '"queries": "many"'), r"task\.queries"),
        (lambda text: text.replace('"queries": 572', '"queries": 572, "extra": 1'), r"task\.extra"),
        (lambda text: text.replace('"rank_distance": [', '"rank_distance": [NaN, '), "is not a valid result"),
        (lambda text: "[" * 100_000, "is not a valid result"),
    ],
)
def test_a_damaged_result_is_refused(written: Path, damage: object, message: str) -> None:
    assert callable(damage)
    written.write_text(damage(written.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(BadResult, match=message):
        read_result_record(written)


def test_missing_or_damaged_evidence_is_refused(written: Path) -> None:
    evidence = written.with_name("starter.evidence.parquet")
    content = evidence.read_bytes()
    evidence.write_bytes(content[:1000])
    with pytest.raises(BadResult, match=r"evidence beside .* cannot be read"):
        read_evidence(written)
    evidence.write_bytes(written.with_name("starter.top100.parquet").read_bytes())
    with pytest.raises(BadResult, match=r"evidence beside .* cannot be read"):
        read_evidence(written)
    evidence.unlink()
    with pytest.raises(NoEvidence, match=r"without all of its evidence \(starter\.evidence\.parquet missing\)"):
        read_evidence(written)


def test_results_are_found_in_files_models_and_folders_of_models(written: Path) -> None:
    for path in (written, written.parent, written.parents[1]):
        assert list(find_results([path])) == [written]
    with pytest.raises(BadResult, match="nothing does not exist"):
        list(find_results([written.parent / "nothing"]))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("intfloat/multilingual-e5-small", "intfloat__multilingual-e5-small@1"),
        ("../../etc/passwd", "__..__etc__passwd@1"),
        ("a b:c\\d", "a-b-c-d@1"),
        ("模型", "unnamed@1"),
        ("...", "unnamed@1"),
    ],
)
def test_a_models_name_never_leaves_the_folder(name: str, folder: str, tmp_path: Path) -> None:
    found = result_folder(tmp_path, ModelCard(name=name, revision="1", library="x"))
    assert found == tmp_path / folder


def test_choice_of_languages_makes_another_result(tmp_path: Path) -> None:
    outcome = run(TASKS["starter"], load_model("random"), ["en", "de"])
    path = outcome.save(tmp_path)
    assert path.name == "starter.de-en.json"
    assert outcome.record.task.fingerprint != TASKS["starter"].fingerprint
