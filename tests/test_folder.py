"""Data of one's own: every setting it allows, and what is said about a file that is wrong."""

from __future__ import annotations

import gzip
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.data.load import read_pool
from panglot.data.own import own_task, with_settings
from panglot.data.pool import Pool
from panglot.data.quality import inspect
from panglot.data.readers.folder import FILES
from panglot.data.task import Size
from panglot.encode.load import load_model
from panglot.errors import BadData, MissingData
from panglot.evaluate.run import run
from panglot.results.evidence_file import read_evidence
from panglot.score.summary import score_evidence
from tests.helpers.command import panglot
from tests.helpers.tasks import TASKS


def _write(folder: Path, pool: Pool) -> Path:
    """A pool in the layout of BEIR."""
    folder.mkdir()
    names = pool.languages

    def lines(name: str, rows: list[dict[str, str]]) -> None:
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    queries, candidates = pool.queries, pool.candidates
    lines(
        "queries.jsonl",
        [
            {"_id": i, "text": t, "language": names[x], "group": g}
            for i, t, x, g in zip(queries.ids, queries.texts, queries.language, pool.groups, strict=True)
        ],
    )
    lines(
        "corpus.jsonl",
        [
            {"_id": i, "text": t, "title": "", "language": names[x]}
            for i, t, x in zip(candidates.ids, candidates.texts, candidates.language, strict=True)
        ],
    )
    rows = [
        f"{queries.ids[q]}\t{candidates.ids[c]}\t{int(g)}\n"
        for q, c, g in zip(pool.query, pool.candidate, pool.gain, strict=True)
    ]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    return folder


def test_the_starter_set_as_a_folder_is_the_starter_set(starter: Pool, tmp_path: Path) -> None:
    folder = _write(tmp_path / "mine", starter)
    task = own_task(str(folder))
    assert (task.name, task.fingerprint, task.languages) == ("mine", starter.fingerprint, starter.languages)
    result = run(task, load_model("use-multilingual")).record
    assert set(result.settings) == {"mono", "cross", "multi"}
    assert result.task.headline == "ndcg@10"
    assert result.bias["same_language_ratio@10"].value > 1


def test_one_language_gives_only_what_it_can(starter: Pool, tmp_path: Path) -> None:
    task = own_task(str(_write(tmp_path / "english", starter.only(["en"]))))
    result = run(task, load_model("bm25")).record
    assert set(result.settings) == {"mono", "multi"}
    assert result.settings["mono"] == result.settings["multi"]
    assert result.bias == {}


def test_some_languages_of_a_folder(starter: Pool, tmp_path: Path) -> None:
    task = own_task(str(_write(tmp_path / "mine", starter)))
    assert read_pool(task, ["en", "de"]).fingerprint == starter.only(["de", "en"]).fingerprint


def test_title_grades_and_default_group(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "Bees", "text": "They dance.", "language": "en"}\n'
        '{"_id": "b", "text": "Tea.", "language": "en"}\n',
        encoding="utf-8",
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "Who?", "language": "en"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q\ta\t2\nq\tb\t0\n", encoding="utf-8")
    pool = read_pool(own_task(str(tmp_path)))
    assert pool.candidates.texts == ("Bees\nThey dance.", "Tea.")
    assert pool.gain.tolist() == [2.0]
    assert pool.groups == ("q",)


CORPUS = '{"_id": "a", "text": "x", "language": "en"}\n'
QUERIES = '{"_id": "q", "text": "x", "language": "en"}\n'
QRELS = "q\ta\t1\n"


