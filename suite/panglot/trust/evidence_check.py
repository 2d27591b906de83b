"""Whether evidence is possible: about the task's own items, with counts and lists that one set of scores can give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from panglot.arrays import Bools, Ints
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.results.evidence_file import SHORT, shorten
from panglot.results.result_record import TaskRecord
from panglot.retrieve.evidence import ASKED, NOBODY, WITHIN, Evidence, narrow_counts, self_counts
from panglot.retrieve.ranking import DEPTH

ROWS = 1 << 18
"""Relevant pairs that are checked at once: the checks of Belebele's 13 million would take 3 GB otherwise."""


def check_evidence(evidence: Evidence, task: Task | None, record: TaskRecord, pool: Pool | None) -> list[str]:
    """What is impossible in the evidence of a task, if anything: about the items, the counts, the lists."""
    findings = [*_check_form(evidence, task, record), *_check_items(evidence)]
    if not findings and pool:
        findings = list(_check_against_pool(evidence, pool))
    return findings or _check_numbers(evidence)


def _check_form(evidence: Evidence, task: Task | None, record: TaskRecord) -> Iterator[str]:
    """There are as many queries as the task has, in groups and clusters, with lists as long as they must be."""
    asked = np.bincount(evidence.query_language, minlength=len(evidence.languages))
    most = [task.sizes[name].queries for name in record.languages] if task else asked
    if evidence.queries != record.queries or np.any(asked > most):
        yield f"The evidence has {evidence.queries} queries, or more in one language than the task has."
    for name, numbered in (("groups", evidence.group), ("clusters", evidence.cluster)):
        found = np.unique(numbered)  # one of two thousand million must not cost as many
        if not np.array_equal(found, np.arange(len(found))):
            yield f"The {name} of queries are not numbered from 0."
    if len(np.unique(np.stack([evidence.group, evidence.cluster]), axis=1).T) > len(np.unique(evidence.group)):
        yield "Queries of one group are in two clusters."
    candidates = int(evidence.sizes.sum())
    lengths = [min(SHORT, candidates), min(DEPTH, candidates)]
    without_one = [min(length, candidates - 1) for length in lengths]  # that a query is not offered
    if evidence.top.shape[1] not in (*lengths, *without_one) or np.any(evidence.top == NOBODY):
        yield f"A top list does not have {lengths[0]} or {lengths[1]} candidates."


def _check_items(evidence: Evidence) -> list[str]:
    """Candidates have one language each, queries have a relevant once, and all numbers are finite."""
    language = np.full(len(evidence.candidate_ids), NOBODY, np.int32)
    for _, part in _parts(evidence):
        listed = part.top != NOBODY
        language[part.candidate], language[part.top[listed]] = part.language, part.top_language[listed]
    found: dict[str, bool] = {}
    for _, part in _parts(evidence):
        listed = part.top != NOBODY
        one_language = np.array_equal(language[part.candidate], part.language)
        one_language = one_language and np.array_equal(language[part.top[listed]], part.top_language[listed])
        pairs = part.query.astype(np.int64) * len(part.candidate_ids) + part.candidate
        finite = all(np.isfinite(values).all() for values in (part.score, part.gain, part.top_score[listed]))
        for rule, broken in {
            "A candidate is in two languages.": not one_language,
            "A query has a duplicate relevant candidate.": len(np.unique(pairs)) < len(pairs),
            "Scores or gains are not finite numbers, or gains are 0 or less.": not finite or np.any(part.gain <= 0),
        }.items():
            found[rule] = found.get(rule, False) or bool(broken)
    return [rule for rule, broken in found.items() if broken]


def _parts(evidence: Evidence) -> Iterator[tuple[int, Evidence]]:
    """The evidence of some queries at a time, about `ROWS` relevant pairs, and its first row in the whole."""
    query = first = 0
    while first < len(evidence.query):
        last = int(evidence.query[min(first + ROWS, len(evidence.query)) - 1]) + 1
        if first + ROWS < len(evidence.query) and last > query + 1:
            last -= 1  # it may have more pairs than are in this part
        stop = int(np.searchsorted(evidence.query, evidence.query.dtype.type(last)))
        asked, pairs = slice(query, last), slice(first, stop)
        yield (
            first,
            replace(
                evidence,
                query_ids=evidence.query_ids[asked],
                query_language=evidence.query_language[asked],
                group=evidence.group[asked],
                cluster=evidence.cluster[asked],
                query=evidence.query[pairs] - query,
                candidate=evidence.candidate[pairs],
                language=evidence.language[pairs],
                gain=evidence.gain[pairs],
                score=evidence.score[pairs],
                above=evidence.above[pairs],
                top=evidence.top[asked],
                top_language=evidence.top_language[asked],
                top_score=evidence.top_score[asked],
            ),
        )
        query, first = last, stop


