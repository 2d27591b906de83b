"""TREC run files: a model's result lists in the format of trec_eval."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from panglot.errors import BadData, BadResult
from panglot.evaluate.external_run import Lists
from panglot.lines import parse_number, read_lines
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.retrieve.ranking import DEPTH

STEP = 2.0**-21
"""Score difference between consecutive ranks, relative to the list's largest score. It is below the rounding of
evidence files (2^-11) and above the resolution of trec_eval's 32-bit scores."""

LONGEST_LINE = 1000
"""Bytes of the longest line that is read."""
MOST_LINES = 5_000_000
"""Lines of the longest file that is read."""


def run_lines(evidence: Evidence, tag: str, longest: str = "TASK.top100.parquet") -> Iterator[str]:
    """The lines `query Q0 candidate rank score tag` of every query's best candidates in the pool of all languages.

    trec_eval orders by score and ignores the rank. Scores in evidence files are rounded, so `STEP` is subtracted per
    rank to preserve the order of the list, ties included. A list has at most 100 candidates, so deeper measures such as
    the uncut `map` are lower than in the result.

    :param longest: the file that has the longest lists, for a message
    :raises BadResult: an id contains white space, which the format cannot represent, or the evidence holds only the
        first few ranks.
    """
    if evidence.top.shape[1] < min(DEPTH, evidence.sizes.sum()):
        raise BadResult(
            f"The evidence has only the first {evidence.top.shape[1]} candidates of each list. Run the model again to "
            f"get {longest}, which has {DEPTH}."
        )
    for id_ in (*evidence.query_ids, *evidence.candidate_ids):
        if re.search(r"\s", id_) or not id_:
            raise BadResult(f"A TREC run cannot contain the id {id_!r}: its columns are separated by white space.")
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
    """Read a run file, plain or gzipped. Like trec_eval, ignore the ranks and skip lines that start with #.

    Returns the score of each listed candidate by query id and candidate id.

    :raises MissingData: there is no such file.
    :raises BadResult: the file is unreadable, truncated, empty or too long, or a line is not a valid run line.
    """
    lists: Lists = {}
    try:
        for number, line in read_lines(path, LONGEST_LINE):
            if number > MOST_LINES:
                raise BadResult(
                    f"{path} has more than {MOST_LINES:,} lines. Split it and score each language separately."
                )
            if not line.startswith("#"):
                _take(lists, f"{path}, line {number}", line)
    except BadData as error:
        raise BadResult(str(error)) from error
    if not lists:
        raise BadResult(f"{path} is empty.")
    return lists


def _take(lists: Lists, where: str, line: str) -> None:
    """Add a line. Like in trec_eval, only ASCII white space separates the columns."""
    fields = [field.decode() for field in line.encode().split()]
    if len(fields) != 6:
        raise BadResult(f"{where}: expected six columns (query Q0 candidate rank score tag), found {len(fields)}.")
    query, _, candidate, _, score, _ = fields
    value = parse_number(score)
    if value is None:
        raise BadResult(
            f"{where} ('{query[:80]}', '{candidate[:80]}'): the score {score[:20]!r} is not a finite number."
        )
    listed = lists.setdefault(query, {})
    if candidate in listed:
        raise BadResult(
            f"{where} ('{query[:80]}', '{candidate[:80]}'): this candidate is already listed for this query."
        )
    listed[candidate] = value