def _folder(
    folder: Path, corpus: str | bytes = CORPUS, queries: str | bytes = QUERIES, qrels: str | bytes = QRELS
) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in zip(FILES, (corpus, queries, qrels), strict=True):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def _line(**fields: object) -> str:
    return json.dumps({"_id": "a", "text": "x", "language": "en"} | fields) + "\n"


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (f"{CORPUS}no json\n", r"corpus\.jsonl, line 2: not JSON"),
        (f"\n{CORPUS}\n\n[]\n", r"corpus\.jsonl, line 5: not a JSON object, but \[\]\. Each line must be"),
        ("null\n", r"line 1: not a JSON object, but null"),
        ('{"_id": "a", "text": "x", "text": "y", "language": "en"}\n', r"line 1: .*Duplicate field 'text'"),
        ("[" * 100_000 + "\n", r"line 1: not JSON"),
        ('{"text": "x", "language": "en"}\n', r"line 1: the field '_id' is missing"),
        (_line(_id=1.0), r"line 1: the field '_id' must be a string or an integer, not 1\.0"),
        (_line(_id=True), r"line 1: the field '_id' must be a string or an integer, not true"),
        (_line(_id=""), r"line 1: the field '_id' is empty"),
        (_line(_id=" a"), r"line 1: the field '_id' begins or ends with white space: ' a'"),
        (_line(_id="a\tb"), r"line 1: the field '_id' contains the character U\+0009"),
        (_line(_id="a\u2028b"), r"line 1: the field '_id' contains the character U\+2028"),
        (_line(_id="a" * 501), r"line 1: the field '_id' is longer than 500 characters"),
        (f"{CORPUS}{CORPUS}", r"line 2 \('a'\): duplicate id, first used in line 1"),
        (f"{_line(_id=7)}{_line(_id='7')}", r"line 2 \('7'\): duplicate id, first used in line 1"),
        ('{"_id": "a", "language": "en"}\n', r"line 1 \('a'\): the field 'text' is missing"),
        (_line(text=None), r"line 1 \('a'\): the field 'text' is missing"),
        (_line(text=["x"]), r"line 1 \('a'\): the field 'text' must be a string, not \[\"x\"\]"),
        (_line(text="x\0"), r"line 1 \('a'\): the field 'text' contains a NUL character at position 2"),
        (_line(text="x\ud83d"), r"line 1 \('a'\): the field 'text' contains an unpaired surrogate \(U\+D83D\)"),
        (_line(title=float("nan")), r"line 1: not JSON. NaN is not a valid JSON value"),
        (_line(title=3), r"line 1 \('a'\): the field 'title' must be a string, not 3"),
        (_line(language="zxx"), r"line 1 \('a'\): the language 'zxx' is reserved for images"),
        (_line(language=" en"), r"line 1 \('a'\): the field 'language' begins or ends with white space"),
        ('{"_id": "a", "text": "x"}\n', r"line 1 \('a'\): the field 'language' is missing. Set it for every"),
        (b"", r"corpus\.jsonl is empty"),
        (b"\n \n", r"corpus\.jsonl is empty"),
        (CORPUS.encode() + b"\xff\n", r"corpus\.jsonl, line 2: not UTF-8 \(byte 0xff at position 1\)"),
        (CORPUS.encode("utf-32"), r"corpus\.jsonl is in UTF-32\. Save it as UTF-8"),
        (CORPUS.encode("utf-16"), r"corpus\.jsonl is in UTF-16\. Save it as UTF-8"),
        (b"PK\x03\x04" + bytes(20), r"corpus\.jsonl is a zip archive, or an Excel workbook\. Unpack it"),
    ],
)  # fmt: skip
def test_unusable_candidate_is_refused_with_file_line_and_id(corpus: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=message):
        own_task(str(_folder(tmp_path, corpus=corpus)))


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (_line(_id="q", text=" "), r"queries\.jsonl, line 1 \('q'\): the text of the query is empty"),
        (_line(_id="q", text="\u200b\ufeff"), r"queries\.jsonl, line 1 \('q'\): the text of the query is empty"),
        (_line(_id="q", group=1.5), r"line 1 \('q'\): the field 'group' must be a string or an integer, not 1\.5"),
        (_line(_id="q", group=" "), r"line 1 \('q'\): the field 'group' is empty"),
        (_line(_id="q", excluded="b"), r"line 1 \('q'\): the field 'excluded' names 'b', which is not"),
        (
            _line(_id="q", excluded="a"),
            r"qrels\.tsv, line 1 \('q', 'a'\): the candidate is relevant, but queries",
        ),
    ],
)
def test_unusable_query_is_refused_with_file_line_and_id(queries: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=message):
        own_task(str(_folder(tmp_path, queries=queries)))


