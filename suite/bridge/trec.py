"""The lists that a model gave, as the run file that trec_eval reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from suite.errors import BadResult
from suite.evidence import NOBODY, Evidence
from suite.ranking import DEPTH

STEP = 2.0**-21
"""What one place in a list takes off the score, as a share of the list's largest: below the rounding of evidence
files, which is 2^-11, and above that of the 32 bits in which trec_eval holds scores."""


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
