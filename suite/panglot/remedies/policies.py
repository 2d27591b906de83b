"""Serving policies: other ways to answer the same queries from the same index, computed from evidence alone.

No vectors and no model are needed: the rank that a policy gives a relevant candidate r follows from its `above` counts.
Let w be the rank of r within its own language, a[l] its count in language l, and o the query's language. Ties count
against the encoder.

    pool            the pool of all languages, as measured
    interleave      one index per language, merged round-robin: first the query's language, then the following ones in
                    the order of the task, wrapping around. With t[l] = 1 if language l comes before the language of r
                    in this order, else 0, the rank is w + sum over the other languages l of
                    min(w - 1 + t[l], candidates in l). Until a list runs out, that equals
                    (w - 1) * languages + the position (from 1) of r's language
    own-first:K     the K best candidates in the query's language, then the rest of the pool: w if r is one of the K,
                    else the rank in the pool + max(0, K - a[o])
    without:LANG    a pool without one language
    only-own        a pool of the query's language alone
    two:LANG        a pool of the query's language and LANG
    translate:LANG  the parallel query in LANG replaces the query, as a perfect translation would

`without`, `only-own` and `two` have smaller pools, and only the relevant candidates in them count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Floats, Ints, divide
from panglot.data.image import IMAGES
from panglot.errors import BadResult, UnknownName
from panglot.languages import find_language
from panglot.numbers import is_count
from panglot.retrieve.evidence import NOBODY, Evidence, Ranking, rank_cells
from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.pairs import in_own_language


class Served(NamedTuple):
    """The result lists of a policy: ranks in one list per query, and the share of the query's language in its top.

    `ranking` has a cell for each query. `own_share` [queries] covers the first `MIX_DEPTH` ranks; NaN if the stored
    lists do not reach that far, and for images, which have no language.
    """

    ranking: Ranking
    own_share: Floats


class Policy(NamedTuple):
    """A serving policy with its name and a sentence that describes it."""

    name: str
    sentence: str
    needs: str
    """What it needs in production."""
    serve: Callable[[Evidence], Served]


def parse_policy(name: str) -> Policy:
    """The policy with this name, with any language or number: `parse_policy("own-first:3")`.

    :raises UnknownName: there is no such policy, its argument is missing or invalid, or it takes no argument.
    """
    family, separator, argument = name.partition(":")
    if family not in _FAMILIES or bool(separator) != bool(_FAMILIES[family].argument) or (separator and not argument):
        raise UnknownName("policy", name, EXAMPLES)
    found = _FAMILIES[family]
    if found.argument == "K":
        if not is_count(argument):
            raise UnknownName("policy", name, EXAMPLES, "K must be a positive integer of at most nine digits.")
        argument = str(int(argument))
    return Policy(
        f"{family}{separator}{argument}",
        found.sentence.replace("{}", argument),
        found.needs.replace("{}", argument),
        lambda evidence: found.serve(_checked(evidence, family), argument),
    )


def parse_policies(names: Iterable[str], languages: Sequence[str]) -> list[Policy]:
    """The policies with these names, each once: `two:en` and `two:ENG` are one policy if `languages` have `en`.

    :raises UnknownName: see `parse_policy`.
    """
    found: dict[tuple[str, str], Policy] = {}
    for policy in map(parse_policy, names):
        family, _, argument = policy.name.partition(":")
        found.setdefault((family, find_language(argument, languages) or argument), policy)
    return list(found.values())


def _pool(evidence: Evidence, _: str) -> Served:
    share = _own_share(evidence, evidence.top_language)
    return Served(evidence.together, np.full(evidence.queries, np.nan) if IMAGES in evidence.languages else share)


def _interleave(evidence: Evidence, _: str) -> Served:
    """Needs no stored lists: the order of the languages determines the languages of the first ranks."""
    languages, sizes = len(evidence.languages), evidence.sizes
    within = evidence.within
    better = np.empty(len(within.pair), np.int64)  # w - 1: better candidates in the same language
    better[within.pair] = within.rank - 1
    turn = _turns(languages)
    query_language, own_turn = evidence.pair_query_language, turn[evidence.pair_query_language, evidence.language]
    rank = 1 + better
    for language in range(languages):
        earlier = turn[query_language, language] < own_turn
        rank += np.where(evidence.language == language, 0, np.minimum(better + earlier, sizes[language]))
    ranking = rank_cells(evidence.query.astype(np.int64), rank, evidence.gain, evidence.queries)
    return Served(ranking, _interleaved_share(turn, sizes)[evidence.query_language])


def _turns(languages: int) -> Ints:
    """Turn of each candidate language, from 0, [query languages, candidate languages].

    The query's language comes first, then the following ones, wrapping around, so that no language is favoured overall.
    """
    place = np.arange(languages)
    return (place - place[:, None]) % languages


def _interleaved_share(turn: Ints, sizes: Ints) -> Floats:
    """Share of the first ranks that come from each query language's own list, [languages]."""
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
    behind = 1 + evidence.above_together + np.maximum(0, first_of - evidence.above_in_query_language)
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
    in_pool = evidence.language != language
    above = evidence.above_together - evidence.above[:, language]
    offered = np.full(evidence.queries, evidence.sizes.sum() - evidence.sizes[language])
    share = _own_share_of_part(evidence, evidence.top_language != language, offered)
    return Served(_smaller_pool(evidence, above, in_pool), share)


