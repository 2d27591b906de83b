"""TREC run files: the lists that a model gave, as trec_eval reads them."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import TypeAlias

import numpy as np

from suite.errors import BadResult
from suite.evidence import NOBODY, Evidence
from suite.ranking import DEPTH

STEP = 2.0**-21
"""What one place in a list takes off the score, as a share of the list's largest: below the rounding of evidence
files, which is 2^-11, and above that of the 32 bits in which trec_eval holds scores."""

LONGEST_LINE = 1000
MOST_LINES = 5_000_000

Lists: TypeAlias = dict[str, dict[str, float]]
"""The score of each listed candidate of each query."""


def run_lines(evidence: Evidence, tag: str) -> Iterator[str]:
    """The lines `query Q0 candidate rank score tag` of every query's best candidates in the pool of all languages.

    trec_eval orders by score and ignores the rank. Scores of evidence files are rounded, so each place takes `STEP`
    off the score: the order of the list stays, ties included. A list is at most 100 long: measures that look deeper,
    such as the uncut `map`, come out lower than in the result.

    :raises BadResult: an id with white space, which the format cannot hold; only the first few places are known.
    """
    if evidence.top.shape[1] < min(DEPTH, evidence.sizes.sum()):
        raise BadResult(
            f"Only {evidence.top.shape[1]} places of each list are here. Score the model again for the file "
            f"<task>.top100.parquet, which holds {DEPTH}."
        )
    for id_ in (*evidence.query_ids, *evidence.candidate_ids):
        if re.search(r"\s", id_) or not id_:
            raise BadResult(f"A TREC run cannot hold the id {id_!r}: white space divides its columns.")
    name = re.sub(r"\s+", "-", tag)
    for query, candidates, scores in zip(
        evidence.query_ids, evidence.top.tolist(), evidence.top_score.tolist(), strict=True
    ):
        listed = [place for place, candidate in enumerate(candidates) if candidate != NOBODY]
        step = STEP * (max((abs(scores[place]) for place in listed), default=0) or 1)
        for rank, place in enumerate(listed, start=1):
            score = scores[place] - step * rank
            yield f"{query} Q0 {evidence.candidate_ids[candidates[place]]} {rank} {score:.10g} {name}"


def read_run(path: Path) -> Lists:
    """Read a run file, gzipped or not; the ranks in it mean nothing, as trec_eval has it.

    :raises BadResult: it cannot be read, is cut short, is too long, or has a line that is none of a run.
    """
    lists: Lists = {}
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if number > MOST_LINES:
                    raise ValueError(f"it has more than {MOST_LINES:,} lines")
                _take(lists, number, line)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadResult(f"{path} cannot be read as a TREC run: {error}.") from error
    if not lists:
        raise BadResult(f"{path} is empty.")
    return lists


def order(listed: dict[str, float]) -> list[str]:
    """The candidates of one list as trec_eval orders them: by score in 32 bits, equal ones by id, the last first."""
    return sorted(listed, key=lambda id_: (np.float32(listed[id_]), id_.encode()), reverse=True)


def _lines(file: BufferedIOBase) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        if line.strip():
            yield line


def _take(lists: Lists, number: int, line: bytes) -> None:
    fields = line.decode().split()
    if len(fields) != 6:
        raise ValueError(f"line {number} has {len(fields)} columns, not query Q0 candidate rank score tag")
    query, _, candidate, _, score, _ = fields
    value = float(score)
    if not math.isfinite(value):
        raise ValueError(f"line {number} has the score {score[:20]}")
    listed = lists.setdefault(query, {})
    if candidate in listed:
        raise ValueError(f"line {number} lists {candidate[:80]!a} a second time for query {query[:80]!a}")
    listed[candidate] = value
