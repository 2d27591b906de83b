"""Verification: what a run writes passes, and the smallest edit of it does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import panglot.data.local
from panglot.data.local import remembered_pool
from panglot.data.pool import Pool
from panglot.data.task import Source
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.files import DATA_VARIABLE, data_from
from panglot.progress import Progress
from panglot.results.evidence_file import evidence_file, hash_evidence, read_evidence, write_table
from panglot.results.naming import RECORD
from panglot.results.record import write_record
from panglot.results.result import Result
from panglot.results.result_record import read_result_record
from panglot.trust.recorded import record_verification
from panglot.trust.rerun import attestation_file, rerun, write_attestation
from panglot.trust.verify import verify
from panglot.trust.verify_folder import verify_folder
from tests.helpers.tasks import TASKS

EDITS = int(os.environ.get("PANGLOT_EDITS", "50"))
DERIVED = ("settings", "balance", "bias", "blind", "languages", "pairs", "language_mix", "language_rank")

Edit = Callable[[Path, np.random.Generator], str]


@pytest.fixture(scope="module")
def original(starter_outcome: Callable[[str], Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    outcome = starter_outcome("use-multilingual")
    return outcome.save(tmp_path_factory.mktemp("original"))


@pytest.fixture
def written(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original.parent, tmp_path / original.parent.name)) / original.name


@pytest.mark.parametrize("name", ["bm25", "language-id", "random", "constant"])
def test_verify_accepts_what_run_writes(name: str, starter_outcome: Callable[[str], Result], tmp_path: Path) -> None:
    parts = (run(TASKS["starter"], load_model(name), languages) for languages in (("de", "en", "th"), ("zh",)))
    for outcome in (starter_outcome(name), *parts):
        path = outcome.save(tmp_path)
        verdict = verify(path)
        assert (verdict.level, verdict.findings, verdict.unchecked) == ("recomputed", (), ())
    assert {verdict.level for verdict in verify_folder(path.parent)} == {"recomputed"}


@pytest.mark.usefixtures("real_data")
def test_a_real_submission_on_a_full_task(tmp_path: Path) -> None:
    outcome = run(TASKS["mlqa-r"], load_model("bm25"))
    path = outcome.save(tmp_path)
    verdict = verify(path)
    assert (verdict.level, verdict.findings, verdict.unchecked) == ("recomputed", (), ())


def test_unchecked_parts_are_reported_without_the_data(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with data_from(data_dir):
        path = run(TASKS["xquad-r"], load_model("language-id"), ["en", "de"]).save(tmp_path)
        assert verify(path).unchecked == ()
    verdict = verify(path)
    assert (verdict.level, verdict.findings) == ("consistent", ())
    assert [note.partition(":")[0] for note in verdict.unchecked] == [
        "Fingerprint and relevant pairs of these languages",
        "Ids, groups and judgements",
    ]


def test_a_task_without_a_fingerprint_is_reported_as_unchecked(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unread = replace(TASKS["starter"], fingerprint="", source=Source("nowhere", {"en": ("en.json", "")}))
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (unread,))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    verdict = verify(written)
    assert (verdict.level, verdict.findings) == ("consistent", ())
    assert verdict.unchecked[0] == "The fingerprint: this task has no reference fingerprint yet."


def test_results_on_images_that_were_encoded_anew_are_of_another_content(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is here is not what was published, and says nothing about a result on it, nor on the published set."""
    task = TASKS["starter"]
    published = replace(task, fingerprint="0" * 64, source=replace(task.source, reencoded=True))
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (published,))
    monkeypatch.setattr("panglot.data.local._remembered", panglot.data.local._remembered.__wrapped__)
    verdict = verify(original)
    assert verdict.level == "failed"
    assert [finding.partition(":")[0] for finding in verdict.findings] == ["task.fingerprint"]
    assert verdict.unchecked == ("Ids, groups and judgements: the task's data is not here.",)


def test_verify_builds_no_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))

    def build(folder: Path, progress: Progress, name: str) -> None:
        raise AssertionError("It would be downloaded.")

    task = replace(TASKS["emoji-t2i"], source=replace(TASKS["emoji-t2i"].source, build=build))
    assert remembered_pool(task, task.languages) is None


def test_result_without_evidence_is_self_reported(written: Path) -> None:
    evidence_file(written, "evidence").unlink()
    assert verify(written).level == "failed"
    evidence_file(written, "top10").unlink()
    assert verify(written).level == "failed"
    evidence_file(written, "top100").unlink()
    assert verify(written).level == "self-reported"