def _only_own(evidence: Evidence, _: str) -> Served:
    ranking = _smaller_pool(evidence, evidence.above_in_query_language, in_own_language(evidence))
    return Served(ranking, np.where(evidence.sizes[evidence.query_language] > 0, 1.0, np.nan))


def _two(evidence: Evidence, argument: str) -> Served:
    language = _language(evidence, argument)
    own = evidence.query_language[:, None]
    in_pool = in_own_language(evidence) | (evidence.language == language)
    above = evidence.above_in_query_language + np.where(
        evidence.pair_query_language == language, 0, evidence.above[:, language]
    )
    languages = np.arange(len(evidence.languages))
    offered = ((languages == language) | (languages == own)) @ evidence.sizes
    share = _own_share_of_part(evidence, (evidence.top_language == language) | (evidence.top_language == own), offered)
    return Served(_smaller_pool(evidence, above, in_pool), share)


def _translate(evidence: Evidence, argument: str) -> Served:
    language = _language(evidence, argument, wide=True)
    translated = np.full(int(evidence.group.max()) + 1, NOBODY)
    in_language = np.flatnonzero(evidence.query_language == language)[::-1]
    translated[evidence.group[in_language]] = in_language  # reversed, so the first of several queries wins
    is_own = evidence.query_language == language  # needs no translation
    replacement = np.where(is_own, np.arange(evidence.queries), translated[evidence.group])
    missing = int((replacement == NOBODY).sum())
    if missing:
        raise BadResult(f"{missing:,} of {evidence.queries:,} queries have no parallel query in {argument}.")
    first = np.searchsorted(evidence.query, np.arange(evidence.queries + 1))
    count = np.diff(first)
    if not np.array_equal(count[replacement], count):
        raise BadResult("Parallel queries do not have the same relevant candidates.")
    step = np.arange(len(evidence.query)) - first[evidence.query]
    pair = first[replacement][evidence.query] + step
    if not np.array_equal(np.sort(_keys(evidence, evidence.candidate[pair])), np.sort(_keys(evidence))):
        raise BadResult("Parallel queries do not have the same relevant candidates.")
    ranking = rank_cells(
        evidence.query.astype(np.int64), 1 + evidence.above_together[pair], evidence.gain[pair], evidence.queries
    )
    return Served(ranking, _own_share(evidence, evidence.top_language[replacement]))


def _keys(evidence: Evidence, candidate: Ints | None = None) -> Ints:
    """Query and candidate of each pair, combined into one integer, [pairs]."""
    named = evidence.candidate if candidate is None else candidate
    return evidence.query.astype(np.int64) * len(evidence.candidate_ids) + named