def _check_against_pool(evidence: Evidence, pool: Pool) -> Iterator[str]:
    """The evidence is about exactly the pool's queries, relevants and candidates, in the pool's order."""
    if evidence.query_ids != pool.queries.ids:
        odd = next((id_ for id_, own in zip(evidence.query_ids, pool.queries.ids, strict=False) if id_ != own), "")
        yield f"The queries are not the task's; the first that differs is {odd[:80]!a}."
        return
    if len(evidence.query) != len(pool.query):
        yield f"There are {len(evidence.query)} relevant pairs; the task has {len(pool.query)}."
        return
    number = {id_: place for place, id_ in enumerate(pool.candidates.ids)}
    known = np.array([number.get(id_, NOBODY) for id_ in evidence.candidate_ids])
    if np.any(known == NOBODY):
        yield f"{evidence.candidate_ids[int(np.argmin(known))][:80]!a} is not a candidate of the task."
        return
    columns: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {  # one in memory at a time
        "language of queries": lambda: (evidence.query_language, pool.queries.language),
        "group": lambda: (evidence.group, pool.group),
        "cluster": lambda: (evidence.cluster, pool.cluster),
        "query": lambda: (evidence.query, pool.query),
        "relevant candidate": lambda: (known[evidence.candidate], pool.candidate),
        "language of candidates": lambda: (evidence.language, pool.candidates.language[pool.candidate]),
        "gain": lambda: (evidence.gain, pool.gain.astype(np.float32)),
    }
    for name, both in columns.items():
        stored, own = both()
        if not np.array_equal(stored, own):
            yield f"The column '{name}' is not the task's, first in row {int(np.argmax(stored != own))}."
    if not np.array_equal(evidence.top_language, pool.candidates.language[known[evidence.top]]):
        yield "A candidate in a top list has another language in the task."


def _check_numbers(evidence: Evidence) -> list[str]:
    """The counts and lists could come from one set of scores."""
    faults: dict[str, _Fault] = {}
    for start, part in _parts(evidence):
        own = self_counts(part.language, part.pair_query_language, len(part.languages))
        counted = part.above.astype(np.int64) + own
        levels = _Levels(part, counted, own)
        pairs = {**_check_counts(part, counted, levels), **_check_places(part, counted, levels)}
        found = {f"relevant pairs {rule}": np.flatnonzero(broken) for rule, broken in pairs.items()}
        for rule, broken in _check_lists(part).items():
            found[f"lists {rule}"] = np.searchsorted(part.query, np.flatnonzero(broken).astype(part.query.dtype))
        for rule, rows in found.items():
            if len(rows):
                times, first = faults.get(rule, _Fault(0, start + int(rows[0])))
                faults[rule] = _Fault(times + len(rows), first)
    return [_sentence(evidence, rule, fault) for rule, fault in faults.items()]


class _Fault(NamedTuple):
    """How often a rule is broken, and the first row of the evidence where it is."""

    times: int
    row: int


def _sentence(evidence: Evidence, rule: str, fault: _Fault) -> str:
    query = evidence.query_ids[evidence.query[fault.row]][:80]
    candidate = evidence.candidate_ids[evidence.candidate[fault.row]][:80]
    return f"{fault.times:,} {rule}. First: query {query!a}, candidate {candidate!a} (row {fault.row})."


class _Levels:
    """The relevants of each query by score, those of one score together: `order` [pairs], `first` [levels] in it.

    `level` [pairs] is the level of each pair, `opens` [levels] tells the best of its query. `shared` are the counts
    that mean the same for all relevants of a query: each, or of narrow ones all but the first. `floor` [levels, shared]
    is what must at least be counted: what the level before counts, and the relevants of this one.
    """

    def __init__(self, evidence: Evidence, counted: Ints, own: Ints) -> None:
        self.shared = slice(ASKED if evidence.narrow else 0, None)
        self.order = np.lexsort((-evidence.score, evidence.query))
        query, score = evidence.query[self.order], evidence.score[self.order]
        opens = np.diff(query, prepend=-1) != 0
        self.first = np.flatnonzero(opens | (np.diff(score, prepend=np.nan) != 0))
        self.opens = opens[self.first]
        self.level = np.empty(len(query), np.int64)
        self.level[self.order] = np.repeat(np.arange(len(self.first)), np.diff(self.first, append=len(query)))
        relevants = np.add.reduceat(own[self.order, self.shared], self.first, axis=0, dtype=np.int64)
        self.counted = counted[self.order[self.first], self.shared]
        self.before = np.where(self.opens[:, None], 0, np.roll(self.counted, 1, axis=0))
        self.floor = self.before + relevants