def test_group_in_two_clusters_is_refused_with_both_lines(tmp_path: Path) -> None:
    queries = _line(_id="q", group="g", cluster="c") + _line(_id="r", group="g")
    with pytest.raises(
        BadData,
        match=r"queries\.jsonl, line 2 \('r'\): the group 'g' is in the cluster 'g' here, but in 'c' in line 1\.",
    ):
        own_task(str(_folder(tmp_path, queries=queries, qrels="q\ta\t1\nr\ta\t1\n")))


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("q a 1\n", r"qrels\.tsv, line 1: expected query-id, corpus-id and score"),
        ("q\ta\n", r"line 1: expected query-id"),
        ("q,a,1\n", r"line 1: expected query-id"),
        ("q\ta\thigh\n", r"line 1: expected query-id"),
        ("corpus-id\tscore\tname\nq\ta\t1\n", r"line 1: expected query-id"),
        ("q\ta\t1\nq\t0\ta\t1\n", r"line 2: expected query-id"),
        *((f"q\tb\t1\nq\ta\t{grade}\n", rf"line 2 \('q', 'a'\): the grade '{re.escape(grade)}' is not a finite number")
          for grade in ("inf", "nan", "-Infinity", "1_0", "٣", "0x1", "", "1,5")),
        ("q\tb\t1\nq\ta\t1e999\n", r"line 2 \('q', 'a'\): the grade '1e999' is not a finite number"),
        ("q\tb\t1\nq\ta\t1e9\n", r"line 2 \('q', 'a'\): the grade '1e9' is not between 0\.000001 and 1,000,000"),
        ("q\tb\t1\nq\ta\t1e-300\n", r"line 2 \('q', 'a'\): the grade '1e-300' is not between"),
        ("q\ta\t1\nq\ta\t1\n", r"line 2 \('q', 'a'\): duplicate judgement, first given in line 1"),
        ("q\ta\t1\n\nq\ta\t0\n", r"line 3 \('q', 'a'\): duplicate judgement, first given in line 1"),
        ("p\ta\t1\n", r"qrels\.tsv, line 1 \('p', 'a'\): no query in queries\.jsonl has this id"),
        ("q\tc\t1\n", r"qrels\.tsv, line 1 \('q', 'c'\): no candidate in corpus\.jsonl has this id"),
        ("q\ta\t0\n", r"no query has a relevant candidate"),
        ("query-id\tcorpus-id\tscore\n", r"qrels\.tsv has no judgements"),
        ("", r"qrels\.tsv has no judgements"),
    ],
)  # fmt: skip
def test_unusable_judgement_is_refused_with_file_line_and_ids(qrels: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=message):
        own_task(str(_folder(tmp_path, corpus=CORPUS + _line(_id="b"), qrels=qrels)))


@pytest.mark.parametrize(
    "qrels",
    [
        "query-id\tcorpus-id\tscore\nq\ta\t2\n",
        "query_id\tcorpus_id\tscore\r\nq\ta\t2\r\n\r\n",
        "qid\tdocid\trel\nq\ta\t2.0",
        "Query ID\tDoc ID\tRelevance\nq\ta\t 2\n",
        "corpus-id\tquery-id\tscore\na\tq\t2\n",
        "qid\titer\tdocno\tlabel\nq\t0\ta\t2\n",
        "q 0 a 2\n",
        "q\tQ0\ta\t2e0\n",
        "q  0  a  2 \n",
        "q 0\ta   2\n",
        "\n\ufeffq\ta\t2\n"[1:],
    ],
)
def test_forms_of_judgements_are_read_alike(qrels: str, tmp_path: Path) -> None:
    pool = read_pool(own_task(str(_folder(tmp_path, qrels=qrels))))
    assert (pool.queries.ids, pool.candidates.ids, pool.gain.tolist()) == (("q",), ("a",), [2.0])


def test_byte_order_mark_gzip_and_line_ends_change_nothing(tmp_path: Path) -> None:
    expected = own_task(str(_folder(tmp_path / "plain"))).fingerprint
    files = [content.replace("\n", "\r\n").encode() + b"\r\n" for content in (CORPUS, QUERIES, QRELS)]
    marked = [b"\xef\xbb\xbf" + content for content in files]
    assert own_task(str(_folder(tmp_path / "marked", *marked))).fingerprint == expected
    assert own_task(str(_folder(tmp_path / "packed", *map(gzip.compress, marked)))).fingerprint == expected
    other = _folder(tmp_path / "named")
    for name in FILES:
        (other / name).rename(other / f"{name}.gz")
    assert own_task(str(other)).fingerprint == expected


