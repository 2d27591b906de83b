"""Data of one's own: every setting it allows, and what is said of a file that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.encoder import load_model
from suite.errors import BadData, MissingData
from suite.pool import Pool
from suite.run import run
from suite.sources import read_pool
from suite.sources.folder import folder_task


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
    task = folder_task(folder)
    assert (task.name, task.fingerprint, task.languages) == ("mine", starter.fingerprint, starter.languages)
    result = run(task, load_model("use-multilingual")).result
    assert set(result.settings) == {"mono", "cross", "multi"}
    assert result.task.headline == "ndcg@10"
    assert result.bias["same_language_ratio@10"].value > 1


def test_one_language_gives_only_what_it_can(starter: Pool, tmp_path: Path) -> None:
    task = folder_task(_write(tmp_path / "english", starter.only(["en"])))
    result = run(task, load_model("bm25")).result
    assert set(result.settings) == {"mono", "multi"}
    assert result.settings["mono"] == result.settings["multi"]
    assert result.bias == {}


def test_some_languages_of_a_folder(starter: Pool, tmp_path: Path) -> None:
    task = folder_task(_write(tmp_path / "mine", starter))
    assert read_pool(task, ["en", "de"]).fingerprint == starter.only(["de", "en"]).fingerprint


def test_title_grades_and_default_group(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "Bees", "text": "They dance.", "language": "en"}\n'
        '{"_id": "b", "text": "Tea.", "language": "en"}\n',
        encoding="utf-8",
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "Who?", "language": "en"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q\ta\t2\nq\tb\t0\n", encoding="utf-8")
    pool = read_pool(folder_task(tmp_path))
    assert pool.candidates.texts == ("Bees\nThey dance.", "Tea.")
    assert pool.gain.tolist() == [2.0]
    assert pool.groups == ("q",)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "x", "language": "en"}\nno json\n', BadData, r"line 2: not JSON"),
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n', BadData, r"line 1: no text in the field 'language'"),
        ("corpus.jsonl", '{"_id": 3, "text": "x", "language": "en"}\n', BadData, r"no text in the field '_id'"),
        ("corpus.jsonl", "[]\n", BadData, r"no text in the field '_id'"),
        ("qrels.tsv", "q a 1\n", BadData, r"qrels\.tsv, line 1: expected query-id, corpus-id and score"),
        ("qrels.tsv", "q\tabsent\t1\n", BadData, r"names 'q' and 'absent'; one is not there"),
        ("qrels.tsv", "q\ta\t0\n", BadData, r"1 queries have no relevant candidate"),
        ("queries.jsonl", None, MissingData, r"lacks queries\.jsonl"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    name: str, content: str | None, error: type[Exception], message: str, tmp_path: Path
) -> None:
    files: dict[str, str | None] = {
        "corpus.jsonl": '{"_id": "a", "text": "x", "language": "en"}\n',
        "queries.jsonl": '{"_id": "q", "text": "x", "language": "en"}\n',
        "qrels.tsv": "q\ta\t1\n",
    }
    for file, text in (files | {name: content}).items():
        if text is not None:
            (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        folder_task(tmp_path)