def _check_counts(evidence: Evidence, counted: Ints, levels: _Levels) -> dict[str, Bools]:
    """The counts fit into the pool, equal scores count alike, lower ones count more; which do not, [pairs]."""
    sizes = np.broadcast_to(evidence.sizes, (len(counted), len(evidence.languages)))
    most = narrow_counts(sizes, evidence.language, evidence.pair_query_language)
    unlike: Bools = counted[:, levels.shared] != levels.counted[levels.level]
    fewer: Bools = levels.counted < levels.floor
    beyond: Bools = (evidence.above < 0) | (counted > most)
    return {
        "have a count below 0 or above the number of candidates": np.any(beyond, axis=1),
        "have other counts than a relevant candidate with the same score": np.any(unlike, axis=1),
        "count fewer candidates than score higher": np.any(fewer, axis=1)[levels.level],
        "count more candidates in one language than in all": _more_than_all(evidence),
    }


def _more_than_all(evidence: Evidence) -> Bools:
    """Whether narrow counts contradict each other, [pairs]."""
    if not evidence.narrow:
        return np.zeros(len(evidence.above), bool)
    within, asked, together = evidence.above.T.astype(np.int64)
    same = evidence.language == evidence.pair_query_language
    return np.where(same, within != asked, False) | (within + np.where(same, 0, asked) > together)


def _check_lists(evidence: Evidence) -> dict[str, Bools]:
    """The lists of the best are lists; which are not, [queries]."""
    return {
        "hold a candidate twice": (np.diff(np.sort(evidence.top, axis=1), axis=1) == 0).any(axis=1),
        "are not in the order of their scores": (np.diff(evidence.top_score, axis=1) > 0).any(axis=1),
    }


def _check_places(evidence: Evidence, counted: Ints, levels: _Levels) -> dict[str, Bools]:
    """The lists of the best could come from the same scores as the counts; which could not, [pairs]."""
    scores, query, depth = evidence.top_score, evidence.query, evidence.top.shape[1]
    reach = _in_all(evidence, counted)
    place = _places_in_lists(evidence)
    listed = place < depth
    own = shorten(evidence.score)
    lowest = scores[query, np.clip(reach, 1, depth) - 1]
    before = _in_all(evidence, levels.before)[levels.level]
    return {
        "are not at a place in the list that their counts allow": np.where(
            listed, (place >= reach) | (place < before), reach <= depth
        ),
        "have another score than in the list": listed & (scores[query, np.minimum(place, depth - 1)] != own),
        "have a score that does not fit the list": (lowest < own) | (((reach <= depth) | listed) & (lowest != own)),
        "count fewer candidates of a language than the list shows": _fewer_than_listed(
            evidence, counted, np.clip(reach, 1, depth)
        ),
    }


def _in_all(evidence: Evidence, counts: Ints) -> Ints:
    """How many they are in the whole pool, [rows]; the last of narrow counts says so."""
    total: Ints = counts[:, -1] if evidence.narrow else counts.sum(axis=1)
    return total


def _places_in_lists(evidence: Evidence) -> Ints:
    """Where each relevant stands in its query's list, from 0; the length of the list if it does not, [pairs]."""
    width, depth = len(evidence.candidate_ids), evidence.top.shape[1]
    pairs = evidence.query.astype(np.int64) * width + evidence.candidate
    order = np.argsort(pairs)
    entries = (np.arange(evidence.queries)[:, None] * width + evidence.top).ravel()
    at = np.minimum(np.searchsorted(pairs[order], entries), len(pairs) - 1)
    found = np.flatnonzero(pairs[order[at]] == entries)
    place = np.full(len(pairs), depth)
    place[order[at[found]]] = found % depth
    return place


def _fewer_than_listed(evidence: Evidence, counted: Ints, reach: Ints) -> Bools:
    """Whether the first `reach` of the list have more of a language than the relevant counts, [pairs]."""
    fewer = np.zeros(len(counted), bool)
    for language in range(len(evidence.languages)):
        shown = np.cumsum(evidence.top_language == language, axis=1, dtype=np.int32)
        for pairs, counts in _of_language(evidence, counted, language):
            fewer[pairs] |= shown[evidence.query[pairs], reach[pairs] - 1] > counts
    return fewer


def _of_language(evidence: Evidence, counted: Ints, language: int) -> Iterator[tuple[slice | Ints, Ints]]:
    """The pairs that count the candidates of a language, and their counts."""
    if not evidence.narrow:
        yield slice(None), counted[:, language]
        return
    for column, own in ((WITHIN, evidence.language), (ASKED, evidence.pair_query_language)):
        pairs = np.flatnonzero(own == language)
        yield pairs, counted[pairs, column]
