"""Whether evidence is possible: about the task's own items, with counts and lists that one set of scores can give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from panglot.arrays import Bools, Ints
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.results.evidence_file import SHORT, shorten
from panglot.results.result_record import TaskRecord
from panglot.retrieve.evidence import ASKED, NOBODY, WITHIN, Evidence, itself, narrowed
from panglot.retrieve.ranking import DEPTH


def check_evidence(evidence: Evidence, task: Task | None, record: TaskRecord, pool: Pool | None) -> list[str]:
    """What is impossible in the evidence of a task, if anything: about the items, the counts, the lists."""
    findings = list(_check_items(evidence, task, record))
    if not findings and pool:
        findings = list(_check_against_pool(evidence, pool))
    if not findings:
        own = itself(evidence.language, evidence.asked, len(evidence.languages))
        counted = evidence.above.astype(np.int64) + own
        levels = _Levels(evidence, counted, own)
        findings = [*_check_counts(evidence, counted, levels), *_check_lists(evidence, counted, levels)]
    return findings


def _check_items(evidence: Evidence, task: Task | None, record: TaskRecord) -> Iterator[str]:
    """The evidence is about the task's items in the form that it has."""
    sizes = evidence.sizes.tolist()
    asked = np.bincount(evidence.query_language, minlength=len(evidence.languages))
    most = [task.sizes[name].queries for name in record.languages] if task else asked
    if evidence.queries != record.queries or np.any(asked > most):
        yield f"The evidence has {evidence.queries} queries, or more in a language than the task."
    for name, numbered in (("groups", evidence.group), ("clusters", evidence.cluster)):
        found = np.unique(numbered)  # one of two thousand million must not cost as many
        if not np.array_equal(found, np.arange(len(found))):
            yield f"The {name} of queries are not numbered from 0 on."
    if len(np.unique(np.stack([evidence.group, evidence.cluster]), axis=1).T) > len(np.unique(evidence.group)):
        yield "Queries of one group are in two clusters."
    language = np.full(len(evidence.candidate_ids), NOBODY)
    listed = evidence.top != NOBODY
    candidates = np.concatenate([evidence.candidate, evidence.top[listed]])
    languages = np.concatenate([evidence.language, evidence.top_language[listed]])
    language[candidates] = languages
    if np.any(language[candidates] != languages):
        yield "A candidate is in two languages."
    pairs = evidence.query.astype(np.int64) * len(evidence.candidate_ids) + evidence.candidate
    if len(np.unique(pairs)) < len(pairs):
        yield "A query has the same relevant candidate twice."
    numbers = (evidence.score, evidence.gain, evidence.top_score[listed])
    if not all(np.isfinite(values).all() for values in numbers) or np.any(evidence.gain <= 0):
        yield "Scores or gains are not finite numbers, or gains are 0 or less."
    if evidence.top.shape[1] not in (min(SHORT, sum(sizes)), min(DEPTH, sum(sizes))) or not listed.all():
        yield f"A list of the best is not {min(SHORT, sum(sizes))} or {min(DEPTH, sum(sizes))} candidates long."


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
    columns = {
        "language of queries": (evidence.query_language, pool.queries.language),
        "group": (evidence.group, pool.group),
        "cluster": (evidence.cluster, pool.cluster),
        "query": (evidence.query, pool.query),
        "relevant candidate": (known[evidence.candidate], pool.candidate),
        "language of candidates": (evidence.language, pool.candidates.language[pool.candidate]),
        "gain": (evidence.gain, pool.gain.astype(np.float32)),
    }
    for name, (stored, own) in columns.items():
        if not np.array_equal(stored, own):
            yield f"The column '{name}' is not the task's, first in row {int(np.argmax(stored != own))}."
    if not np.array_equal(evidence.top_language, pool.candidates.language[known[evidence.top]]):
        yield "A candidate in a list of the best has another language in the task."


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


def _check_counts(evidence: Evidence, counted: Ints, levels: _Levels) -> Iterator[str]:
    """The counts could come from scores: they fit into the pool, equal scores count alike, lower ones count more."""
    sizes = np.broadcast_to(evidence.sizes, (len(counted), len(evidence.languages)))
    most = narrowed(sizes, evidence.language, evidence.asked)
    rules = {
        "counts fewer than none or more than there are": (evidence.above < 0) | (counted > most),
        "counts otherwise than another of the same score": counted[:, levels.shared] != levels.counted[levels.level],
        "counts fewer than those that score higher": (levels.counted < levels.floor)[levels.level],
        "counts more in a language than in all": _more_than_all(evidence)[:, None],
    }
    for rule, broken in rules.items():
        yield from _say(evidence, broken.any(axis=1), f"a relevant {rule}")


def _more_than_all(evidence: Evidence) -> Bools:
    """Whether narrow counts contradict each other, [pairs]."""
    if not evidence.narrow:
        return np.zeros(len(evidence.above), bool)
    within, asked, together = evidence.above.T.astype(np.int64)
    same = evidence.language == evidence.asked
    return np.where(same, within != asked, False) | (within + np.where(same, 0, asked) > together)


def _check_lists(evidence: Evidence, counted: Ints, levels: _Levels) -> Iterator[str]:
    """The lists of the best could come from the same scores as the counts."""
    top, scores, query = evidence.top, evidence.top_score, evidence.query
    depth = top.shape[1]
    if np.any(np.diff(np.sort(top, axis=1), axis=1) == 0):
        yield "A list of the best holds a candidate twice."
    if np.any(np.diff(scores, axis=1) > 0):
        yield "The scores of a list of the best are not in order."
    reach = _in_all(evidence, counted)
    place = _places_in_lists(evidence)
    listed = place < depth
    own = shorten(evidence.score)
    lowest = scores[query, np.clip(reach, 1, depth) - 1]
    before = _in_all(evidence, levels.before)[levels.level]
    rules = {
        "stands in the list where its counts do not allow": np.where(
            listed, (place >= reach) | (place < before), reach <= depth
        ),
        "has another score than in the list": listed & (scores[query, np.minimum(place, depth - 1)] != own),
        "has a score that does not fit the list": (lowest < own) | (((reach <= depth) | listed) & (lowest != own)),
        "counts fewer of a language than the list shows": _fewer_than_listed(
            evidence, counted, np.clip(reach, 1, depth)
        ),
    }
    for rule, broken in rules.items():
        yield from _say(evidence, broken, f"a relevant {rule}")


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
    for column, own in ((WITHIN, evidence.language), (ASKED, evidence.asked)):
        pairs = np.flatnonzero(own == language)
        yield pairs, counted[pairs, column]


def _say(evidence: Evidence, broken: Bools, what: str) -> Iterator[str]:
    if broken.any():
        row = int(np.argmax(broken))
        query, candidate = evidence.query_ids[evidence.query[row]], evidence.candidate_ids[evidence.candidate[row]]
        yield f"{broken.sum()} times {what}, first {candidate[:80]!a} for query {query[:80]!a} (row {row})."
