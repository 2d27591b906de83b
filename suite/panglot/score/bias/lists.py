"""Statistics of the top of each query's result list: arrays [queries, width], NaN where the list is empty."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.retrieve.evidence import NOBODY, Evidence

MIX_DEPTH = 10
"""Depth of the result lists that the bias measures use."""


def top_languages(evidence: Evidence) -> dict[str, Floats]:
    """Language mix of the top list [queries, languages], and own-language share relative to the pool.

    `own_ratio` [queries, 1] is the share of the top list in the query's language divided by that language's share of
    the pool.
    """
    top = evidence.top_language[:, :MIX_DEPTH]
    counts = np.stack([(top == place).sum(axis=1) for place in range(len(evidence.languages))], axis=1)
    mix = divide(counts, counts.sum(axis=1, keepdims=True))
    pool = evidence.sizes / evidence.sizes.sum()
    own = evidence.query_language
    ratio = divide(mix[np.arange(evidence.queries), own], pool[own])
    return {"mix": mix, "own_ratio": ratio[:, None]}


def pool_mix(evidence: Evidence) -> Floats:
    """Language mix of the pool, the same for every query, [queries, languages]."""
    pool = evidence.sizes / evidence.sizes.sum()
    return np.broadcast_to(pool, (evidence.queries, len(pool)))


def consistency(evidence: Evidence) -> dict[str, Floats]:
    """Mean RankC overlap (arXiv 2310.10378) of each query's top list with its parallel queries' lists, [queries, 1].

    If a question has several queries in one language (an image with several captions), only the first is compared.
    """
    top, place = _parallel_lists(evidence)
    weight = np.exp(-np.arange(1.0, MIX_DEPTH + 1))
    weight /= weight.sum() * np.arange(1, MIX_DEPTH + 1)
    questions, languages = top.shape[:2]
    total, count = np.zeros((questions, languages)), np.zeros((questions, languages))
    for one in range(languages):
        for other in range(one + 1, languages):
            both = (top[:, one, 0] != NOBODY) & (top[:, other, 0] != NOBODY)
            value = _overlap(top[both, one], top[both, other], weight)
            for language in (one, other):
                total[both, language] += value
                count[both, language] += 1
    return {"consistency": divide(total, count).reshape(-1)[place][:, None]}


def top_hits(evidence: Evidence) -> dict[str, Floats]:
    """One-hot class of each query's first candidate, [queries, 4], in the order of `TOP_HITS`.

    The classes are right or wrong, in the query's language or in another. A relevant candidate is right only if it is
    strictly first: ties count against the encoder, so on a tie the non-relevant candidate is classified.
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
    """Index of the first non-relevant candidate of each `wanted` list, [queries]; 0 if there is none."""
    first, open_lists = np.zeros(evidence.queries, np.intp), wanted.copy()
    for place in range(top.shape[1]):
        relevant = np.zeros(evidence.queries, bool)
        relevant[evidence.query[evidence.candidate == top[evidence.query, place]]] = True
        first[open_lists & ~relevant] = place
        open_lists &= relevant
        if not open_lists.any():
            break
    return first


def hubs(evidence: Evidence) -> dict[str, float]:
    """Hubness: the skewness of how often candidates are listed, and the share of list entries of the top 1 %.

    If 1 % is not a whole number of candidates, the last one counts by its fraction. Candidates that appear in no list
    enter the sums as a count and take no memory: a corpus may hold a hundred million, and an untrusted file may claim
    any number.
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
    """Top lists by question and language, [questions, languages, depth], and each query's flat index, [queries]."""
    languages = len(evidence.languages)
    questions = int(evidence.group.max()) + 1
    place = evidence.group * languages + evidence.query_language
    listed = np.full((questions * languages, MIX_DEPTH), NOBODY, np.int32)
    width = min(MIX_DEPTH, evidence.top.shape[1])
    listed[place[::-1], :width] = evidence.top[::-1, :width]
    return listed.reshape(questions, languages, MIX_DEPTH), place


def _overlap(one: Ints, other: Ints, weight: Floats) -> Floats:
    """Weighted sum of how many candidates two lists [lists, depth] share in their first 1, 2, … entries, [lists].

    `weight` [depth] is that of each number of entries.
    """
    depth = np.arange(one.shape[1])
    same = (one[:, :, None] == other[:, None, :]) & (one[:, :, None] != NOBODY)
    within = np.maximum.outer(depth, depth)[..., None] <= depth  # both places are among the first ones
    found: Floats = same.reshape(len(one), len(depth) ** 2) @ (within @ weight).ravel()
    return found