def test_gzip_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    corpus = gzip.compress("".join(_line(_id=number) for number in range(99)).encode())
    with pytest.raises(BadData, match=r"corpus\.jsonl is damaged or truncated"):
        own_task(str(_folder(tmp_path, corpus=corpus[:-9])))


def test_line_separators_belong_to_the_text(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\vfive"
    line = json.dumps({"_id": "a", "text": text, "language": "en"}, ensure_ascii=False)
    assert read_pool(own_task(str(_folder(tmp_path, corpus=line + "\n")))).candidates.texts == (text,)


@pytest.mark.parametrize(
    ("values", "groups"),
    [([None, None], ("q0", "q1")), ([1, "1"], ("1", "1")), (["q1", None], ("q1", "q1")), ([0, 10], ("0", "10"))],
)
def test_group_is_text_or_digits_and_null_is_none(
    values: list[object], groups: tuple[str, str], tmp_path: Path
) -> None:
    queries = "".join(_line(_id=f"q{n}", group=value) for n, value in enumerate(values))
    assert read_pool(own_task(str(_folder(tmp_path, queries=queries, qrels="q0\ta\t1\nq1\ta\t1\n")))).groups == groups


def test_whole_numbers_are_ids(tmp_path: Path) -> None:
    folder = _folder(tmp_path, corpus=_line(_id=12), queries=_line(_id=3), qrels="3\t12\t1\n")
    pool = read_pool(own_task(str(folder)))
    assert (pool.queries.ids, pool.candidates.ids) == (("3",), ("12",))


def test_excluded_candidate_is_not_offered(tmp_path: Path) -> None:
    corpus = _line() + _line(_id="q", text="same")
    folder = _folder(tmp_path, corpus=corpus, queries=_line(_id="q", text="same", excluded="q"))
    task = own_task(str(folder))
    pool = read_pool(task)
    assert pool.candidates.ids[pool.excluded[0]] == "q"
    assert task.remarks == ()
    assert run(task, load_model("bm25")).record.settings["multi"]["mrr"].value == 1.0
    offered = own_task(str(_folder(tmp_path, corpus=corpus, queries=_line(_id="q", text="same"))))
    assert offered.remarks == (
        f"{tmp_path}/queries.jsonl: queries that are their own candidate (to prevent this, set 'excluded'): 1 of 1, "
        "the first in line 1 ('q').",
    )


def test_queries_without_a_relevant_candidate_are_dropped_and_reported(tmp_path: Path) -> None:
    queries = "".join(_line(_id=id_) for id_ in ("p", "q", "r"))
    task = own_task(str(_folder(tmp_path, queries=queries, qrels="q\ta\t1\nr\ta\t0\n")))
    assert read_pool(task).queries.ids == ("q",)
    assert task.remarks == (
        f"{tmp_path}/queries.jsonl: queries dropped, because they have no relevant candidate: 2 of 3, "
        "the first in line 1 ('p').",
    )


def test_candidates_without_text_are_kept_and_reported(tmp_path: Path) -> None:
    folder = _folder(tmp_path, corpus=CORPUS + _line(_id="b", text="", title=None))
    assert own_task(str(folder)).candidates == 2
    done = panglot("run", "random", "--tasks", str(folder), "--out", str(tmp_path / "out"))
    assert f"{folder.name}: candidates without text: 1 of 2, the first 'b'.\n" in done.stdout


def test_run_reports_queries_without_text(starter: Pool) -> None:
    part = starter.only(["de"])
    blank = replace(part, queries=replace(part.queries, texts=(" \n", "\u2060", *part.queries.texts[2:])))
    task = replace(TASKS["starter"], reader=lambda _: blank, fingerprint="", sizes={"de": Size(1, 1)})
    done = run(task, load_model("random"))
    assert done.remarks == (f"queries without text: 2 of {len(blank.queries)}, the first '{blank.queries.ids[0]}'.",)
    assert run(replace(task, reader=lambda _: part), load_model("random")).remarks == ()
    assert [finding.kind for finding in inspect(blank).findings] == ["empty queries"]


@pytest.mark.parametrize("place", ["what?/a", "a?split=b/c", "b?/c?", "a/b?"])
def test_settings_follow_a_path_with_question_marks(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    (_folder(folder) / "qrels").mkdir()
    (folder / "qrels" / "dev.tsv").write_text(QRELS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for path in (place, f"./{place}", str(folder)):
        assert own_task(path).name == folder.name
        for name in with_settings([path], {"split": "dev", "detect": "all"}):
            assert own_task(name).name == f"{folder.name}-dev"
    with pytest.raises(MissingData, match=re.escape(f"{place}/none?split=dev/x does not exist")):
        own_task(f"./{place}/none?split=dev/x")
    with pytest.raises(BadData, match="'dev/x' is not the name of a split"):
        own_task(f"./{place}?split=dev/x")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv", "pairs.csv"])
def test_pipe_in_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    for path in folder.iterdir() if name == "pairs.csv" else [folder / name]:
        path.unlink()
    os.mkfifo(folder / name)
    with pytest.raises(
        MissingData, match=rf"has (?:no|neither) .*{re.escape(name) if name != 'pairs.csv' else 'corpus'}"
    ):
        own_task(str(folder))


def test_line_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with (folder / "corpus.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadData, match=r"corpus\.jsonl, line 1: the line is longer than 67,108,864 bytes"):
        own_task(str(folder))


def test_too_many_languages_are_refused(tmp_path: Path) -> None:
    corpus = "".join(_line(_id=str(number), language=f"l{number}") for number in range(1001))
    with pytest.raises(BadData, match=r"has 1,00[12] languages, more than 1,000\. Is the column right\?"):
        own_task(str(_folder(tmp_path, corpus=CORPUS + corpus)))


def test_languages_that_are_not_codes_are_reported(tmp_path: Path) -> None:
    """Codes in any spelling, for private use and for no language are not."""
    names = ["english", "German", "l00", "en", "tha_Thai", "zh-Hant", "qaa", "und", "mul", "Latin American"]
    corpus = "".join(_line(_id=f"a{number}", language=name) for number, name in enumerate(names))
    task = own_task(str(_folder(tmp_path, corpus=corpus + CORPUS)))
    assert task.remarks == (
        "Unknown language codes (expected ISO 639 or BCP 47): 'German' (use 'de'), 'Latin American', "
        "'english' (use 'en'), 'l00'.",
    )


def test_spellings_of_one_language_are_reported(tmp_path: Path) -> None:
    """Varieties by script or region are languages of their own."""
    names = ["de", "DE", "deu_Latn", "de-CH", "zh-Hans", "zh-Hant", "en-US", "en-GB", "no", "nb", "und", "UND"]
    corpus = "".join(_line(_id=f"a{number}", language=name) for number, name in enumerate(names))
    task = own_task(str(_folder(tmp_path, corpus=corpus + CORPUS)))
    assert task.remarks == (
        "'DE' and 'de' and 'deu_Latn' are codes of one language, but count as 3 languages. Use one of them everywhere.",
    )


def test_data_that_names_no_language_is_in_one(tmp_path: Path) -> None:
    task = own_task(str(_folder(tmp_path, '{"_id": "a", "text": "x"}\n', '{"_id": "q", "text": "x"}\n')))
    assert task.languages == ("und",)
    assert task.remarks == (
        f"{tmp_path}/corpus.jsonl: no item names a language; all items get the language 'und'. To detect languages, "
        "add --detect all, or some codes such as de,en.",
    )


def test_layout_of_beir_is_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "qrels").mkdir()
    (folder / "qrels.tsv").rename(folder / "qrels" / "dev.tsv")
    with pytest.raises(MissingData, match=r"has no qrels\.tsv\. Its folder qrels/ has dev: add e\.g\. --split dev\."):
        own_task(str(folder))
    (folder / "qrels" / "dev.tsv").rename(folder / "qrels" / "test.tsv")
    task = own_task(str(folder))
    assert task.remarks == (f"{folder}: read corpus.jsonl, queries.jsonl, qrels/test.tsv.",)
    assert read_pool(task).fingerprint == task.fingerprint


def test_judgements_can_be_in_a_text_file(tmp_path: Path) -> None:
    folder = _folder(tmp_path, qrels="q 0 a 1\n")
    (folder / "qrels.tsv").rename(folder / "qrels.txt")
    assert own_task(str(folder)).remarks == (f"{folder}: read corpus.jsonl, queries.jsonl, qrels.txt.",)


def test_missing_and_ambiguous_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        MissingData, match=r"absent does not exist\. Give a table .*, or the folder that contains corpus"
    ):
        own_task(str(tmp_path / "absent"))
    folder = _folder(tmp_path / "mine")
    with pytest.raises(BadData, match=r"qrels\.tsv: no column query and no column passage; found 'q', 'a', '1'"):
        own_task(str(folder / "qrels.tsv"))
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(CORPUS.encode()))
    with pytest.raises(BadData, match=r"contains both corpus\.jsonl and corpus\.jsonl\.gz. Remove one"):
        own_task(str(folder))
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").unlink()
    with pytest.raises(MissingData, match=r"has no corpus\.jsonl\. A data folder contains"):
        own_task(str(folder))
    (folder / "corpus.jsonl").mkdir()
    with pytest.raises(BadData, match=r"corpus\.jsonl is a folder, not a file"):
        own_task(str(folder))
    with pytest.raises(MissingData, match=r"Its folder mine has data: give .*mine\."):
        own_task(str(tmp_path))
    with pytest.raises(BadData, match=r"'\.\./test' is not the name of a split"):
        own_task(f"{folder}?split=../test")


def test_folder_whose_name_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"name 'a\\x1bb' contains non-printable"):
        own_task(str(_folder(tmp_path / "a\x1bb")))


