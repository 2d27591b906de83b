"""Data of one's own as it is found: other splits and headings, tables, and languages that nobody wrote down."""

from __future__ import annotations

import csv
import gzip
import io
import json
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.data.detection import detect
from panglot.data.load import read_pool
from panglot.data.own import own_task
from panglot.data.pool import Pool
from panglot.errors import BadData, MissingData, UnknownName
from panglot.plain import is_blank
from tests.helpers.command import json_of, panglot

HEADING = "query,passage,language,group\n"
PAIRS = "Which animal?,A whale.,en,size\nWelches Tier?,Ein Wal.,de,size\nWhich bird?,An emu.,en,bird\n"


def _table(folder: Path, text: str, name: str = "mine.csv") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode())
    return str(folder / name)


def _pool(path: str) -> Pool:
    return read_pool(own_task(path))


def _relevant(pool: Pool) -> set[tuple[str, str]]:
    pairs = zip(pool.query.tolist(), pool.candidate.tolist(), strict=True)
    return {(pool.queries.texts[q], pool.candidates.texts[c]) for q, c in pairs}


def test_passages_of_a_group_answer_all_its_queries(tmp_path: Path) -> None:
    task = own_task(_table(tmp_path, HEADING + PAIRS))
    pool = read_pool(task)
    animals = {(query, passage) for query in ("Which animal?", "Welches Tier?") for passage in ("A whale.", "Ein Wal.")}
    assert _relevant(pool) == animals | {("Which bird?", "An emu.")}
    assert (task.name, pool.languages, set(pool.groups)) == ("mine", ("de", "en"), {"bird", "size"})
    assert task.remarks == ()


def test_same_text_is_one_query_and_one_passage(tmp_path: Path) -> None:
    rows = "query,passage\na?,x\na?,y\nb?,x\na?,x\n"
    pool = _pool(_table(tmp_path, rows))
    assert (pool.queries.ids, pool.candidates.ids) == (("q2", "q4"), ("p2", "p3"))
    assert _relevant(pool) == {("a?", "x"), ("a?", "y"), ("b?", "x")}


