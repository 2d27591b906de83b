"""MIRACL: the published questions and counts, corpora in the published format, and what is wrong with damaged ones."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from panglot.data.corpus import Passage, judged_pool, survey
from panglot.data.load import read_pool
from panglot.data.pool import Judgement
from panglot.data.readers.miracl import HubCorpora, JsonlCorpus, folder_corpus, read_questions
from panglot.errors import BadData, MissingData
from panglot.files import data_cache
from panglot.progress import Advance, Progress, silent
from panglot.results.parquet import TEXT, Columns, Form
from tests.helpers.tasks import TASKS

MIRACL, MIRACL_HN = TASKS["miracl"], TASKS["miracl-hn"]

POSITIVE = dict(
    ar=5658, bn=863, de=811, en=2326, es=2987, fa=1314, fi=2447, fr=731, hi=752, id=3088, ja=1790, ko=547, ru=3560,
    sw=910, te=854, th=1343, yo=144, zh=994,
)  # fmt: skip
"""Relevant pairs of each language's dev set, as published."""

PASSAGES = [
    {"docid": "1#0", "title": "Maji", "text": "Maji ni kiowevu."},
    {"docid": "1#1", "title": "", "text": "Hayana rangi."},
    {"docid": "2#0", "title": "Nairobi", "text": "Mji mkuu wa Kenya."},
]


