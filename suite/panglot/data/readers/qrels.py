"""Read relevance judgements in BEIR or TREC format, with or without a header.

query-id  corpus-id  score        three columns separated by tabs (BEIR); the header can use other common names
query  0  candidate  grade        four columns separated by tabs or spaces (TREC)

A table in CSV or Parquet has the columns of BEIR, with a header.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from panglot.data.readers.rows import Names, simplified
from panglot.data.readers.tables import PARQUET, read_table
from panglot.errors import BadData
from panglot.lines import parse_number, read_lines

LARGEST_GRADE = 1_000_000
SMALLEST_GRADE = 0.000_001
"""Smallest grade above 0."""

_EXPECTED = "query-id, corpus-id and score separated by tabs, or the four columns of a TREC qrels file"
GRADES = ("score", "relevance", "rel", "grade", "label", "gain")
_HEADINGS = (
    ("queryid", "qid", "query", "topicid", "topic"),
    ("corpusid", "docid", "did", "doc", "docno", "documentid", "passageid", "pid", "candidateid", "cid"),
    GRADES,
)
"""Column names of queries, candidates and grades, in the form of `simplified`."""
_COLUMNS: Names = tuple(zip(("query-id", "corpus-id", "score"), _HEADINGS, strict=True))


class Judged(NamedTuple):
    """The grade of a candidate for a query, 0 if it is not relevant; `where` is the prefix for error messages."""

    where: str
    query: str
    candidate: str
    grade: float


def read_qrels(path: Path) -> Iterator[Judged]:
    """Yield the judgements of a file, including those of candidates that are not relevant.

    :raises MissingData: the file does not exist.
    :raises BadData: a line is not a judgement, a grade is invalid, or a pair is judged twice.
    """
    first: dict[tuple[str, str], str] = {}
    table = path.name.lower().removesuffix(".gz").endswith((".csv", PARQUET))
    for place, query, candidate, grade in (_from_table if table else _from_lines)(path):
        where = f"{path}, {place} ('{query[:80]}', '{candidate[:80]}')"
        seen = first.setdefault((query, candidate), place)
        if seen != place:
            raise BadData(f"{where}: duplicate judgement, first given in {seen}. Remove one of them.")
        yield Judged(where, query, candidate, parse_grade(where, grade))
    if not first:
        raise BadData(f"{path} has no judgements.")


def _from_table(path: Path) -> Iterator[tuple[str, str, str, str]]:
    for row in read_table(path, _COLUMNS):
        query, candidate = row.optional_name("query-id"), row.optional_name("corpus-id")
        grade = row.values.get("score")
        if query is None or candidate is None or grade is None:
            raise row.error("expected the columns query-id, corpus-id and score, each with a value.")
        yield f"{row.unit} {row.number}", query, candidate, str(grade)


def _from_lines(path: Path) -> Iterator[tuple[str, str, str, str]]:
    columns: Sequence[int] = ()
    width = 0
    for number, line in read_lines(path):
        fields = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
        if "\t" in line and len(fields) < 3:  # as trec_eval, which takes any white space
            fields = re.split("[\t ]+", line.strip("\t "))
        if not width:
            width, heading = len(fields), _columns_of_heading(fields)
            columns = heading or _columns_without_heading(line, fields)
            if heading:
                continue
        if len(fields) != width or not columns:
            raise BadData(f"{path}, line {number}: expected {_EXPECTED}, found {line[:200]!r}.")
        query, candidate, grade = (fields[column] for column in columns)
        yield f"line {number}", query, candidate, grade


def _columns_of_heading(fields: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of query, candidate and grade; empty if the line is not a header."""
    names = [simplified(field) for field in fields]
    places = [[place for place, name in enumerate(names) if name in known] for known in _HEADINGS]
    return tuple(found[0] for found in places) if all(len(found) == 1 for found in places) else ()


def _columns_without_heading(line: str, fields: Sequence[str]) -> tuple[int, ...]:
    if parse_number(fields[-1].strip(" ")) is None:
        return ()
    if len(fields) == 4:
        return (0, 2, 3)
    return (0, 1, 2) if len(fields) == 3 and "\t" in line else ()


def parse_grade(where: str, text: str) -> float:
    """Return a grade rounded to 32 bits, as stored in evidence files; 0 if it is negative.

    :raises BadData: it is not a finite number, too large, or too close to 0.
    """
    grade = parse_number(text.strip(" "))
    if grade is None:
        raise BadData(f"{where}: the grade {text[:40]!r} is not a finite number.")
    return as_grade(where, grade, text)


def as_grade(where: str, grade: float, text: str = "") -> float:
    """Return a finite grade rounded to 32 bits, as stored in evidence files; 0 if it is negative.

    :raises BadData: it is too large, or too close to 0.
    """
    if grade > LARGEST_GRADE or 0 < grade < SMALLEST_GRADE:
        shown = (text or f"{grade:g}")[:40]
        raise BadData(f"{where}: the grade {shown!r} is not between {SMALLEST_GRADE:f} and {LARGEST_GRADE:,}.")
    return float(struct.unpack("f", struct.pack("f", grade))[0]) if grade > 0 else 0.0