def test_row_without_query_is_a_distractor_and_row_without_passage_has_no_answer(tmp_path: Path) -> None:
    task = own_task(_table(tmp_path, "query,passage,score\na?,x,2\n,y,\nwho?,,\na?,z,0\n"))
    pool = read_pool(task)
    assert (pool.candidates.texts, pool.gain.tolist()) == (("x", "y", "z"), [2.0])
    assert (pool.queries.texts, pool.unanswered.texts) == (("a?",), ("who?",))
    assert "queries declared to have no answer, which are scored apart: 1 of 2" in task.remarks[-1]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADING + PAIRS,
        (HEADING + PAIRS).replace("\n", "\r\n"),
        (HEADING + PAIRS).replace(",", ";"),
        (HEADING + PAIRS).replace(",", "\t"),
        (HEADING + PAIRS).replace("query,passage,language", "Question,Answer,lang") + "\n,,,\n",
        (HEADING + PAIRS).replace("query,passage,language", "QUERY , Passage,Language"),
        (HEADING + PAIRS).replace("\n", ',"a\nb"\n'),
        ",,,\n" + (HEADING + PAIRS).replace("group", '"group"'),
        "\ufeffsep=;\r\n" + (HEADING + PAIRS).replace(",", ";"),
    ],
    ids=[
        "byte order mark",
        "CRLF",
        "semicolons",
        "tabs",
        "other headings",
        "capitals",
        "line breaks",
        "blank rows",
        "delimiter",
    ],
)
def test_forms_of_csv_are_read_alike(text: str, tmp_path: Path) -> None:
    plain, task = own_task(_table(tmp_path / "plain", HEADING + PAIRS)), own_task(_table(tmp_path / "mine", text))
    assert _relevant(read_pool(task)) == _relevant(read_pool(plain))
    assert (task.sizes, set(read_pool(task).groups)) == (plain.sizes, {"size", "bird"})
    path = tmp_path / "packed" / "mine.csv.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(text.encode()))
    assert (own_task(str(path)).fingerprint, own_task(str(path)).name) == (task.fingerprint, "mine")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(texts.filter(lambda text: not is_blank(text)), texts), min_size=1, max_size=4),
    st.sampled_from(",;\t"),
)
def test_any_text_survives_csv_and_parquet(tmp_path: Path, rows: list[tuple[str, str]], delimiter: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows([("query", "passage"), *rows])
    assert _relevant(_pool(_table(tmp_path, written.getvalue()))) == set(rows)
    queries, passages = zip(*rows, strict=True)
    pq.write_table(pa.table({"query": queries, "passage": passages}), tmp_path / "mine.parquet")
    assert _relevant(_pool(str(tmp_path / "mine.parquet"))) == set(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"mine\.csv is empty"),
        ("a,b\n1,2\n", r"no column query and no column passage; found 'a', 'b'\. The first line must name"),
        ("query,passage,passage\n", r"two columns are named 'passage'"),
        ("query,answer,text\n", r"the columns 'text' and 'answer' can both mean 'passage'\. Rename one"),
        (HEADING + 'a,"b\nc",en\n', r"line 2: expected 4 columns as in the header, found 3"),
        (HEADING + 'a,b,en,1\n\na,"b" c,en,1\n', r"line 4: not valid CSV: ',' expected after '\"'"),
        (HEADING + 'a,b,en,1\n"a,b,en,1\n', r"line 3: not valid CSV: unexpected end of data"),
        (HEADING + "a,b,,1\na,b,en,1\n", r"line 2: the field 'language' is missing\. Set it for every item"),
        (HEADING + "a,b,zxx,1\n", r"line 2: the language 'zxx' is reserved for images"),
        ("query,passage\n,b\n", r"has no rows with a query"),
        ("query,passage\ra,b\r", r"line 1: not valid CSV: new-line character"),
        (
            HEADING + "".join(f"{n},b,en,1\n" for n in range(1001)),
            r"line 2: the group '1' has 1,001 queries",
        ),
        ("PAR1", r"mine\.csv is in Parquet\. Rename it to end with \.parquet"),
        ("query,passage\na,\n", r"no query has a relevant candidate"),
        ("query,passage,score\na,b,x\n", r"line 2: the grade 'x' is not a finite number"),
        ("query,passage,group\n ,b,1\n", r"line 2: the text of the query is empty"),
        ("query,passage,group,cluster\na,b,1,x\nc,d,1,y\n", r"line 3: the group '1' is in the cluster 'y' here"),
        ("query,passage,qid\na,b,1\nc,d,1\n", r"line 3: the id '1' has another text than in line 2"),
    ],
)
def test_faulty_table_is_refused_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=message):
        own_task(_table(tmp_path, text))


def test_numbers_are_ids_but_not_texts(tmp_path: Path) -> None:
    huge = 12345678901234567890
    columns = {"query": ["a"], "passage": ["x"], "query_id": pa.array([huge], pa.uint64()), "pid": [7]}
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    pool = _pool(str(tmp_path / "mine.parquet"))
    assert (pool.queries.ids, pool.candidates.ids) == ((str(huge),), ("7",))
    pq.write_table(pa.table(columns | {"passage": [3]}), tmp_path / "mine.parquet")
    with pytest.raises(BadData, match=r"row 1: the field 'passage' must be a string, not 3"):
        own_task(str(tmp_path / "mine.parquet"))