def write_corpus(folder: Path, passages: list[dict[str, str]] = PASSAGES, name: str = "docs-0.jsonl.gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in passages).encode()))
    return folder / name


def corpus_of(folder: Path, passages: list[dict[str, str]] = PASSAGES) -> JsonlCorpus:
    write_corpus(folder / "sw", passages)
    return folder_corpus(folder, ["sw"])


class TestQuestions:
    @pytest.mark.usefixtures("real_data")
    def test_counts_are_those_that_are_published(self) -> None:
        questions = read_questions(MIRACL, MIRACL.languages)
        assert len(questions.queries) == MIRACL.queries == 13_495
        assert len(questions.judgements) == sum(POSITIVE.values()) == 31_119
        for language, size in MIRACL.sizes.items():
            assert sum(query.language == language for query in questions.queries) == size.queries
            own = [judgement for judgement in questions.judgements if judgement.query.startswith(f"{language}:")]
            assert len(own) == POSITIVE[language]
            assert all(judgement.candidate.startswith(f"{language}:") for judgement in own)

    def test_corpora_are_as_large_as_published(self, data_dir: Path) -> None:
        with (data_dir / "miracl" / "corpus_stats.csv").open(encoding="utf-8") as file:
            published = {row["lang"]: int(row["passages"]) for row in csv.DictReader(file)}
        assert {language: size.candidates for language, size in MIRACL.sizes.items()} == published
        assert MIRACL.candidates == 106_332_152
        assert (MIRACL_HN.queries, MIRACL_HN.candidates) == (11_076, 2_449_382)
        for language in ("bn", "sw", "yo"):
            assert MIRACL_HN.sizes[language] == MIRACL.sizes[language]

    def test_the_tier_asks_the_queries_that_its_list_names(self, data_dir: Path, own_data: Path) -> None:
        (own_data / "miracl").symlink_to(data_dir / "miracl")
        everything = read_questions(MIRACL, ["ar"])
        ids = [query.id.removeprefix("ar:") for query in everything.queries[:1000]]
        (own_data / "miracl-hn").mkdir()
        (own_data / "miracl-hn" / "queries-ar.txt").write_text("\n".join(ids), encoding="utf-8")
        tier = MIRACL_HN.questions(MIRACL_HN, ["ar"])
        assert tier.queries == everything.queries[:1000]
        assert {judgement.query for judgement in tier.judgements} == {query.id for query in tier.queries}
        (own_data / "miracl-hn" / "queries-ar.txt").write_text("\n".join(ids[1:]), encoding="utf-8")
        with pytest.raises(BadData, match="miracl-hn, ar: expected 1000 queries, found 999"):
            MIRACL_HN.questions(MIRACL_HN, ["ar"])

    def test_a_changed_file_is_refused(self, data_dir: Path, own_data: Path) -> None:
        for part in ("topics", "qrels"):
            name = f"{part}/{part}.miracl-v1.0-yo-dev.tsv.gz"
            content = gzip.decompress((data_dir / "miracl" / name).read_bytes())
            (own_data / "miracl" / part).mkdir(parents=True)
            (own_data / "miracl" / name).write_bytes(gzip.compress(content.replace(b"\t", b"\tx", 1)))
        with pytest.raises(BadData, match=r"yo-dev\.tsv\.gz is damaged or changed"):
            read_questions(MIRACL, ["yo"])

    def test_a_damaged_file_is_refused(self, data_dir: Path, own_data: Path) -> None:
        for part in ("topics", "qrels"):
            name = f"{part}/{part}.miracl-v1.0-yo-dev.tsv.gz"
            (own_data / "miracl" / part).mkdir(parents=True)
            (own_data / "miracl" / name).write_bytes((data_dir / "miracl" / name).read_bytes()[:-9])
        with pytest.raises(BadData, match=r"yo-dev\.tsv\.gz is damaged or truncated"):
            read_questions(MIRACL, ["yo"])

    def test_the_lists_of_the_whole_task_can_be_read(self, tmp_path: Path) -> None:
        """A hundred passages for each query, all of them different."""
        ids = [f"en:{number}#{number % 50}" for number in range(100 * MIRACL.queries)]
        codes = pa.array(range(len(ids)), pa.int32())
        table = pa.table({"candidate": pa.DictionaryArray.from_arrays(codes, pa.array(ids))})
        pq.write_table(table, tmp_path / "x.parquet")
        read = Columns(tmp_path / "x.parquet", lambda _: Form({"candidate": TEXT}))
        assert len(read.texts("candidate").names) == len(ids)

    @pytest.mark.usefixtures("real_data")
    def test_candidates_are_never_held(self) -> None:
        with pytest.raises(MissingData):
            read_pool(MIRACL, ("yo",))


class TestCorpus:
    @pytest.mark.usefixtures("real_data")
    def test_real_passages_load_as_a_corpus(self, data_dir: Path, tmp_path: Path) -> None:
        rows = gzip.decompress((data_dir / "miracl" / "sample_docs_mrtydi-1.1.jsonl.gz").read_bytes()).splitlines()
        passages = [json.loads(row) for row in rows]
        languages = sorted({row["lang"] for row in passages})
        for language in languages:
            write_corpus(tmp_path / f"miracl-corpus-v1.0-{language}", [p for p in passages if p["lang"] == language])
        corpus = folder_corpus(tmp_path, languages)
        judged = {judgement.candidate for judgement in read_questions(MIRACL, languages).judgements}
        surveys = {language: survey(corpus, language, judged) for language in languages}
        assert {language: own.size for language, own in surveys.items()} == dict.fromkeys(languages, 4)
        first = next(corpus.passages("sw"))
        row = next(p for p in passages if p["lang"] == "sw")
        assert first == (f"sw:{row['docid']}", f"{row['title']}\n{row['text']}")
        assert sum(len(own.found) for own in surveys.values()) > 0

    def test_text_is_title_line_feed_text(self, tmp_path: Path) -> None:
        texts = [passage.text for passage in corpus_of(tmp_path).passages("sw")]
        assert texts == ["Maji\nMaji ni kiowevu.", "Hayana rangi.", "Nairobi\nMji mkuu wa Kenya."]

    def test_reading_starts_anywhere_across_files(self, tmp_path: Path) -> None:
        write_corpus(tmp_path / "sw", PASSAGES[:2], "docs-0.jsonl.gz")
        write_corpus(tmp_path / "sw", PASSAGES[2:], "docs-1.jsonl.gz")
        corpus = folder_corpus(tmp_path, ["sw"])
        from_nothing = [list(folder_corpus(tmp_path, ["sw"]).passages("sw", start)) for start in range(4)]
        whole = list(corpus.passages("sw"))
        assert list(corpus.counts.values()) == [2, 1]
        assert from_nothing == [whole[start:] for start in range(4)]
        assert [list(corpus.passages("sw", start)) for start in range(4)] == [whole[start:] for start in range(4)]

    def test_fingerprint_is_of_the_content_not_its_order(self, tmp_path: Path) -> None:
        one = survey(corpus_of(tmp_path / "a"), "sw", ())
        other = survey(corpus_of(tmp_path / "b", PASSAGES[::-1]), "sw", ())
        changed = survey(corpus_of(tmp_path / "c", [*PASSAGES[:2], {**PASSAGES[2], "text": "Mji."}]), "sw", ())
        assert one.fingerprint == other.fingerprint != changed.fingerprint

    def test_missing_folder_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(MissingData, match=r"no \.jsonl or \.jsonl\.gz files"):
            folder_corpus(tmp_path, ["sw"])


class TestDamage:
    def test_duplicate_id_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadData, match="sw: 1 duplicate ids in the corpus, the first sw:1#1"):
            survey(corpus_of(tmp_path, [*PASSAGES, PASSAGES[1]]), "sw", ())

    def test_truncated_file_is_refused(self, tmp_path: Path) -> None:
        path = write_corpus(tmp_path / "sw", PASSAGES * 100)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(BadData, match=r"docs-0\.jsonl\.gz is damaged or truncated"):
            survey(folder_corpus(tmp_path, ["sw"]), "sw", ())

    @pytest.mark.parametrize("row", ['{"docid": 1, "text": "x"}', '{"text": "x"}', "[]", "{"])
    def test_line_without_a_passage_is_refused(self, tmp_path: Path, row: str) -> None:
        (tmp_path / "sw").mkdir()
        (tmp_path / "sw" / "docs.jsonl").write_text(f'{{"docid": "1", "text": "x"}}\n{row}\n', encoding="utf-8")
        with pytest.raises(BadData, match=r"docs\.jsonl, line 2: not a passage"):
            survey(folder_corpus(tmp_path, ["sw"]), "sw", ())

    @pytest.mark.usefixtures("real_data")
    def test_a_judged_passage_that_the_corpus_lacks(self) -> None:
        questions = read_questions(MIRACL, ["sw"])
        found = {judgement.candidate: "text" for judgement in questions.judgements}
        gone = sorted(found)[:7]
        for id_ in gone:
            del found[id_]
        with pytest.raises(BadData, match="7 judged passages are not in the corpus") as refused:
            judged_pool(questions, ["sw"], found)
        assert [id_ in str(refused.value) for id_ in gone] == [True] * 5 + [False] * 2
        pool = judged_pool(questions, ["sw"], found, allow_missing=True)
        kept = [judgement for judgement in questions.judgements if judgement.candidate in found]
        assert len(pool.query) == len(kept)
        assert set(pool.queries.ids) == {judgement.query for judgement in kept}
        assert Judgement(pool.queries.ids[pool.query[0]], pool.candidates.ids[pool.candidate[0]]) in kept


