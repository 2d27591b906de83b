"""What is said at borders that no other test meets: where the fault is, and what to do about it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from panglot.data.builders.emoji import _json
from panglot.data.builders.storybooks import StorybookSources
from panglot.data.corpus import refuse_to_hold
from panglot.data.origins.archive import Archive
from panglot.data.origins.fetch import fetch_file
from panglot.data.own import own_task
from panglot.data.pool import Pool
from panglot.data.readers.captions import read_hub
from panglot.data.readers.lareqa import sentence_pool
from panglot.data.readers.miracl import read_questions
from panglot.data.task import Source
from panglot.encode.cache import VectorCache
from panglot.encode.kinds.use import load as load_use
from panglot.encode.load import load_model
from panglot.encode.vectors import encode_with_images
from panglot.errors import BadData, BadEncoder, BadResult, MissingData, UnknownName
from panglot.files import DATA_VARIABLE, data_from
from panglot.interop.trec import read_run, run_lines
from panglot.progress import silent
from panglot.results.evidence_file import evidence_file, read_evidence, write_table
from panglot.results.record import read_record
from panglot.retrieve.ranking import collect_evidence
from panglot.score.comparison.paired import SWAPS, enough_draws
from panglot.trust.submission import SubmissionCard, place, unpack
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]


class TestPool:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda pool: {"candidates": replace(pool.candidates, language=pool.candidates.language[::-1])}, "grouped"),
            (lambda pool: {"query": pool.query[::-1]}, "Judgements must be ordered by query"),
            (lambda pool: {"gain": pool.gain * 0}, "Gains must be finite and greater than 0; list relevant pairs only"),
        ],
    )
    def test_arrays_that_contradict_each_other(
        self, make_pool: PoolMaker, change: Callable[[Pool], dict[str, object]], message: str
    ) -> None:
        pool = make_pool()
        with pytest.raises(BadData, match=message):
            replace(pool, **change(pool))


class TestSources:
    def test_an_answer_outside_of_every_sentence(self, tmp_path: Path) -> None:
        question = {"id": "q7", "question": "?", "answers": [{"answer_start": 40}]}
        paragraph = {"context": "One. Two.", "sentence_breaks": [[0, 4], [5, 9]], "qas": [question]}
        path = tmp_path / "en.json"
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
        with pytest.raises(
            BadData, match=r"en\.json: the answer to question q7 starts at character 40, which is outside"
        ):
            sentence_pool({"en": path})

    def test_a_file_of_another_encoding(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "text": "for"}\n', encoding="utf-8")
        (tmp_path / "qrels.tsv").touch()
        (tmp_path / "queries.jsonl").write_bytes('{"_id": "1", "text": "für"}\n'.encode("latin-1"))
        with pytest.raises(BadData, match=r"queries\.jsonl, line 1: not UTF-8 \(byte 0xfc"):
            own_task(str(tmp_path))

    def test_a_table_without_the_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "texts.parquet"
        pq.write_table(pa.table({"id": ["1"]}), path)
        with pytest.raises(BadData, match=r"texts\.parquet is not a Parquet table with the columns id, lang, text"):
            read_hub({"images": path, "texts": path})

    def test_a_task_that_names_no_address(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        task = replace(TASKS["xquad-r"], source=Source("mine", {"en": ("en.json", "")}))
        monkeypatch.delenv(DATA_VARIABLE, raising=False)
        with pytest.raises(MissingData, match=r"set --data-dir .*mine/en\.json, or ask .* no download URL"):
            fetch_file(task, "en")
        with data_from(tmp_path), pytest.raises(MissingData, match="ask the task's authors: the task has no download"):
            fetch_file(task, "en")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (gzip.compress(b"1\ttext\n2\n", mtime=0), "line 2 has 1 columns, not 2"),
            (b"1\ttext", "is damaged or truncated"),
        ],
        ids=["one column", "not gzip"],
    )
    def test_topics_that_are_not_a_table_are_rejected(self, own_data: Path, content: bytes, message: str) -> None:
        task = replace(MIRACL, source=Source("topics", {"sw.topics": ("sw.tsv", "")}))
        (own_data / "topics").mkdir()
        (own_data / "topics" / "sw.tsv.gz").write_bytes(content)
        with pytest.raises(BadData, match=message):
            read_questions(task, ["sw"])

    def test_a_corpus_is_not_held(self) -> None:
        with pytest.raises(MissingData, match="too many candidates to hold in memory"):
            refuse_to_hold({})


class TestVectors:
    def test_a_shard_that_is_none_though_its_name_fits(self, tmp_path: Path) -> None:
        card = load_model("random").card
        shelf = VectorCache(tmp_path).shelf(card, "query")
        shelf.add(["a", "b"], np.ones((2, card.dimension or 3)), np.ones(2, np.int32))
        found = shelf.find(["a", "c"])
        assert found is not None
        assert found.there.tolist() == [True, False]
        content = b"no archive"
        (shard,) = shelf.shards()
        shard.write_bytes(content)
        shard.rename(shard.with_stem(hashlib.sha256(content).hexdigest()))
        assert shelf.find(["a", "c"]) is None
        assert shelf.shards() == []


def _archive(path: Path, name: str, data: bytes) -> Archive:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"top/{name}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return Archive(path.as_uri())


class TestArchives:
    def test_the_checksum_is_of_the_whole_file(self, tmp_path: Path) -> None:
        archive = _archive(tmp_path / "a.tgz", "x", b"data")
        with (tmp_path / "a.tgz").open("ab") as file:
            file.write(b"more" * 100_000)
        sha256 = hashlib.sha256((tmp_path / "a.tgz").read_bytes()).hexdigest()
        assert [tuple(member) for member in replace(archive, sha256=sha256).read(lambda name: True)] == [("x", b"data")]

    def test_a_file_that_is_not_json_is_rejected(self, tmp_path: Path) -> None:
        archive = _archive(tmp_path / "a.tgz", "names.json", b"{")
        with pytest.raises(BadData, match=r"a\.tgz: names\.json is not JSON"):
            list(_json(archive, lambda name: name, tmp_path / "LICENCE"))

    def test_pictures_that_are_damaged_or_not_there(self, tmp_path: Path) -> None:
        archive = _archive(tmp_path / "images.tgz", "0001/01.jpg", b"<html>")
        sources = StorybookSources(archive, {}, "")
        with pytest.raises(BadData, match=r"images\.tgz: 0001/01\.jpg is "):
            sources._pictures(["0001-01"], tmp_path, silent)
        with pytest.raises(BadData, match=r"images\.tgz has no image for 2 pages, such as 0002-01"):
            sources._pictures(["0002-01", "0002-02"], tmp_path, silent)


class TestSubmissions:
    def test_a_zip_that_is_compressed_otherwise(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_BZIP2) as file:
            file.writestr("m@1/card.json", b"{}")
        with pytest.raises(BadResult, match=r"unsupported compression\. Use store or deflate"):
            unpack(tmp_path / "x.zip", tmp_path)

    def test_a_disk_that_takes_no_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: Path, target: Path) -> Path:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "rename", full)
        (tmp_path / "board").mkdir()
        with pytest.raises(BadResult, match=r"m@1 cannot be written\. No space left on device"):
            place(tmp_path / "m@1", tmp_path / "board")


class TestResults:
    def test_a_run_needs_long_lists(self, make_pool: PoolMaker) -> None:
        pool = make_pool()
        evidence = collect_evidence(pool, FixedScores(np.zeros((9, 15))), depth=4)
        with pytest.raises(BadResult, match=r"only the first 4 candidates .* to get a\.top100\.parquet, which has 100"):
            next(run_lines(evidence, "x", "a.top100.parquet"))

    def test_a_run_of_too_many_lines(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("panglot.interop.trec.MOST_LINES", 2)
        path = tmp_path / "a.run"
        path.write_text("".join(f"q Q0 c{place} {place} 1.5 x\n" for place in (1, 2, 3)), encoding="utf-8")
        with pytest.raises(BadResult, match="more than 2 lines"):
            read_run(path)

    def test_a_list_of_an_unknown_query_is_rejected(self, starter_results: Path, tmp_path: Path) -> None:
        path = next(starter_results.glob("bm25@*/starter.json"))
        for name in ("evidence", "top10"):
            (tmp_path / f"starter.{name}.parquet").write_bytes(evidence_file(path, name).read_bytes())
        file = tmp_path / "starter.top10.parquet"
        table = pq.read_table(file)
        asked = pa.array(["en:nobody", *table["query"].to_pylist()[1:]]).dictionary_encode()
        write_table(table.set_column(0, "query", asked), file)
        with pytest.raises(BadResult, match=r"'en:nobody' in column query is unknown"):
            read_evidence(tmp_path / "starter.json")

    @pytest.mark.parametrize(("languages", "draws"), [(2, SWAPS), (30, 36_000), (100, 400_000)])
    def test_draws_for_a_board_of_models(self, languages: int, draws: int) -> None:
        """The smallest p, 1 / (1 + draws), times all ordered pairs is at most half of 0.05."""
        assert enough_draws(languages) == draws
        assert languages**2 / (1 + draws) <= 0.05 / 2


class TestRecords:
    @pytest.mark.parametrize(
        ("limit", "message"),
        [("LARGEST_JSON", "is larger than 0 MiB, the limit for a result"), ("MOST_FAULTS", r"It has \d+ errors\.$")],
    )
    def test_more_than_is_read(self, limit: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(f"panglot.results.record.{limit}", 1)
        (tmp_path / "x.json").write_text('{"odd": 1, "odder": 2}', encoding="utf-8")
        with pytest.raises(BadResult, match=message):
            read_record(tmp_path / "x.json", SubmissionCard)


def test_an_unregistered_prefix_is_rejected() -> None:
    with pytest.raises(UnknownName, match=r"Unknown model 'nokind:x'\. .* for a folder its path"):
        load_model("nokind:x")


def test_an_encoder_of_texts_sees_no_images(make_pool: PoolMaker) -> None:
    with pytest.raises(BadEncoder, match="does not encode images"):
        encode_with_images(load_use("", None), make_pool())
