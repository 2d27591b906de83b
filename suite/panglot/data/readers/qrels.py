"""Relevance judgements as people keep them: with or without a heading, of BEIR or of TREC.

query-id  corpus-id  score        three columns divided by tabs (BEIR); the heading may use other common names
query  0  candidate  grade        four columns divided by tabs or spaces (TREC)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from panglot.errors import BadData
from panglot.lines import parse_number, read_lines

LARGEST_GRADE = 1_000_000
SMALLEST_GRADE = 0.000_001
"""Of those above 0."""

_EXPECTED = "query-id, corpus-id and score divided by tabs, or the four columns of a TREC qrels file"
_HEADINGS = (
    ("queryid", "qid", "query", "topicid", "topic"),
    ("corpusid", "docid", "did", "doc", "docno", "documentid", "passageid", "pid", "candidateid", "cid"),
    ("score", "relevance", "rel", "grade", "label", "gain"),
)
"""Names of the columns of queries, candidates and grades, in lower case, without hyphens, underscores and spaces."""


class Judged(NamedTuple):
    """The grade that a candidate has for a query, 0 where it is not relevant; `where` begins messages about it."""

    where: str
    query: str
    candidate: str
    grade: float


def read_qrels(path: Path) -> Iterator[Judged]:
    """The judgements of a file, those of candidates that are not relevant too.

    :raises MissingData: there is no such file.
    :raises BadData: a line that is not a judgement, a grade that is not a finite number, a pair that is judged twice.
    """
    first: dict[tuple[str, str], int] = {}
    columns: Sequence[int] = ()
    width = 0
    for number, line in read_lines(path):
        fields = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
        if not width:
            width, heading = len(fields), _columns_of_heading(fields)
            columns = heading or _columns_without_heading(line, fields)
            if heading:
                continue
        if len(fields) != width or not columns:
            raise BadData(f"{path}, line {number}: expected {_EXPECTED}, found {line[:200]!r}.")
        query, candidate, grade = (fields[column] for column in columns)
        where = f"{path}, line {number} ('{query[:80]}', '{candidate[:80]}')"
        seen = first.setdefault((query, candidate), number)
        if seen != number:
            raise BadData(f"{where}: duplicate judgement, first given in line {seen}. Keep one of them.")
        yield Judged(where, query, candidate, _grade(where, grade))
    if not first:
        raise BadData(f"{path} has no judgements.")


def _columns_of_heading(fields: Sequence[str]) -> tuple[int, ...]:
    """Where query, candidate and grade stand; nothing if the line is not a heading."""
    names = [re.sub("[-_ ]", "", field).lower() for field in fields]
    places = [[place for place, name in enumerate(names) if name in known] for known in _HEADINGS]
    return tuple(found[0] for found in places) if all(len(found) == 1 for found in places) else ()


def _columns_without_heading(line: str, fields: Sequence[str]) -> tuple[int, ...]:
    if parse_number(fields[-1].strip(" ")) is None:
        return ()
    if len(fields) == 4:
        return (0, 2, 3)
    return (0, 1, 2) if len(fields) == 3 and "\t" in line else ()


def _grade(where: str, text: str) -> float:
    """A grade in 32 bits, as files of evidence keep it."""
    grade = parse_number(text.strip(" "))
    if grade is None:
        raise BadData(f"{where}: the grade {text[:40]!r} is not a finite number.")
    if grade > LARGEST_GRADE or 0 < grade < SMALLEST_GRADE:
        raise BadData(f"{where}: the grade {text[:40]!r} is not between {SMALLEST_GRADE:f} and {LARGEST_GRADE:,}.")
    return float(np.float32(grade)) if grade > 0 else 0.0
