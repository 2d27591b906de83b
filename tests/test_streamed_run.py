"""A whole run over a corpus: real questions, made-up passages; killed, resumed, from the cache, and refused."""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panglot.data.corpus import StreamedTask
from panglot.data.readers.miracl import read_questions
from panglot.data.task import Size
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.kinds.floors import RandomVectors
from panglot.encode.load import load_model
from panglot.errors import BadData, BadEncoder, UnknownName
from panglot.evaluate.shards.run import StreamOptions, run_streamed
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import read_result_record
from panglot.score.summary import score_evidence
from tests.helpers.processes import completed, started
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]

LANGUAGES = ("sw", "yo")
DISTRACTORS = 300


@pytest.fixture
def data(data_dir: Path, own_data: Path) -> Path:
    """The real questions, and corpora of their relevant passages and some more."""
    folder = own_data / "miracl"
    folder.mkdir()
    for part in ("topics", "qrels"):
        (folder / part).symlink_to(data_dir / "miracl" / part)
    for language in LANGUAGES:
        judged = {j.candidate.removeprefix(f"{language}:") for j in read_questions(MIRACL, [language]).judgements}
        ids = [*sorted(judged), *(f"none#{number}" for number in range(DISTRACTORS))]
        rows = [json.dumps({"docid": id_, "title": "A title", "text": f"Text {id_} in {language}."}) for id_ in ids]
        (folder / language).mkdir()
        (folder / language / "docs-0.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    return own_data


@pytest.fixture
def task(data: Path) -> StreamedTask:
    """MIRACL with corpora as large as those made up."""
    sizes = dict(MIRACL.sizes)
    for language in LANGUAGES:
        judged = {judgement.candidate for judgement in read_questions(MIRACL, [language]).judgements}
        sizes[language] = Size(sizes[language].queries, len(judged) + DISTRACTORS)
    return replace(MIRACL, sizes=sizes)


class Counting(RandomVectors):
    """Counts the texts that it encodes, and fails after so many."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.texts, self.most = 0, most

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        self.texts += len(texts)
        if self.texts > self.most:
            raise RuntimeError("killed")
        return super().encode(texts, role)


def test_each_language_stands_alone(task: StreamedTask, tmp_path: Path) -> None:
    outcome = run_streamed(task, RandomVectors(), StreamOptions(tmp_path / "checkpoints", 5), LANGUAGES)
    result = outcome.record
    assert list(result.settings) == ["mono"]
    assert (result.balance, result.bias) == ({}, {})
    assert outcome.stem == "miracl.sw-yo"
    assert result.task.queries == 482 + 119
    assert result.task.candidates == sum(task.sizes[language].candidates for language in LANGUAGES)
    by_language = [result.languages[language]["mono"]["ndcg@10"].value for language in LANGUAGES]
    assert result.settings["mono"]["ndcg@10"].value == pytest.approx(np.mean(by_language), abs=1e-12)
    for language, value in zip(LANGUAGES, by_language, strict=True):
        alone = run_streamed(task, RandomVectors(), StreamOptions(tmp_path / "checkpoints"), [language]).record
        assert alone.settings["mono"]["ndcg@10"].value == pytest.approx(value, abs=1e-9)
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_scores_follow_from_the_files(task: StreamedTask, tmp_path: Path) -> None:
    outcome = run_streamed(task, RandomVectors(), StreamOptions(tmp_path / "checkpoints"), LANGUAGES)
    path = outcome.save(tmp_path / "out")
    again = score_evidence(read_evidence(path), "ndcg@10")
    assert read_evidence(path).divided
    assert list(again.settings) == ["mono"]
    assert again.settings["mono"]["map"].value == pytest.approx(outcome.record.settings["mono"]["map"].value, abs=1e-12)


def test_killed_run_resumes_with_the_same_result(task: StreamedTask, tmp_path: Path) -> None:
    options, cache = StreamOptions(tmp_path / "checkpoints", 20), VectorCache(tmp_path / "vectors")
    whole = run_streamed(task, Counting(), StreamOptions(tmp_path / "other", 20), ["yo"]).record
    killed = Counting(most=500)
    with pytest.raises(BadEncoder):
        run_streamed(task, killed, options, ["yo"], cache)
    assert len(list(options.checkpoints.glob("miracl.yo.*.npz"))) == 1
    resumed = Counting()
    assert run_streamed(task, resumed, options, ["yo"], cache).record.settings == whole.settings
    assert 0 < resumed.texts < task.sizes["yo"].candidates
    cached = Counting()
    assert run_streamed(task, cached, options, ["yo"], cache).record.settings == whole.settings
    assert cached.texts == 0


def test_a_corpus_that_changed_since_the_checkpoint_is_refused(data: Path, task: StreamedTask, tmp_path: Path) -> None:
    options = StreamOptions(tmp_path / "checkpoints", 20)
    with pytest.raises(BadEncoder):
        run_streamed(task, Counting(most=500), options, ["yo"])
    path = data / "miracl" / "yo" / "docs-0.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"none#7 in", b"changed in")))
    with pytest.raises(BadData, match="another corpus, model or number of shards"):
        run_streamed(task, Counting(), options, ["yo"])
    assert len(list(options.checkpoints.glob("*.npz"))) == 1


@pytest.mark.usefixtures("data")
def test_corpus_of_another_size_is_refused_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="has 440 passages instead of 49,043"):
        run_streamed(MIRACL, RandomVectors(), StreamOptions(tmp_path / "checkpoints"), ["yo"])
    options = StreamOptions(tmp_path / "checkpoints", allow_missing=True)
    assert run_streamed(MIRACL, RandomVectors(), options, ["yo"]).record.task.candidates == 440


def test_half_precision_is_the_same_from_the_cache(task: StreamedTask, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "vectors")
    options = StreamOptions(tmp_path / "checkpoints", half=True)
    first = run_streamed(task, RandomVectors(), options, ["yo"], cache).record
    assert run_streamed(task, RandomVectors(), options, ["yo"], cache).record.settings == first.settings
    assert len(list((tmp_path / "vectors" / "streamed").rglob("*.fp16.npz"))) == 1


def test_what_cannot_be_streamed_is_refused(task: StreamedTask, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match="does not produce vectors"):
        run_streamed(task, load_model("bm25"), StreamOptions(tmp_path), ["yo"])
    with pytest.raises(UnknownName):
        run_streamed(task, RandomVectors(), StreamOptions(tmp_path), ["xx"])


SLOW = '''
import os, time
from pathlib import Path
from panglot.encode.kinds.floors import RandomVectors

class Slow(RandomVectors):
    """Encodes shards until the first are in a checkpoint, then waits to be killed."""
    def encode(self, texts, role):
        while any(Path(os.environ["CHECKPOINTS"]).glob("*.npz")) and not Path(os.environ["GO"]).exists():
            time.sleep(0.05)
        return super().encode(texts, role)
'''


def test_killed_ray_driver_resumes_with_the_same_result(data: Path, tmp_path: Path) -> None:
    """The whole command: by two workers of Ray, killed after its first shards, and called again without them."""
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    command = [sys.executable, "-m", "panglot", "run", "py:slow:Slow", "--tasks", "miracl", "--languages", "yo"]
    command += ["--data-dir", str(data), "--allow-missing", "--shards", "20"]
    command += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    checkpoints = tmp_path / "cache" / "checkpoints"

    variables = {"CHECKPOINTS": str(checkpoints), "GO": str(tmp_path / "go")}
    with (tmp_path / "log").open("w") as log:
        settings = {"cwd": tmp_path, "env": os.environ | variables, "stdout": log, "stderr": log}
        with started([*command, "--engine", "ray", "--workers", "2"], **settings) as killed:
            while not list(checkpoints.glob("*.npz")):
                assert killed.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
                time.sleep(0.05)
    (left,) = checkpoints.glob("*.npz")
    with np.load(left) as arrays:
        done = json.loads(arrays["facts"].tobytes())["done"]
    assert 0 < len(done) < 20
    (tmp_path / "go").touch()
    completed(command, check=True, cwd=tmp_path, env=os.environ | variables)
    assert not list(checkpoints.glob("*.npz"))
    whole = run_streamed(MIRACL, RandomVectors(), StreamOptions(tmp_path, 20, allow_missing=True), ["yo"]).record
    found = read_result_record(next((tmp_path / "out").glob("*/miracl.yo.json"))).settings["mono"]
    for name, score in whole.settings["mono"].items():
        assert found[name] == pytest.approx(score, abs=1e-9), name