def test_bytes_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"mine\.parquet is not a valid Parquet file"):
        own_task(_table(tmp_path, "query,passage\n", "mine.parquet"))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from(["mine.csv", "mine.parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HEADING.encode() + content if name.endswith("csv") else b"PAR1" + content + b"PAR1")
    with suppress(BadData):
        own_task(str(path))


def test_only_table_of_a_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "faq"
    _table(folder, HEADING + PAIRS, "pairs.csv")
    task = own_task(str(folder))
    assert (task.name, task.remarks) == ("faq", (f"{folder}: read pairs.csv.",))
    _table(folder, HEADING + PAIRS, "more.tsv")
    with pytest.raises(BadData, match=r"contains several tables, more\.tsv, pairs\.csv\. Give one, e\.g\. .*more\.tsv"):
        own_task(str(folder))


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "parquet"])
def test_tables_stand_in_for_the_files_of_beir(tmp_path: Path, ending: str) -> None:
    tables = {
        "corpus": "docid,Title,Text,lang\n7,Whales,The blue whale.,en\n8,,Der Wal.,de\n9,Only a title,,de\n",
        "queries": "_id,text,language,group,answerable\nq1,Which?,en,a,\nq2,Welcher?,de,a,true\nq3,Who?,en,,FALSE\n",
        "qrels/test": "query-id,corpus-id,score\nq1,7,2\nq2,8,1\nq2,7,0\n",
    }
    (tmp_path / "qrels").mkdir()
    for name, text in tables.items():
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            columns = zip(*csv.reader(io.StringIO(text)), strict=True)
            pq.write_table(pa.table({name: [cell or None for cell in cells] for name, *cells in columns}), path)
        else:
            content = text.replace(",", "\t" if "tsv" in ending else ",").encode()
            path.write_bytes(gzip.compress(content) if "gz" in ending else content)
    _table(tmp_path, HEADING + PAIRS, "more.csv")
    task = own_task(str(tmp_path))
    files = ", ".join(f"{name}.{ending}" for name in tables)
    assert task.remarks[0] == f"{tmp_path}: read {files}, not more.csv."
    pool = read_pool(task)
    assert _relevant(pool) == {("Which?", "Whales\nThe blue whale."), ("Welcher?", "Der Wal.")}
    assert pool.candidates.texts[pool.candidates.ids.index("9")] == "Only a title\n"
    assert (set(pool.candidates.ids), pool.unanswered.texts, set(pool.gain)) == ({*"789"}, ("Who?",), {2.0, 1.0})
    (tmp_path / f"queries.{ending}").unlink()
    (tmp_path / "queries.csv").write_text("_id,text\n", encoding="utf-8")
    with pytest.raises(BadData, match=r"queries\.csv has no rows"):
        own_task(str(tmp_path))
    (tmp_path / "queries.csv").write_text("q1,Which?\nq2,Welcher?\n", encoding="utf-8")
    with pytest.raises(BadData, match=r"queries\.csv: no column _id and no column text; found 'q1', 'Which\?'\."):
        own_task(str(tmp_path))
    (tmp_path / "queries.csv").unlink()
    with pytest.raises(MissingData, match=r"has no queries\.jsonl\. A data folder"):
        own_task(str(tmp_path))