def _smaller_pool(evidence: Evidence, above: Ints, in_pool: Bools) -> Ranking:
    """Ranks of the relevant candidates in a smaller pool, from `above` and `in_pool` [pairs]."""
    cell = evidence.query[in_pool].astype(np.int64)
    return rank_cells(cell, 1 + above[in_pool], evidence.gain[in_pool], evidence.queries)


def _own_share(evidence: Evidence, top_language: Ints) -> Floats:
    """Share of the first `MIX_DEPTH` entries of each list that are in the query's language, [queries].

    Entries `NOBODY` are skipped, so a list with removed entries is read further down.
    """
    there = top_language != NOBODY
    there &= there.cumsum(axis=1) <= MIX_DEPTH
    own = there & (top_language == evidence.query_language[:, None])
    return divide(own.sum(axis=1), there.sum(axis=1))


def _own_share_of_part(evidence: Evidence, kept: Bools, offered: Ints) -> Floats:
    """The same if only the entries `kept` [queries, depth] are left, in pools of `offered` [queries] candidates.

    What stands below a stored list is unknown. If any list is too short, all shares are NaN: those of what is left, or
    of the other queries, would be far from the share of the first ranks.
    """
    cut = (kept.sum(axis=1) < np.minimum(MIX_DEPTH, offered)) & (evidence.top_language != NOBODY).all(axis=1)
    if cut.any():
        return np.full(evidence.queries, np.nan)
    return _own_share(evidence, np.where(kept, evidence.top_language, NOBODY))


def _language(evidence: Evidence, name: str, wide: bool = False) -> int:
    """The index of a policy's language, in any spelling that only one language of the evidence can mean.

    :raises UnknownName: the evidence does not have this language.
    :raises BadResult: the evidence is narrow, without counts by language; `wide` policies do not need them.
    """
    known = find_language(name, evidence.languages)
    if known is None:
        raise UnknownName("language", name, evidence.languages)
    if evidence.narrow and not wide:
        raise BadResult(
            f"The evidence covers {len(evidence.languages)} languages and has no separate counts for '{name}'."
        )
    return evidence.languages.index(known)


def _checked(evidence: Evidence, family: str) -> Evidence:
    """The evidence, after checking that its pool holds texts in several languages, or images if it is served as it is.

    :raises BadResult: it does not.
    """
    if evidence.divided:
        raise BadResult(
            "The task is divided by language: queries search only their own language, so policies do not apply."
        )
    if IMAGES in evidence.languages:
        if family == "pool":
            return evidence
        raise BadResult("The pool has images, which have no language, so policies do not apply.")
    if (evidence.sizes > 0).sum() < 2:
        raise BadResult("The pool has candidates in only one language, so policies do not apply.")
    return evidence


class _Family(NamedTuple):
    """Policies that differ only in their argument, which replaces `{}` in the sentences."""

    argument: str
    sentence: str
    needs: str
    serve: Callable[[Evidence, str], Served]


_FAMILIES: dict[str, _Family] = {
    "pool": _Family("", "One pool of all languages, as measured.", "Nothing.", _pool),
    "interleave": _Family(
        "",
        "One index per language; the lists are merged round-robin, the query's language first.",
        "The language of every document and query, and a search in every index.",
        _interleave,
    ),
    "own-first": _Family(
        "K",
        "The {} best documents in the query's language, then the rest of the pool.",
        "The language of every document and query, and a second search.",
        _own_first,
    ),
    "without": _Family(
        "LANG",
        "A pool without documents in {}; answers in {} are not counted.",
        "The language of every document.",
        _without,
    ),
    "only-own": _Family(
        "",
        "Only documents in the query's language; answers in other languages are not counted.",
        "The language of every document and query.",
        _only_own,
    ),
    "two": _Family(
        "LANG",
        "Only documents in the query's language or in {}; answers in other languages are not counted.",
        "The language of every document and query.",
        _two,
    ),
    "translate": _Family(
        "LANG",
        "Every query is first translated into {}, assuming perfect translation.",
        "A translation step for every query.",
        _translate,
    ),
}

EXAMPLES = tuple(f"{family}:{found.argument}" if found.argument else family for family, found in _FAMILIES.items())
"""All policies with their arguments."""