class TestHub:
    """A folder that `datasets` reads as it reads a repository of the Hub."""

    ROWS: ClassVar = [
        {"_id": f"{n}#0", "title": f"Title {n}", "text": f"Text {n}."}
        if n
        else {"_id": "0#0", "title": "", "text": "T"}
        for n in range(7)
    ]

    @pytest.fixture
    def tier(self, own_data: Path, monkeypatch: pytest.MonkeyPatch) -> HubCorpora:
        """Files of three passages each are fetched from it."""
        twin = own_data / "twin"
        tables = {"yo-corpus": self.ROWS, "yo-queries": [{"_id": row["_id"], "text": "?"} for row in self.ROWS[:2]]}
        configs = ""
        for name, rows in tables.items():
            (twin / name).mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(rows), twin / name / "dev.parquet")
            configs += f"- config_name: {name}\n  data_files:\n  - split: dev\n    path: {name}/dev.parquet\n"
        (twin / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(own_data / "cache"))
        monkeypatch.setattr("panglot.data.readers.miracl.FILE_PASSAGES", 3)
        monkeypatch.setenv("HF_HOME", str(own_data / "home"))
        return HubCorpora(str(twin), "main")

    def read(self, tier: HubCorpora, progress: Progress = silent) -> list[Passage]:
        return list(tier(MIRACL, ["yo"], progress).passages("yo"))

    def test_a_corpus_is_fetched_once_in_files(self, tier: HubCorpora, own_data: Path) -> None:
        expected = [
            (f"yo:{row['_id']}", f"{row['title']}\n{row['text']}" if row["title"] else "T") for row in self.ROWS
        ]
        assert self.read(tier) == expected
        names = ["docs-00000.jsonl.gz", "docs-00001.jsonl.gz", "docs-00002.jsonl.gz"]
        assert sorted(path.name for path in (data_cache("miracl") / "yo").iterdir()) == names
        shutil.rmtree(own_data / "twin")
        assert self.read(tier) == expected

    def test_killed_fetch_resumes(self, tier: HubCorpora, own_data: Path) -> None:
        @contextmanager
        def killed(label: str, total: int) -> Iterator[Advance]:
            def advance(done: int) -> None:
                if done:
                    raise KeyboardInterrupt

            yield advance

        with pytest.raises(KeyboardInterrupt):
            self.read(tier, killed)
        folder = data_cache("miracl") / "yo"
        assert sorted(path.name for path in folder.iterdir()) == ["docs-00000.jsonl.gz", "unfinished"]
        written = (folder / "docs-00000.jsonl.gz").stat().st_mtime_ns
        assert [passage.id for passage in self.read(tier)] == [f"yo:{n}#0" for n in range(7)]
        assert (folder / "docs-00000.jsonl.gz").stat().st_mtime_ns == written
        assert not (folder / "unfinished").exists()

    def test_the_queries_that_are_asked_are_fetched_once(self, tier: HubCorpora, own_data: Path) -> None:
        assert tier.read_selection(MIRACL, "yo") == {"0#0", "1#0"}
        shutil.rmtree(own_data / "twin")
        assert tier.read_selection(MIRACL, "yo") == {"0#0", "1#0"}

    def test_nothing_is_written_to_the_data_folder(self, tier: HubCorpora, own_data: Path) -> None:
        (own_data / "miracl").mkdir()
        before = sorted(own_data.iterdir())
        self.read(tier)
        tier.read_selection(MIRACL, "yo")
        assert sorted({*own_data.iterdir()} - {own_data / "cache", own_data / "home"}) == before
        assert not list((own_data / "miracl").iterdir())

    def test_missing_files_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        with pytest.raises(MissingData, match=r"nowhere \(yo-corpus\) at revision main cannot be read"):
            self.read(HubCorpora(str(tmp_path / "nowhere"), "main"))
