"""Data of a stranger's task file, in each published format: whatever is odd in it is refused with the file's name."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from panglot.data.load import read_pool
from panglot.data.quality import inspect
from panglot.data.readers.tables import read_table
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData, PanglotError
from tests.helpers.images import numbered

ODD: list[Any] = [
    *(None, True, 3, -1, 0.5, 10**30, "", " ", "\x1b[31m", "\u202e", "a" * 501, "\0", "http://[x"),
    *([], {}, [[]], [None], {"a": 1}),
]
SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "One. Two.",
                    "sentence_breaks": [[0, 4], [5, 9]],
                    "qas": [{"id": "q1", "question": "Which?", "answers": [{"answer_start": 5}]}],
                }
            ]
        }
    ]
}
BELEBELE = {"link": "https://example.org/a", "question_number": 1, "flores_passage": "One.", "question": "Which?"}
IMAGES: dict[str, Any] = {"id": ["1", "2"], "locale": ["", ""], "image": [numbered(1), numbered(2)]}
TEXTS: dict[str, Any] = {"id": ["1", "2"], "lang": ["de", "de"], "text": ["one", "two"]}
COLUMNS: list[Any] = [
    *([1, 2], [0.5, 1.0], [None, "2"], [["1"], ["2"]], [{"bytes": b"1"}] * 2, [b"\xff", b"2"], [True, False]),
    pa.array([2**62] * 2, pa.timestamp("us")),
]


def _task_file(folder: Path, reader: str, rest: str) -> Path:
    (folder / "data").mkdir()
    text = f'name = "s"\ntitle = "S"\nheadline = "map"\nlicence = "CC0"\nreader = "{reader}"\n{rest}'
    (folder / "s.toml").write_text(f'{text}[source]\nkind = "folder"\npath = "data"\n', encoding="utf-8")
    return folder / "s.toml"


def _is_read(path: Path) -> bool:
    """Whether the data of a task file is read and inspected, or else refused."""
    ((task,),) = read_task_file(path).values()
    try:
        inspect(read_pool(task))
    except PanglotError:
        return False
    return True


def _changed(value: Any) -> Iterator[Any]:
    """Yield a value with each of its parts, and itself, replaced by something odd or left out."""
    yield from ODD
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for odd in _changed(value[key]):
                changed = copy.copy(value)
                changed[key] = odd
                yield changed
            rest = copy.copy(value)
            del rest[key]
            yield rest


@pytest.mark.parametrize(("reader", "good", "ending"), [("lareqa", SQUAD, "json"), ("belebele", BELEBELE, "jsonl")])
def test_odd_json_of_a_published_format_is_refused(reader: str, good: Any, ending: str, tmp_path: Path) -> None:
    path = _task_file(tmp_path, reader, "languages.de = { queries = 1, candidates = 1 }\n")
    data = tmp_path / "data" / f"de.{ending}"
    data.write_text(json.dumps(good), encoding="utf-8")
    assert _is_read(path)
    for odd in _changed(good):
        data.write_text(json.dumps(odd), encoding="utf-8")
        _is_read(path)
    for text in ("[" * 100_000, "9" * 10_000, '{"data": "\\ud800"}', ""):
        data.write_text(text, encoding="utf-8")
        assert not _is_read(path)


def test_odd_tables_of_images_are_refused(tmp_path: Path) -> None:
    counts = "images = 2\nlanguages.de = { captions = 2 }\ndirections.t2i = {}\n"
    path = _task_file(tmp_path, "hub-captions", counts)
    files = {"images": IMAGES, "texts": TEXTS}

    def write(name: str, columns: dict[str, Any]) -> None:
        write_table(pa.table(columns), tmp_path / "data" / f"{name}.parquet")

    for name, columns in files.items():
        write(name, columns)
    assert _is_read(path)
    for name, columns in files.items():
        for column in columns:
            for odd in COLUMNS:
                write(name, {**columns, column: odd})
                assert not _is_read(path) or column == "image"
            write(name, {other: values for other, values in columns.items() if other != column})
            assert not _is_read(path)
        for content in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"):
            (tmp_path / "data" / f"{name}.parquet").write_bytes(content)
            assert not _is_read(path)
        write(name, columns)
    (tmp_path / "data" / "texts.parquet").unlink()
    os.mkfifo(tmp_path / "data" / "texts.parquet")
    assert not _is_read(path)


def test_time_beyond_the_calendar_in_a_table_is_refused(tmp_path: Path) -> None:
    write_table(pa.table({"query": pa.array([2**62], pa.timestamp("us"))}), tmp_path / "pairs.parquet")
    with pytest.raises(BadData, match=r"pairs\.parquet is damaged\. date value out of range"):
        list(read_table(tmp_path / "pairs.parquet", (("query", ()),)))