def _beir(folder: Path, corpus: str, queries: str, **splits: str) -> str:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    for name, lines in splits.items():
        (folder / "qrels" / f"{name}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines, encoding="utf-8")
    return str(folder)


def test_split_is_chosen_and_named(tmp_path: Path) -> None:
    corpus = '{"docid": 1, "contents": "x", "lang": "en"}\n{"id": "2", "text": "y", "lang": "en"}\n'
    queries = '{"qid": 1, "question": "a"}\n{"_id": "2", "query": "b"}\n'.replace("}", ', "lang": "en"}')
    path = _beir(tmp_path / "mine", corpus, queries, test="1\t1\t1\n", dev="2\t2\t1\n")
    assert (own_task(path).name, _relevant(_pool(path))) == ("mine", {("a", "x")})
    dev = own_task(f"{path}?split=dev")
    assert (dev.name, _relevant(read_pool(dev))) == ("mine-dev", {("b", "y")})
    assert own_task(f"{path}?split=test").fingerprint == own_task(path).fingerprint
    with pytest.raises(
        MissingData, match=r"has no qrels/train\.tsv\. Its folder qrels/ has dev, test: add e\.g\. --split dev"
    ):
        own_task(f"{path}?split=train")
    with pytest.raises(UnknownName, match=r"Unknown setting 'splt'\. Did you mean split\?"):
        own_task(f"{path}?splt=dev")
    done = panglot("run", "constant", "--tasks", path, "--split", "dev", "--out", str(tmp_path / "out"), "--json")
    assert (done.returncode, json.loads(done.stdout)[0]["task"]) == (0, "mine-dev"), done.stderr


def test_query_declared_without_answer_is_kept_apart(tmp_path: Path) -> None:
    corpus = '{"_id": "1", "text": "x", "language": "en"}\n'
    queries = (
        '{"_id": "1", "text": "a", "language": "en"}\n{"_id": "2", "text": "b", "language": "de", "answerable": %s}\n'
    )
    pool = _pool(_beir(tmp_path / "mine", corpus, queries % "false", test="1\t1\t1\n2\t1\t0\n"))
    assert (pool.queries.ids, pool.unanswered.ids, pool.languages) == (("1",), ("2",), ("de", "en"))
    assert pool.only(["de", "en"]).unanswered.ids == ("2",)
    assert pool.only(["en"]).unanswered.ids == ()
    with pytest.raises(
        BadData, match=r"line 2 \('2'\): the query is declared to have no answer, but it has a relevant one"
    ):
        own_task(_beir(tmp_path / "odd", corpus, queries % "false", test="1\t1\t1\n2\t1\t1\n"))
    with pytest.raises(BadData, match=r"line 2 \('2'\): the field 'answerable' must be true or false, not \"no\""):
        own_task(_beir(tmp_path / "text", corpus, queries % '"no"', test="1\t1\t1\n"))


def test_settings_without_own_data_are_refused() -> None:
    done = panglot("run", "constant", "--tasks", "starter", "--split", "dev")
    assert (done.returncode, "for your own data only" in done.stderr) == (2, True)


def _labelled(pool: Pool) -> list[tuple[str, str]]:
    items = (pool.queries, pool.candidates)
    return [(pool.languages[n], text) for part in items for n, text in zip(part.language, part.texts, strict=True)]


def test_detector_finds_the_languages_of_the_starter_set(starter: Pool) -> None:
    languages, texts = zip(*_labelled(starter), strict=True)
    freely = [found.language for found in detect(texts)]
    assert sum(map(str.__eq__, freely, languages)) / len(texts) >= 0.99
    found = list(detect(texts, starter.languages))
    assert [one.language for one in found] == list(languages)
    assert sum(bool(one.other) for one in found) / len(texts) < 0.02


def test_wrong_languages_are_among_the_doubtful(starter: Pool) -> None:
    languages, texts = zip(*_labelled(starter), strict=True)
    wrong = [one for one, language in zip(detect(texts), languages, strict=True) if one.language != language]
    assert sum(bool(one.other) for one in wrong) >= len(wrong) * 0.6


def test_missing_languages_are_detected_and_reported(tmp_path: Path) -> None:
    rows = (
        "query,passage,language\n"
        "Which animal is the largest of all?,The blue whale is the largest animal on this planet.,en-GB\n"
        "Welches Tier ist eigentlich das größte?,Der Blauwal ist das größte Tier auf dieser Erde.,\n"
        "1910?,1911,\n"
    )
    task = own_task(_table(tmp_path, rows) + "?detect=de+en+da")
    assert {name: size.queries for name, size in task.sizes.items()} == {"de": 1, "en-GB": 1, "und": 1}
    assert "languages were detected by py3langid" in task.remarks[0]
    assert "for 4 of 6 items: de 50.0 %, und 50.0 %." in task.remarks[0]
    assert read_pool(task).fingerprint == task.fingerprint
    done = json_of("run", "constant", "--tasks", str(tmp_path), "--detect", "de,en,da", "--out", str(tmp_path))
    assert sorted(done[0]["languages"]) == ["de", "en-GB", "und"]
    with pytest.raises(BadData, match="py3langid does not support the language 'tlh'"):
        own_task(_table(tmp_path, rows) + "?detect=tlh")


def test_doubtful_languages_are_named_with_their_rows(tmp_path: Path) -> None:
    task = own_task(_table(tmp_path, "query,passage\nSaken er klar.,Sagen er klar.\n") + "?detect=da+no")
    assert "languages are doubtful: mine.csv line 2 (" in task.remarks[1]