def test_grades_survive_the_evidence_file(tmp_path: Path) -> None:
    corpus = "".join(_line(_id=id_, text=f"bee {id_}") for id_ in "abc")
    qrels = "q\ta\t0.1\nq\tb\t0.7\nq\tc\t1000000\n"
    task = own_task(str(_folder(tmp_path / "mine", corpus=corpus, queries=_line(_id="q", text="bee"), qrels=qrels)))
    outcome = run(task, load_model("bm25"))
    path = outcome.save(tmp_path)
    again = score_evidence(read_evidence(path), task.headline)
    assert again.settings["multi"]["ndcg@10"] == outcome.record.settings["multi"]["ndcg@10"]


def test_languages_without_a_judged_query_are_refused(tmp_path: Path) -> None:
    task = own_task(str(_folder(tmp_path, corpus=CORPUS + _line(_id="b", language="de"))))
    assert run(task, load_model("bm25"), ["en"]).record.task.queries == 1
    with pytest.raises(BadData, match=f"{tmp_path.name}: no query in de has a relevant candidate"):
        read_pool(task, ["de"])


def test_remarks_are_printed_to_stderr(tmp_path: Path) -> None:
    _folder(tmp_path / "mine", queries=QUERIES + _line(_id="p"))
    done = panglot("run", "constant", "--tasks", "./mine", "--out", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["task"] == "mine"
    assert "Note: mine/queries.jsonl: queries dropped, because they have no relevant candidate: 1 of 2" in done.stderr


odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(max_size=3), max_size=2)
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["_id", "text", "title", "language", "group", "excluded"]), odd, st.integers(0, 1))
def test_any_value_of_any_field_is_read_or_refused(tmp_path: Path, field: str, value: object, place: int) -> None:
    lines = [_line(_id="a"), _line(_id="q")]
    lines[place] = json.dumps(json.loads(lines[place]) | {field: value}) + "\n"
    folder = _folder(tmp_path / "mine", *lines)
    try:
        task = own_task(str(folder))
    except BadData:
        with pytest.raises(BadData, match=r"\.(jsonl|tsv)(, line 1\b|: no query)"):
            own_task(str(folder))
    else:
        assert read_pool(task).fingerprint == task.fingerprint


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(range(3)),
    st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode(errors="replace"))),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, place: int, content: bytes) -> None:
    files: list[str | bytes] = [CORPUS, QUERIES, QRELS]
    files[place] = content
    with suppress(BadData):
        own_task(str(_folder(tmp_path / "mine", *files)))
