"""Policies: other ways to answer the same queries from the same index, each computed from evidence alone.

No vectors and no model are needed: the rank of a relevant candidate in the list that a policy would build follows from
its `above` counts. Write w for its rank within its own language, a[l] for its count in language l, o for the query's
language; ties count against the encoder, as everywhere.

    pool            the one pool of all languages, as measured
    interleave      one index a language, their lists merged in turn: the query's language, then those that follow it
                    in the order of the task, round to the one before it. With t[l] whether l has its turn before the
                    language of r: w + sum over the other languages l of min(w - 1 + t[l], candidates in l), which is
                    (w - 1) * languages + the turn of r's language, from 1, until a list runs out
    own-first:K     the K best of the query's language, then the rest of the pool: w where r is among them, else the
                    rank in the pool + max(0, K - a[o])
    without:LANG    a pool that lacks one language
    only-own        a pool of the query's language alone
    two:LANG        a pool of the query's language and one more
    translate:LANG  the parallel question in LANG asks in place of the query: what a perfect translation would give

`without`, `only-own` and `two` offer fewer candidates, and only the relevant ones among them count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.data.image import IMAGES
from panglot.errors import BadResult, UnknownName
from panglot.retrieve.evidence import NOBODY, Evidence, Ranking, rank_cells
from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.pairs import in_own_language


class Served(NamedTuple):
    """What the queries would be served: ranks in one list a query, and the share of its top that is in its language.

    `ranking` has a cell for each query; `own_share` [queries] is of the first `MIX_DEPTH` places, NaN where the stored
    lists do not reach them.
    """

    ranking: Ranking
    own_share: Floats


class Policy(NamedTuple):
    """A policy by the name it prints and parses as."""

    name: str
    sentence: str
    needs: str
    """What it takes in production."""
    serve: Callable[[Evidence], Served]


def parse_policy(name: str) -> Policy:
    """The policy of a printed name, with any language or number: `parse_policy("own-first:3")`.

    :raises UnknownName: there is no such policy, or it lacks its argument or has one too many.
    """
    family, separator, argument = name.partition(":")
    if family not in _FAMILIES or bool(separator) != bool(_FAMILIES[family].argument) or (separator and not argument):
        raise UnknownName("policy", name, EXAMPLES)
    found = _FAMILIES[family]
    if found.argument == "K" and not (argument.isascii() and argument.isdigit() and int(argument)):
        raise UnknownName("policy", name, EXAMPLES, "K is a number of places, at least 1.")
    return Policy(
        name,
        found.sentence.format(argument),
        found.needs.format(argument),
        lambda evidence: found.serve(_checked(evidence), argument),
    )


def _pool(evidence: Evidence, _: str) -> Served:
    return Served(evidence.together, _own_share(evidence, evidence.top_language))


def _interleave(evidence: Evidence, _: str) -> Served:
    """The stored lists are not needed: the turns alone say what stands in the first places."""
    languages, sizes = len(evidence.languages), evidence.sizes
    within = evidence.within
    better = np.empty(len(within.pair), np.int64)  # w - 1, candidates of its own language before each relevant
    better[within.pair] = within.rank - 1
    turn = _turns(languages)
    asked, own_turn = evidence.asked, turn[evidence.asked, evidence.language]
    rank = 1 + better
    for language in range(languages):
        earlier = turn[asked, language] < own_turn
        rank += np.where(evidence.language == language, 0, np.minimum(better + earlier, sizes[language]))
    ranking = rank_cells(evidence.query.astype(np.int64), rank, evidence.gain, evidence.queries)
    return Served(ranking, _interleaved_share(turn, sizes)[evidence.query_language])


def _turns(languages: int) -> Ints:
    """Whose turn it is, from 0, [query languages, candidate languages]: the query's own, then those that follow it.

    The order goes on from the last language to the first, so that over all queries no language has better turns.
    """
    place = np.arange(languages)
    return (place - place[:, None]) % languages


def _interleaved_share(turn: Ints, sizes: Ints) -> Floats:
    """Share of the first places that each query language has of its own lists, [languages]."""
    shares = []
    for own, order in enumerate(np.argsort(turn, axis=1)):
        rounds = [language for place in range(MIX_DEPTH) for language in order if sizes[language] > place]
        shares.append(np.mean(np.array(rounds[:MIX_DEPTH]) == own))
    return np.array(shares)


def _own_first(evidence: Evidence, argument: str) -> Served:
    first = np.minimum(int(argument), evidence.sizes)[evidence.query_language]
    within = evidence.within
    rank_within = np.empty(len(within.pair), np.int64)
    rank_within[within.pair] = within.rank
    first_of = first[evidence.query]
    in_front = in_own_language(evidence) & (rank_within <= first_of)
    behind = 1 + evidence.above_together + np.maximum(0, first_of - evidence.above_asked)
    rank = np.where(in_front, rank_within, behind)
    ranking = rank_cells(evidence.query.astype(np.int64), rank, evidence.gain, evidence.queries)
    top = evidence.top_language
    own = top == evidence.query_language[:, None]
    rest = (top != NOBODY) & ~(own & (own.cumsum(axis=1) <= first[:, None]))
    left = np.maximum(0, MIX_DEPTH - first)
    listed = rest & (rest.cumsum(axis=1) <= left[:, None])
    whole = np.minimum(first, MIX_DEPTH) + listed.sum(axis=1)
    share = divide(np.minimum(first, MIX_DEPTH) + (listed & own).sum(axis=1), whole)
    return Served(ranking, share)


def _without(evidence: Evidence, argument: str) -> Served:
    language = _language(evidence, argument)
    offered = evidence.language != language
    above = evidence.above_together - evidence.above[:, language]
    top = np.where(evidence.top_language == language, NOBODY, evidence.top_language)
    return Served(_smaller_pool(evidence, above, offered), _own_share(evidence, top))


def _only_own(evidence: Evidence, _: str) -> Served:
    ranking = _smaller_pool(evidence, evidence.above_asked, in_own_language(evidence))
    return Served(ranking, np.where(evidence.sizes[evidence.query_language] > 0, 1.0, np.nan))


def _two(evidence: Evidence, argument: str) -> Served:
    language = _language(evidence, argument)
    asked = evidence.query_language
    offered = in_own_language(evidence) | (evidence.language == language)
    above = evidence.above_asked + np.where(evidence.asked == language, 0, evidence.above[:, language])
    top = evidence.top_language
    top = np.where((top == language) | (top == asked[:, None]), top, NOBODY)
    return Served(_smaller_pool(evidence, above, offered), _own_share(evidence, top))


def _translate(evidence: Evidence, argument: str) -> Served:
    language = _language(evidence, argument, wide=True)
    translated = np.full(int(evidence.group.max()) + 1, NOBODY)
    there = np.flatnonzero(evidence.query_language == language)[::-1]
    translated[evidence.group[there]] = there  # the first where a question is asked several times
    asking = translated[evidence.group]
    missing = int((asking == NOBODY).sum())
    if missing:
        raise BadResult(f"translate:{argument}: {missing:,} of {evidence.queries:,} queries have no question in it.")
    first = np.searchsorted(evidence.query, np.arange(evidence.queries + 1))
    count = np.diff(first)
    if not np.array_equal(count[asking], count):
        raise BadResult(f"translate:{argument}: questions of one group do not have the same relevant candidates.")
    step = np.arange(len(evidence.query)) - first[evidence.query]
    pair = first[asking][evidence.query] + step
    if not np.array_equal(np.sort(_keys(evidence, evidence.candidate[pair])), np.sort(_keys(evidence))):
        raise BadResult(f"translate:{argument}: questions of one group do not have the same relevant candidates.")
    ranking = rank_cells(
        evidence.query.astype(np.int64), 1 + evidence.above_together[pair], evidence.gain[pair], evidence.queries
    )
    return Served(ranking, _own_share(evidence, evidence.top_language[asking]))


def _keys(evidence: Evidence, candidate: Ints | None = None) -> Ints:
    """Query and candidate of each pair as one number, [pairs]."""
    named = evidence.candidate if candidate is None else candidate
    return evidence.query.astype(np.int64) * len(evidence.candidate_ids) + named


def _smaller_pool(evidence: Evidence, above: Ints, offered: Bools) -> Ranking:
    """Ranks of the relevant candidates that are offered, from `above` and `offered` [pairs]."""
    cell = evidence.query[offered].astype(np.int64)
    return rank_cells(cell, 1 + above[offered], evidence.gain[offered], evidence.queries)


def _own_share(evidence: Evidence, top_language: Ints) -> Floats:
    """Share of the first `MIX_DEPTH` entries of each list that is in the query's language, [queries].

    Places that hold `NOBODY` are skipped, so that a list without some of its entries is read further down.
    """
    there = top_language != NOBODY
    there &= there.cumsum(axis=1) <= MIX_DEPTH
    own = there & (top_language == evidence.query_language[:, None])
    return divide(own.sum(axis=1), there.sum(axis=1))


def _language(evidence: Evidence, name: str, wide: bool = False) -> int:
    """The place of a language that an argument names.

    :raises UnknownName: it is not among those of the evidence.
    :raises BadResult: narrow evidence, which does not have the counts of each language; `wide` needs none.
    """
    if name not in evidence.languages:
        raise UnknownName("language", name, evidence.languages)
    if evidence.narrow and not wide:
        raise BadResult(f"Evidence of {len(evidence.languages)} languages has no counts of '{name}' alone.")
    return evidence.languages.index(name)


def _checked(evidence: Evidence) -> Evidence:
    """The evidence, if its pool is one of several languages of text.

    :raises BadResult: it is not.
    """
    if evidence.divided:
        raise BadResult("The task is divided: a query meets passages of its own language only, so no policy differs.")
    if IMAGES in evidence.languages:
        raise BadResult("The pool holds images, which are in no language: policies by language mean nothing there.")
    if (evidence.sizes > 0).sum() < 2:
        raise BadResult("The pool has candidates in one language only, so no policy differs.")
    return evidence


class _Family(NamedTuple):
    """Policies that differ in an argument alone: `{}` in its sentences stands for it."""

    argument: str
    sentence: str
    needs: str
    serve: Callable[[Evidence, str], Served]


_FAMILIES: dict[str, _Family] = {
    "pool": _Family("", "One pool of all languages, as measured.", "Nothing.", _pool),
    "interleave": _Family(
        "",
        "One index for each language; their lists are merged in turn, the query's language first.",
        "The language of every document and query, and a search in every index.",
        _interleave,
    ),
    "own-first": _Family(
        "K",
        "The {} best in the query's language, then the rest of the pool.",
        "The language of every document and query, and one more search.",
        _own_first,
    ),
    "without": _Family(
        "LANG",
        "A pool without documents in {}; answers in it are not counted.",
        "The language of every document.",
        _without,
    ),
    "only-own": _Family(
        "",
        "Only documents in the query's language; answers in others are not counted.",
        "The language of every document and query.",
        _only_own,
    ),
    "two": _Family(
        "LANG",
        "Only documents in the query's language or in {}; answers in others are not counted.",
        "The language of every document and query.",
        _two,
    ),
    "translate": _Family(
        "LANG",
        "Every query is translated to {} first, here without a mistake.",
        "A translation step for every query.",
        _translate,
    ),
}

EXAMPLES = tuple(f"{family}:{found.argument}" if found.argument else family for family, found in _FAMILIES.items())
"""Every policy, with the argument that it takes."""
