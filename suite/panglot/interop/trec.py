"""TREC run files: the lists that a model gave, as trec_eval reads them."""

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
"""What one place in a list takes off the score, as a share of the list's largest: below the rounding of evidence
files, which is 2^-11, and above that of the 32 bits in which trec_eval holds scores."""

LONGEST_LINE = 1000
MOST_LINES = 5_000_000


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
    """Read a run file, gzipped or not. As in trec_eval its ranks mean nothing, and lines that begin with # are skipped.

    :raises MissingData: there is no such file.
    :raises BadResult: it cannot be read, is cut short, is too long, or has a line that is none of a run.
    """
    lists: Lists = {}
    try:
        for number, line in read_lines(path, LONGEST_LINE):
            if number > MOST_LINES:
                raise BadResult(f"{path} has more than {MOST_LINES:,} lines. Score its languages one by one.")
            if not line.startswith("#"):
                _take(lists, f"{path}, line {number}", line)
    except BadData as error:
        raise BadResult(str(error)) from error
    if not lists:
        raise BadResult(f"{path} is empty.")
    return lists


def _take(lists: Lists, where: str, line: str) -> None:
    """Add a line; as in trec_eval only white space of ASCII divides its columns."""
    fields = [field.decode() for field in line.encode().split()]
    if len(fields) != 6:
        raise BadResult(f"{where}: {len(fields)} columns, not the six of a run: query Q0 candidate rank score tag.")
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
