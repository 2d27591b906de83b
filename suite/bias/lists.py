"""What the top of each query's list says of languages: values [queries, width], NaN where nothing is listed."""

from __future__ import annotations

import numpy as np

from suite.arrays import Floats, Ints, divide
from suite.evidence import NOBODY, Evidence

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
