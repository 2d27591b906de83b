"""Tables of one's own: every format, and every bad row by its file, place and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.errors import BadData, MissingData
from panglot.train.data.pairs import TextPair
from panglot.train.data.read import text_entries
from panglot.train.data.tables import table_entries
from panglot.train.recipes.recipe import TextData
from panglot.train.recipes.recipe_file import make_recipe
from tests.helpers.processes import python
from tests.helpers.recipes import write_recipe

COLUMNS = {"query": "q", "passage": "p", "language": "lang", "group": "id", "negative": "wrong"}
GOOD = {"q": "who", "p": "he", "lang": "en", "id": "7", "wrong": "she"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def entries(path: Path, languages: tuple[str, ...] = ("en",), **changes: Any) -> list[TextPair]:
    return list(text_entries(TextData(**{"name": "own", "source": str(path), **COLUMNS, **changes}), languages))


def test_table_with_columns_of_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path / "own.parquet", [GOOD])
    assert entries(path) == [TextPair("7", "en", "who", "he", "she")]
    with pytest.raises(BadData, match=r"own: .*own\.parquet has no column lang2; it has q, p, lang, id, wrong\."):
        entries(path, language="lang2")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("q", None, r"found null"),
        ("q", 5, r"found a number \(5\)"),
        ("q", "", "found an empty text"),
        ("q", " \n\t", "found a blank text"),
        ("p", None, r"found null"),
        ("p", ["he", "him"], r"found a list \(\['he', 'him'\]\)"),
        ("p", ["x" * 80], r"found a list \(\['x{58}…\)"),
        ("p", {"text": "he"}, "found a record"),
        ("lang", None, r"found null"),
        ("id", None, r"found null"),
        ("id", 1.5, r"found a number \(1.5\)"),
        ("id", True, r"found a boolean \(True\)"),
        ("wrong", ["she"], r"found a list \(\['she'\]\)"),
        ("wrong", 3, r"found a number \(3\)"),
    ],
)
def test_bad_row_is_named_by_file_row_and_column(tmp_path: Path, column: str, value: Any, said: str) -> None:
    path = write(tmp_path / "own.parquet", [GOOD | {column: value}])
    with pytest.raises(BadData, match=rf"own: .*own\.parquet, row 1, column '{column}': expected a text, {said}"):
        entries(path)


def test_all_bad_rows_are_counted(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"q": None}, GOOD | {"q": " ", "p": None}, GOOD | {"p": ""}]
    with pytest.raises(
        BadData,
        match=r"row 2, column 'q'.*2 more rows are invalid\. Correct or remove these rows, or set bad_rows = .skip",
    ):
        entries(write(tmp_path / "own.parquet", rows))


def test_bad_rows_are_skipped_and_counted_if_the_recipe_says_so(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"q": None}, GOOD | {"q": " ", "p": None}, GOOD | {"p": ["he"]}, GOOD | {"q": "whom"}]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    skipped: list[str] = []
    data = TextData(name="own", source=str(path), bad_rows="skip", **COLUMNS)
    assert [entry.query for entry in table_entries(data, ("en",), skipped)] == ["who", "whom"]
    assert skipped == [f"own: {path}: skipped 3 invalid rows. First: line 2, column 'q': expected a text, found null."]


def test_table_without_any_good_row_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "own.parquet", [GOOD | {"q": ""}])
    with pytest.raises(BadData, match=r"own: .*own\.parquet has no valid row in the recipe's languages"):
        entries(path, bad_rows="skip")


def test_rows_of_a_large_table_are_read_when_they_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    rows = [GOOD | {"q": str(number)} for number in range(30_000)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10_000, use_dictionary=False)
    last = pq.ParquetFile(path).metadata.row_group(2).column(0)
    with path.open("r+b") as file:
        file.seek(last.data_page_offset)
        file.write(b"\xff" * last.total_compressed_size)
    found = table_entries(TextData(name="own", source=str(path), **COLUMNS), ("en",))
    assert next(found).query == "0"
    with pytest.raises(BadData, match=r"own: .*own\.parquet cannot be read"):
        list(found)


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_negative_may_be_missing(tmp_path: Path, missing: str | None) -> None:
    found = entries(write(tmp_path / "own.parquet", [GOOD, GOOD | {"id": "8", "wrong": missing}]))
    assert [entry.negative for entry in found] == ["she", None]


def test_text_that_is_not_unicode_is_a_bad_cell(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(GOOD | {"q": "who\ud800"}), encoding="utf-8")
    with pytest.raises(BadData, match=r"line 1, column 'q': expected a text, found a text that is not valid Unicode"):
        entries(path)


def test_whole_numbers_name_groups(tmp_path: Path) -> None:
    assert [e.group for e in entries(write(tmp_path / "a.parquet", [GOOD | {"id": 7}]))] == ["7"]
    assert [e.group for e in entries(write(tmp_path / "b.parquet", [GOOD | {"id": 7.0}]))] == ["7"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_text_tables_name_their_lines(tmp_path: Path, ending: str) -> None:
    rows = [GOOD, GOOD | {"q": "what, then?"}, GOOD | {"p": ""}]
    path = tmp_path / f"own{ending}"
    if ending == ".jsonl":
        lines = [json.dumps(row) for row in rows]
    else:
        divider = {".csv": ",", ".tsv": "\t"}[ending]
        lines = [divider.join(GOOD), *(divider.join(f'"{value}"' for value in row.values()) for row in rows)]
    path.write_text("\ufeff" + "\n".join(lines[:-1]) + "\n", encoding="utf-8")
    assert [entry.query for entry in entries(path)] == ["who", "what, then?"]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BadData, match=rf"own{ending}, line {len(lines)}, column 'p': expected a text, found an empty"):
        entries(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("own.parquet", b"PAR1 or not", "cannot be read"),
        ("own.txt", b"who\the", "Expected Parquet, or a "),
        ("own.csv", b"q,p\n\xff\xfe,x", "line 2: not UTF-8"),
        ("own.csv", b"", "is empty"),
        ("own.csv", b'q,p,lang,id,wrong\nwho,he,en,1,"open\nwhat,it,en,2,\n', "line 2: not valid CSV"),
        ("own.csv", b"q,p,lang,id,wrong\n", "has no rows"),
        ("own.jsonl", json.dumps(GOOD).encode() + b"\n{", "line 2 is not JSON"),
        ("own.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("own.jsonl", b"[1]", "line 1 is not a JSON object"),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=rf"own: .*{name}.*{said}"):
        entries(tmp_path / name)


@pytest.mark.parametrize("cell", ["what, then", ",", ""])
def test_unquoted_delimiter_is_a_bad_row(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"q,p,lang,id,wrong\nwho,he,en,1,\nwhat,{cell},en,2,\n", encoding="utf-8")
    data = TextData(name="own", source=str(path), bad_rows="skip", **COLUMNS)
    skipped: list[str] = []
    assert [entry.query for entry in table_entries(data, ("en",), skipped)] == ["who"]
    expected = "expected 5 cells, found 6; put texts that contain the delimiter in quotes"
    assert (expected if cell else "expected a text, found an empty text") in skipped[0]


def test_rows_in_other_languages_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "own.parquet", [GOOD, GOOD | {"lang": "fr"}, GOOD | {"lang": "dee"}])
    skipped: list[str] = []
    assert len(list(table_entries(TextData(name="own", source=str(path), **COLUMNS), ("en",), skipped))) == 1
    assert skipped == [f"own: {path}: skipped 2 rows in languages outside the recipe: dee, fr."]


def test_languages_are_matched_in_any_spelling(tmp_path: Path) -> None:
    rows = [GOOD | {"lang": code} for code in ("eng", "en", "eng_Latn", "fr")]
    found = entries(write(tmp_path / "own.parquet", rows), ("en", "de"))
    assert [entry.language for entry in found] == ["en"] * 3
    with pytest.raises(BadData, match=r"own\.parquet is in en, eng, eng_Latn, fr; the recipe's languages are de, zh\."):
        entries(tmp_path / "own.parquet", ("zh", "de"))


CELLS = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.lists(st.text()))


@settings(max_examples=80, deadline=None)
@given(row=st.fixed_dictionaries(dict.fromkeys(GOOD, CELLS)))
def test_any_row_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    try:
        found = list(table_entries(TextData(name="own", source=str(path), **COLUMNS), ("en",)))
    except BadData:
        return
    assert all(isinstance(value, str) and value.strip() for value in (found[0].query, found[0].passage))


def test_data_set_of_the_hub_by_configuration_revision_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Rows(list[dict[str, Any]]):
        features: dict[str, Any] = {}  # noqa: RUF012

    def load_dataset(path: str, name: str | None = None, **settings: Any) -> Rows:
        asked.update(settings, path=path, name=name)
        return Rows([GOOD])

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    changes = {"config": "de-en", "revision": "1a2b", "data_files": ("a.jsonl",), "split": "dev"}
    assert len(entries(Path("some/pairs"), **changes)) == 1
    assert asked == {
        "path": "some/pairs", "name": "de-en", "revision": "1a2b", "data_files": ["a.jsonl"], "split": "dev"
    }  # fmt: skip


def test_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="is not a file and cannot be loaded from the Hub"):
        entries(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "ntrex", "query": "q"}, "ntrex: query is only allowed with a source"),
        (
            {"name": "own", "source": "a.csv", "language": "x", "only_language": "en"},
            "set either language",
        ),
    ],
)
def test_meaningless_settings_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(BadData, match=said):
        make_recipe({"name": "x", "text": {"kind": "static"}, "data": [data]})


def test_bad_row_ends_train_before_torch_is_loaded(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    write(tmp_path / "rows.parquet", [{"query": None, "passage": "p", "lang": "en", "id": "1"}])
    program = (
        "import sys\nfrom panglot.cli.main import app\nfrom panglot.errors import PanglotError\n"
        "try:\n    app()\nexcept PanglotError as error:\n    print(error)\nprint('torch' in sys.modules)"
    )
    done = python(program, "train", path, "--out", tmp_path / "models")
    assert "rows.parquet, row 1, column 'query': expected a text, found null" in done.stdout
    assert done.stdout.split()[-1] == "False"
    assert not (tmp_path / "models").exists()
