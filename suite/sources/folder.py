"""Data of one's own: a folder in the layout of BEIR (Thakur et al., 2021), with a language for each item.

    corpus.jsonl   {"_id": "d1", "text": "…", "title": "…" (optional), "language": "en"}
    queries.jsonl  {"_id": "q1", "text": "…", "language": "de", "group": "7" (optional)}
    qrels.tsv      query-id, corpus-id and score divided by tabs, with that heading; a score of 0 or less is left out

Queries with one `group` are the same question in several languages. Every setting that the data allows is computed:
one language gives mono; parallel relevants give language bias.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from suite.errors import BadData, MissingData
from suite.pool import Candidate, Judgement, Pool, Query
from suite.task import Size, Source, Task

FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")


def folder_task(folder: Path) -> Task:
    """The task that a folder holds; it is read and checked here.

    :raises MissingData: a file is not there.
    :raises BadData: a line that is no record, an item that is named twice or judged but absent.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise MissingData(
            f"{folder} lacks {', '.join(missing)}. A folder with one's own data holds {', '.join(FILES)}."
        )
    paths = {name: folder / name for name in FILES}
    pool = read_folder(paths)
    counts = np.bincount(pool.queries.language, minlength=len(pool.languages))
    return Task(
        name=folder.resolve().name,
        title=f"Own data in {folder.name}",
        sizes={
            language: Size(int(queries), int(candidates))
            for language, queries, candidates in zip(pool.languages, counts, pool.sizes, strict=True)
        },
        source=Source(folder.name, {name: (name, _sha256(path)) for name, path in paths.items()}, packaged=folder),
        reader=read_folder,
        headline="ndcg@10",
        fingerprint=pool.fingerprint,
        licence="unknown",
        citation="",
        note="Data of one's own; not part of the suite.",
    )


def read_folder(paths: Mapping[str, Path]) -> Pool:
    """Read the three files into one pool, languages in alphabetical order."""
    candidates = [
        Candidate(row["_id"], f"{row['title']}\n{row['text']}" if row.get("title") else row["text"], row["language"])
        for row in _rows(paths["corpus.jsonl"])
    ]
    queries = [
        Query(row["_id"], row["text"], row["language"], str(row.get("group", row["_id"])))
        for row in _rows(paths["queries.jsonl"])
    ]
    languages = sorted({candidate.language for candidate in candidates} | {query.language for query in queries})
    return Pool.of(languages, queries, candidates, _judgements(paths["qrels.tsv"]))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadData(f"{path}, line {number}: not JSON. {error}") from error
        for field in ("_id", "text", "language"):
            if not isinstance(row, dict) or not isinstance(row.get(field), str):
                raise BadData(f"{path}, line {number}: no text in the field '{field}'.")
        yield row


def _judgements(path: Path) -> Iterator[Judgement]:
    for number, line in _lines(path):
        fields = line.split("\t")
        if number == 1 and fields[0] == "query-id":
            continue
        try:
            query, candidate, score = fields
            gain = float(score)
        except ValueError as error:
            expected = "query-id, corpus-id and score divided by tabs"
            raise BadData(f"{path}, line {number}: expected {expected}, found {line!r}.") from error
        if gain > 0:
            yield Judgement(query, candidate, gain)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as file:
        try:
            yield from ((number, line.rstrip("\r\n")) for number, line in enumerate(file, start=1) if line.strip())
        except UnicodeDecodeError as error:
            raise BadData(f"{path} is not UTF-8. {error}") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
