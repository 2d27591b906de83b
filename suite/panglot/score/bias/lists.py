"""What the top of each query's list says of languages: values [queries, width], NaN where nothing is listed."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.retrieve.evidence import NOBODY, Evidence

MIX_DEPTH = 10
"""Candidates of a list that are looked at."""


def top_languages(evidence: Evidence) -> dict[str, Floats]:
    """The language mix of the top of the pool, and the query's own share of it over its share of the pool."""
    top = evidence.top_language[:, :MIX_DEPTH]
    counts = np.stack([(top == place).sum(axis=1) for place in range(len(evidence.languages))], axis=1)
    mix = divide(counts, counts.sum(axis=1, keepdims=True))
    pool = evidence.sizes / evidence.sizes.sum()
    asked = evidence.query_language
    ratio = divide(mix[np.arange(evidence.queries), asked], pool[asked])
    return {"mix": mix, "pool": np.broadcast_to(pool, mix.shape), "own_ratio": ratio[:, None]}


def consistency(evidence: Evidence) -> dict[str, Floats]:
    """Mean RankC overlap of each query's top list with those of the same question in the other languages.

    Where a question is asked several times in a language, as by several captions of an image, the first stands for it.
    """
    top, place = _parallel_lists(evidence)
    weight = np.exp(-np.arange(1.0, MIX_DEPTH + 1))
    weight /= weight.sum() * np.arange(1, MIX_DEPTH + 1)
    questions, languages = top.shape[:2]
    total, count = np.zeros((questions, languages)), np.zeros((questions, languages))
    for one in range(languages):
        for other in range(one + 1, languages):
            both = (top[:, one, 0] != NOBODY) & (top[:, other, 0] != NOBODY)
            value = _overlaps(top[both, one], top[both, other]) @ weight
            for language in (one, other):
                total[both, language] += value
                count[both, language] += 1
    return {"consistency": divide(total, count).reshape(-1)[place][:, None]}


def top_hits(evidence: Evidence) -> dict[str, Floats]:
    """What stands on top of each list, as 1 in one of four: right or wrong, and in the query's language or another.

    Right is a relevant candidate above which nothing else stands; a candidate that ties with it makes it wrong, as
    everywhere. Then that candidate is what is looked at.
    """
    ranking = evidence.together
    right = np.zeros(evidence.queries, bool)
    right[ranking.cell[ranking.rank == 1]] = True
    top = evidence.top[:, :MIX_DEPTH]
    language = np.full(evidence.queries, NOBODY)
    if top.shape[1]:
        language = evidence.top_language[np.arange(evidence.queries), _first_wrong(evidence, top, ~right)]
    own = language == evidence.query_language
    hits = np.stack([right & own, right & ~own, ~right & own, ~right & ~own], axis=1).astype(float)
    hits[language == NOBODY] = np.nan
    return {"top_hit": hits}


def _first_wrong(evidence: Evidence, top: Ints, wanted: Bools) -> Ints:
    """The first place of each wanted list that holds no relevant candidate, [queries]; 0 where there is none."""
    first, left = np.zeros(evidence.queries, np.intp), wanted.copy()
    for place in range(top.shape[1]):
        relevant = np.zeros(evidence.queries, bool)
        relevant[evidence.query[evidence.candidate == top[evidence.query, place]]] = True
        first[left & ~relevant] = place
        left &= relevant
        if not left.any():
            break
    return first


def hubs(evidence: Evidence) -> dict[str, float]:
    """How unevenly the places of all lists are shared among the candidates: skewness, and what the top 1 % hold.

    Where 1 % is not a whole number of candidates, the last counts with the part that is left. Candidates in no list are
    counted, not held: a corpus has a hundred million, and a stranger's file may state any number.
    """
    top, candidates = evidence.top[:, :MIX_DEPTH], int(evidence.sizes.sum())
    listed = np.bincount(top[top != NOBODY], minlength=1)
    mean, unlisted = listed.sum() / candidates, max(0, candidates - len(listed))
    centred = listed - mean
    spread = np.sqrt(((centred**2).sum() + unlisted * mean**2) / candidates)
    most = np.sort(listed)[::-1].cumsum()
    share = np.interp(candidates / 100, np.arange(len(most) + 1), np.append(0, most)) / max(1, most[-1])
    skewness = ((centred**3).sum() - unlisted * mean**3) / candidates / spread**3 if spread else 0.0
    return {"hubness": float(skewness), "hub_share": float(share)}


def _parallel_lists(evidence: Evidence) -> tuple[Ints, Ints]:
    """The top list of each question in each language, [questions, languages, depth], and each query's place there."""
    languages = len(evidence.languages)
    questions = int(evidence.group.max()) + 1
    place = evidence.group * languages + evidence.query_language
    listed = np.full((questions * languages, MIX_DEPTH), NOBODY)
    width = min(MIX_DEPTH, evidence.top.shape[1])
    listed[place[::-1], :width] = evidence.top[::-1, :width]
    return listed.reshape(questions, languages, MIX_DEPTH), place


def _overlaps(one: Ints, other: Ints) -> Ints:
    """Candidates that two lists [lists, depth] share among their first 1, 2, … depth, [lists, depth]."""
    same = (one[:, :, None] == other[:, None, :]) & (one[:, :, None] != NOBODY)
    shared = same.cumsum(axis=1).cumsum(axis=2)
    return np.diagonal(shared, axis1=1, axis2=2)
