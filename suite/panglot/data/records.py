"""What readers make: queries, candidates and judgements, of which a pool is built.

Task files name readers, so listing tasks imports them all; they import `Pool`, and with it numpy, when they read.
"""

from __future__ import annotations

from typing import NamedTuple

from panglot.data.image import Image


class Query(NamedTuple):
    """One query from a reader; queries with the same `group` are translations of one question.

    `excluded` is the id of a candidate excluded for this query: the query itself, if it is also a candidate. `cluster`
    names the unit by which the query was sampled, such as an article; by default it is the group.
    """

    id: str
    text: str
    language: str
    group: str
    image: Image | None = None
    excluded: str | None = None
    cluster: str | None = None


class Candidate(NamedTuple):
    """One candidate from a reader."""

    id: str
    text: str
    language: str
    image: Image | None = None


class Judgement(NamedTuple):
    """One relevant pair from a reader; `gain` is 1 if the data has no grades."""

    query: str
    candidate: str
    gain: float = 1.0