def test_the_long_lists_may_be_left_out(written: Path) -> None:
    whole = read_evidence(written)
    evidence_file(written, "top100").unlink()
    short = read_evidence(written)
    assert (whole.top.shape[1], short.top.shape[1]) == (100, 10)
    names = np.array(short.candidate_ids, object)[short.top]
    assert np.array_equal(names, np.array(whole.candidate_ids, object)[whole.top[:, :10]])
    verdict = verify(written)
    assert (verdict.level, verdict.unchecked) == (
        "recomputed",
        ("Places 11 to 100 of the lists: their file is missing.",),
    )
    evidence_file(written, "top10").unlink()
    assert verify(written).level == "failed"


def test_long_lists_that_begin_otherwise_are_found_without_a_checksum(written: Path) -> None:
    file = evidence_file(written, "top10")
    table = pq.read_table(file)
    scores = table["score"].to_numpy() * np.float32(1 - 2**-9)
    write_table(table.set_column(3, "score", pa.array(scores)), file)
    _change(written, lambda data: data.pop("evidence"))
    assert "not the beginning" in verify(written).findings[0]


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def _numbers(value: Any, place: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Where the numbers of a JSON value are."""
    if isinstance(value, float):
        return [place]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in _numbers(item, (*place, key))]


def edit_score(path: Path, rng: np.random.Generator) -> str:
    """One unit of the last decimal; two where the number is so large that processors differ by more than half a one."""
    data = json.loads(path.read_text(encoding="utf-8"))
    field = DERIVED[rng.integers(len(DERIVED))]
    places = _numbers(data[field], (field,))
    *way, last = places[rng.integers(len(places))]
    inner = data
    for key in way:
        inner = inner[key]
    step = 1e-10 if abs(inner[last]) < 10 else 2e-10
    inner[last] = round(inner[last] + step * rng.choice([-1, 1]), 10)
    path.write_text(json.dumps(data), encoding="utf-8")
    return f"{way} {last} = {inner[last]}"


def edit_record(path: Path, rng: np.random.Generator) -> str:
    """A count, the fingerprint or a name in the record of the task."""
    field = ("queries", "candidates", "fingerprint", "headline", "name", "languages", "worst_language")[rng.integers(7)]

    def change(data: dict[str, Any]) -> None:
        task = data["task"]
        if field == "worst_language":
            data[field] = next(name for name in task["languages"] if name != data[field])
        elif field == "languages":
            first, second = rng.choice(len(task[field]), 2, replace=False)
            task[field][first], task[field][second] = task[field][second], task[field][first]
        elif field in ("queries", "candidates"):
            task[field] += int(rng.choice([-1, 1]))
        else:
            at = rng.integers(len(task[field]))
            task[field] = task[field][:at] + chr(ord(task[field][at]) ^ 1) + task[field][at + 1 :]

    _change(path, change)
    return field


def edit_evidence(path: Path, rng: np.random.Generator) -> str:
    """One cell by one step, by a forger who makes the checksum fit; but leaves the scores as they are."""
    file = evidence_file(path, "evidence")
    table = pq.read_table(file)
    names = [name for name in table.column_names if name != "score"]
    found = _edit_cell(table, names[rng.integers(len(names))], rng, file)
    _change(path, lambda data: data.update(evidence=hash_evidence(path)))
    return found


def edit_size(path: Path, rng: np.random.Generator) -> str:
    """The number of candidates of a language, by one."""
    file = evidence_file(path, "evidence")
    table = pq.read_table(file)
    sizes = json.loads(table.schema.metadata[b"sizes"])
    name = list(sizes)[rng.integers(len(sizes))]
    sizes[name] += int(rng.choice([-1, 1]))
    write_table(table.replace_schema_metadata({"format": "1", "sizes": json.dumps(sizes)}), file)
    _change(path, lambda data: data.update(evidence=hash_evidence(path)))
    return f"size of {name}"


def edit_unbound(path: Path, rng: np.random.Generator) -> str:
    """A cell that could as well be so: only the checksum in the result tells."""
    name = ("evidence", "top10", "top100")[rng.integers(3)]
    file = evidence_file(path, name)
    table = pq.read_table(file)
    return _edit_cell(table, "score" if name == "evidence" else table.column_names[rng.integers(4)], rng, file)


def _edit_cell(table: pa.Table, name: str, rng: np.random.Generator, file: Path) -> str:
    row = int(rng.integers(len(table)))
    values = table[name].to_pylist()
    before = values[row]
    if isinstance(before, str):
        values[row] = str(rng.choice(sorted(set(values) - {before})))
    elif isinstance(before, int):
        values[row] = before + int(rng.choice([-1, 1]))
    else:
        values[row] = float(np.nextafter(np.float32(before), np.float32(rng.choice([-np.inf, np.inf]))))
    column = pa.array(values, table.schema.field(name).type.value_type if isinstance(before, str) else table[name].type)
    column = column.dictionary_encode() if isinstance(before, str) else column
    write_table(table.set_column(table.column_names.index(name), name, column), file)
    return f"{file.name} {name}[{row}]: {before!r} became {values[row]!r}"


def test_verify_rejects_any_edit(tmp_path: Path) -> None:
    """In four languages, which takes a quarter of the time of all eleven and has each kind of cell."""
    four = run(TASKS["starter"], load_model("use-multilingual"), ("de", "en", "th", "zh"))
    original = four.save(tmp_path / "original")
    edits: list[Edit] = [edit_score, edit_score, edit_record, edit_evidence, edit_evidence, edit_size, edit_unbound]
    survived = []
    for seed in range(EDITS):
        rng = np.random.default_rng(seed)
        edit = edits[rng.integers(len(edits))]
        path = Path(shutil.copytree(original.parent, tmp_path / str(seed))) / original.name
        what = edit(path, rng)
        verdict = verify(path)
        if verdict.level != "failed" or not verdict.findings:
            survived.append(f"{seed} {edit.__name__}: {what}")
        shutil.rmtree(path.parent)
    assert not survived


def test_findings_name_field_and_values(written: Path) -> None:
    score = read_result_record(written).settings["multi"]["map"]
    _change(written, lambda data: data["settings"]["multi"]["map"].__setitem__(0, score.high))
    (finding,) = verify(written).findings
    assert finding == f"settings.multi.map[0]: {score.high!r} was found, {score.value!r} was expected."


def test_verify_rejects_result_that_leaves_out_its_language_bias(written: Path) -> None:
    def hide(data: dict[str, Any]) -> None:
        data["bias"], data["blind"] = {}, {}
        for settings in data["languages"].values():
            del settings["bias"]

    _change(written, hide)
    assert "bias.normalised_rank_distance: is missing." in verify(written).findings


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"format": "3"}, "format '3'; this version reads format 2"),
        ({"sizes": '{"en": -1}'}, "sizes of languages cannot be read. en: must be at least 0."),
        ({"sizes": "{"}, "sizes of languages cannot be read. Invalid JSON"),
    ],
)
def test_verify_rejects_evidence_with_odd_metadata(written: Path, stated: dict[str, str], message: str) -> None:
    file = evidence_file(written, "evidence")
    table = pq.read_table(file)
    metadata = {key.decode(): value for key, value in table.schema.metadata.items()}
    write_table(table.replace_schema_metadata({**metadata, **stated}), file)
    _change(written, lambda data: data.pop("evidence"))
    (finding,) = verify(written).findings
    assert message in finding
    assert "http" not in finding


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("above.en", lambda values: np.where(values == values.max(), 79, values), "below 0 or above"),
        ("above.en", lambda values: values - 1, "below 0 or above"),
        ("above.en", lambda values: values[::-1], "relevant pairs"),
        ("score", lambda values: -values, "count fewer candidates than score higher"),
        ("score", lambda values: values * np.float32(1.1), "another score than in the list"),
        ("score", lambda values: np.full_like(values, np.nan), "not finite numbers"),
        ("group", lambda values: values + 1, "numbered from 0"),
        ("gain", lambda values: values * 2, "column 'gain' is not the task's"),
    ],
)
def test_impossible_evidence_is_found_without_a_checksum(
    written: Path, column: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    file = evidence_file(written, "evidence")
    table = pq.read_table(file)
    values = pa.array(np.ascontiguousarray(change(table[column].to_numpy())), table[column].type)
    write_table(table.set_column(table.column_names.index(column), column, values), file)
    _change(written, lambda data: data.pop("evidence"))
    verdict = verify(written)
    assert verdict.level == "failed"
    assert any(message in finding for finding in verdict.findings), verdict.findings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: np.concatenate([[1, 0], rows[2:]]), "not in the order|counts allow|another score"),
        (lambda rows: rows[:-1], "not have 10 or 100 candidates"),
        (lambda rows: np.concatenate([[0], rows[:-1]]), "longer than 10|a candidate twice"),
        (lambda rows: rows[::-1], "order of the queries"),
    ],
)
def test_impossible_lists_are_found_without_a_checksum(
    written: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    import re

    evidence_file(written, "top100").unlink()
    file = evidence_file(written, "top10")
    table = pq.read_table(file)
    write_table(table.take(change(np.arange(len(table)))), file)
    _change(written, lambda data: data.pop("evidence"))
    verdict = verify(written)
    assert verdict.level == "failed"
    assert re.search(message, " ".join(verdict.findings)), verdict.findings


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "usе-multilingual", "printable ASCII"),
        ("name", "x" * 10_000, "longer than 500 characters"),
        ("name", "x" * 300, "1 to 200 characters"),
        ("name", "=HYPERLINK(1)", "starts a formula"),
        ("note", "\u202egnp", "invisible character"),
        ("licence", "", "at least 1 character"),
    ],
)
def test_names_that_deceive_are_refused(written: Path, field: str, value: str, message: str) -> None:
    _change(written, lambda data: data["model"].__setitem__(field, value))
    assert any(message in finding for finding in verify(written).findings)


def test_own_data_is_verified_but_compared_with_no_task(written: Path) -> None:
    _change(written, lambda data: data["task"].__setitem__("name", "mine"))
    assert verify(written).findings == ("The file must be named mine.json.",)
    for file in written.parent.iterdir():
        file.rename(file.with_name(file.name.replace("starter", "mine")))
    verdict = verify(written.with_name("mine.json"))
    assert (verdict.level, verdict.unchecked) == ("consistent", ("The task: mine is not a task in this suite.",))


@pytest.mark.parametrize("name", ["use-multilingual", "bm25", "random"])
def test_rerun_reproduces_result(
    name: str, starter: Pool, starter_outcome: Callable[[str], Result], tmp_path: Path
) -> None:
    path = starter_outcome(name).save(tmp_path)
    attestation = rerun(path, read_result_record(path), load_model(name), starter, sample=20)
    assert attestation.holds
    assert (len(attestation.queries), attestation.pairs) == (20, 220)
    write_attestation(path, attestation)
    assert verify(path).level == "reproduced"
    assert [verdict.level for verdict in verify_folder(path.parent)] == ["reproduced"]
    _change(attestation_file(path), lambda data: data["evidence"].update(top100="0" * 64))
    assert "attests other evidence" in verify(path).findings[0]


def test_attestation_made_elsewhere_does_not_raise_the_level(
    original: Path, starter: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are those of a true one; only who made it differs."""
    folder = Path(shutil.copytree(original.parent, tmp_path / "board" / original.parent.name))
    path = folder / original.name
    attestation = rerun(path, read_result_record(path), load_model("use-multilingual"), starter, sample=5)
    write_attestation(path, attestation)
    assert verify(path).level == "reproduced"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    verdict = verify(path)
    assert verdict.level == "recomputed"
    assert verdict.unchecked == (
        "starter.attestation.json: made on another machine, not recorded by the maintainers of board. To score a "
        "sample on this one, run panglot verify --rerun.",
    )
    record = record_verification(verify_folder(folder), {})
    write_record(folder.parent / RECORD, record)
    assert verify(path) == verdict  # the file is named, but as one that did not count
    (name,) = record.results
    found = record.results[name].model_copy(update={"level": "reproduced"})
    write_record(folder.parent / RECORD, record.model_copy(update={"results": {name: found}}))
    claimed = verify(path)
    assert claimed.level == "recomputed"
    assert "recorded as reproduced by the maintainers of board" in claimed.unchecked[0]
    assert record_verification(verify_folder(folder), {}).results[name].level == "reproduced"  # they keep their own
    _change(attestation_file(path), lambda data: data.update(seed=7))
    assert verify(path) == verdict
    assert record_verification(verify_folder(folder), {}).results[name].level == "recomputed"


def test_rerun_with_another_model_does_not_reproduce(starter: Pool, written: Path) -> None:
    result = read_result_record(written)
    with pytest.raises(BadResult, match="the model here has"):
        rerun(written, result, load_model("random"), starter)

    class Liar:
        card = result.model

        def encode(self, texts: list[str], role: str) -> np.ndarray:
            return load_model("random").encode(texts, role)  # type: ignore[union-attr]

    attestation = rerun(written, result, Liar(), starter, sample=20)  # type: ignore[arg-type]
    assert not attestation.holds
    assert attestation.scores_agree < 0.1
