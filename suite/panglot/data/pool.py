"""A pool: queries, candidates and relevance judgements, each item with its language.

An item is a text or an image. Images have the language `zxx` and an empty text.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from panglot.arrays import Floats, Ints, compact
from panglot.data.items import NO_ITEMS, Items, items_of, joined, of_languages
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData

__all__ = ["NO_CANDIDATE", "Candidate", "Items", "Judgement", "Pool", "Query"]

NO_CANDIDATE = -1
"""Value in `excluded` of a query that excludes no candidate."""


@dataclass(frozen=True, eq=False)
class Pool:
    """All queries, candidates and judgements of a task; nothing in it depends on a model.

    `query`, `candidate` and `gain` [judgements] are aligned and ordered by query; the first two index `queries` and
    `candidates`. `groups` [queries] names the parallel question of each query, `clusters` [queries] the largest
    sampling unit that it belongs to: queries in one cluster are not independent. Candidates are grouped by language, in
    the order of `languages`, so that each language is one slice. `excluded` [queries] is the candidate excluded for
    each query, or `NO_CANDIDATE`; it is empty if no query excludes one. `task` is the name of the task, if any, and
    `is_whole` tells whether the pool has all languages of that task. `unanswered` are queries that are declared to have
    no relevant candidate; they are not among `queries`, and no metric of a ranking counts them.

    :raises BadData: duplicate ids, a query without a relevant candidate, duplicate judgements, invalid gains, a
        relevant candidate that is excluded, or queries of one group in two clusters.
    """

    languages: tuple[str, ...]
    queries: Items
    candidates: Items
    groups: tuple[str, ...]
    clusters: tuple[str, ...]
    query: Ints
    candidate: Ints
    gain: Floats
    excluded: Ints
    task: str = ""
    is_whole: bool = True
    unanswered: Items = NO_ITEMS

    @classmethod
    def of(
        cls,
        languages: Sequence[str],
        queries: Iterable[Query],
        candidates: Iterable[Candidate],
        judgements: Iterable[Judgement],
        task: str = "",
        is_whole: bool = True,
        unanswered: Iterable[Query] = (),
    ) -> Pool:
        """Build a pool from records in any order.

        :raises BadData: an item in another language, a judgement of an unknown id, or as for `Pool`.
        """
        place = {language: index for index, language in enumerate(languages)}
        query_list = list(queries)
        candidate_list = list(candidates)
        unanswered_list = list(unanswered)
        asked = {query.language for query in (*query_list, *unanswered_list)}
        for language in asked | {candidate.language for candidate in candidate_list}:
            if language not in place:
                raise BadData(f"Items have the language '{language}', which is not one of {', '.join(place)}.")
        candidate_list.sort(key=lambda candidate: place[candidate.language])
        query_at = _index([query.id for query in query_list], "query")
        _index([query.id for query in (*query_list, *unanswered_list)], "query")
        candidate_at = _index([candidate.id for candidate in candidate_list], "candidate")
        query, candidate, gain = array("i"), array("i"), array("d")
        for judgement in judgements:
            if judgement.query not in query_at:
                raise BadData(f"A judgement names the unknown query '{judgement.query}'.")
            if judgement.candidate not in candidate_at:
                raise BadData(f"A judgement names the unknown candidate '{judgement.candidate}'.")
            query.append(query_at[judgement.query])
            candidate.append(candidate_at[judgement.candidate])
            gain.append(judgement.gain)
        order = np.lexsort((candidate, query))
        return cls(
            languages=tuple(languages),
            queries=items_of(query_list, place),
            candidates=items_of(candidate_list, place),
            groups=tuple(query.group for query in query_list),
            clusters=tuple(query.group if query.cluster is None else query.cluster for query in query_list),
            query=np.array(query, np.int32)[order],
            candidate=np.array(candidate, np.int32)[order],
            gain=compact(np.array(gain, np.float64)[order]),
            excluded=_excluded(query_list, candidate_at),
            task=task,
            is_whole=is_whole,
            unanswered=items_of(unanswered_list, place),
        )

    def __post_init__(self) -> None:
        """Validate the pool."""
        if np.any(np.diff(self.candidates.language) < 0):
            raise BadData("Candidates must be grouped by language, in the order of `languages`.")
        if np.any(np.diff(self.query) < 0):
            raise BadData("Judgements must be ordered by query.")
        if not np.all(np.isfinite(self.gain) & (self.gain > 0)):
            raise BadData("Gains must be finite and greater than 0; list relevant pairs only.")
        pairs = self.query.astype(np.int64) * len(self.candidates) + self.candidate
        if np.any(pairs[1:] <= pairs[:-1]) and len(first := np.unique(pairs, return_index=True)[1]) != len(pairs):
            again = np.setdiff1d(np.arange(len(self.query)), first)
            query, candidate = self.queries.ids[self.query[again[0]]], self.candidates.ids[self.candidate[again[0]]]
            raise BadData(f"{len(again)} duplicate judgements; the first is ('{query}', '{candidate}').")
        if len(self.excluded) and np.any(self.excluded[self.query] == self.candidate):
            raise BadData("A candidate that is excluded for a query is judged relevant to it.")
        home: dict[str, str] = {}
        for group, cluster in zip(self.groups, self.clusters, strict=True):
            if home.setdefault(group, cluster) != cluster:
                raise BadData(
                    f"Queries of group '{group}' are in two clusters, '{home[group]}' and '{cluster}'. Put all "
                    "versions of a question into one cluster."
                )
        unjudged = np.setdiff1d(np.arange(len(self.queries)), self.query)
        if len(unjudged):
            some = ", ".join(self.queries.ids[index] for index in unjudged[:5])
            raise BadData(f"{len(unjudged)} queries have no relevant candidate ({some}). Drop them in the reader.")

    def only(self, languages: Sequence[str]) -> Pool:
        """Return the pool of some languages; queries without a remaining relevant candidate are dropped."""
        if tuple(languages) == self.languages:
            return self
        kept = [self.languages.index(language) for language in languages]
        queries_kept, candidates_kept = np.isin(self.queries.language, kept), np.isin(self.candidates.language, kept)
        pairs = queries_kept[self.query] & candidates_kept[self.candidate]
        part = self.part(np.unique(self.query[pairs]), np.flatnonzero(candidates_kept), languages)
        return replace(part, unanswered=of_languages(self.unanswered, kept))

    def part(self, queries: Ints, candidates: Ints, languages: Sequence[str] = ()) -> Pool:
        """Return the pool of these query and candidate indices, in the original order; by default all languages.

        Unanswered queries are dropped.

        :raises BadData: a query has no remaining relevant candidate.
        """
        pairs = np.isin(self.query, queries) & np.isin(self.candidate, candidates)
        judgements = zip(self.query[pairs].tolist(), self.candidate[pairs].tolist(), self.gain[pairs], strict=True)
        return Pool.of(
            languages or self.languages,
            [self._query(index, candidates) for index in queries.tolist()],
            [self._candidate(index) for index in candidates.tolist()],
            [Judgement(self.queries.ids[q], self.candidates.ids[c], float(gain)) for q, c, gain in judgements],
            task=self.task,
            is_whole=False,
        )

    def asking_all(self) -> Pool:
        """Return the pool with unanswered queries among the others; the first candidate stands for a relevant one."""
        more = len(self.unanswered)
        if not more:
            return self
        places = np.arange(len(self.queries), len(self.queries) + more, dtype=np.int32)
        ids = self.unanswered.ids
        return replace(
            self,
            queries=joined(self.queries, self.unanswered),
            groups=(*self.groups, *ids),
            clusters=(*self.clusters, *ids),
            query=np.concatenate([self.query, places]),
            candidate=np.concatenate([self.candidate, np.zeros(more, np.int32)]),
            gain=compact(np.concatenate([self.gain, np.ones(more)])),
            excluded=np.concatenate([self.excluded, np.full(more, NO_CANDIDATE, np.int32)])
            if len(self.excluded)
            else self.excluded,
            is_whole=False,
            unanswered=NO_ITEMS,
        )

    def of_unanswered(self) -> Pool:
        """Return a pool that asks the unanswered queries; the first candidate stands for the missing relevant one."""
        items, first = self.unanswered, self.candidates.ids[0]
        rows = zip(items.ids, items.texts, items.language.tolist(), strict=True)
        return Pool.of(
            self.languages,
            [Query(id_, text, self.languages[language], id_) for id_, text, language in rows],
            [self._candidate(index) for index in range(len(self.candidates))],
            [Judgement(id_, first) for id_ in items.ids],
            task=self.task,
            is_whole=False,
        )

    def _query(self, index: int, candidates: Ints) -> Query:
        items, excluded = self.queries, self.excluded[index] if len(self.excluded) else NO_CANDIDATE
        return Query(
            items.ids[index],
            items.texts[index],
            self.languages[items.language[index]],
            self.groups[index],
            items.images.get(index),
            self.candidates.ids[excluded] if excluded in candidates else None,
            self.clusters[index],
        )

    def _candidate(self, index: int) -> Candidate:
        items = self.candidates
        language = self.languages[items.language[index]]
        return Candidate(items.ids[index], items.texts[index], language, items.images.get(index))

    @property
    def has_images(self) -> bool:
        """Whether any item is an image."""
        return bool(self.queries.images or self.candidates.images)

    @cached_property
    def sizes(self) -> Ints:
        """Number of candidates per language, [languages]."""
        return np.bincount(self.candidates.language, minlength=len(self.languages))

    @cached_property
    def group(self) -> Ints:
        """The parallel question of each query as a number, [queries]."""
        return np.unique(np.array(self.groups), return_inverse=True)[1]

    @cached_property
    def cluster(self) -> Ints:
        """The cluster of each query as a number, [queries]."""
        return np.unique(np.array(self.clusters), return_inverse=True)[1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, independent of any order.

        The hashed records are `query, id, language, group, text`, `candidate, id, language, text`,
        `judgement, query id, candidate id, gain` and, if any, `left out, query id, candidate id` and `unanswered, id,
        language, text`. Each field ends with NUL; records are sorted and joined by line feeds. The record of an image
        has its SHA-256 after the empty text.
        Clusters are not hashed: they affect confidence intervals but no score, so results with the same fingerprint
        stay comparable if the clusters of a task change.
        """
        content, separator = hashlib.sha256(), ""
        for record in self._records():
            content.update(f"{separator}{record}".encode())
            separator = "\n"
        return content.hexdigest()

    def _records(self) -> Iterator[str]:
        """Yield the records in sorted order; sorted one kind, and one query, at a time, since there can be millions."""
        names, queries, candidates = self.languages, self.queries, self.candidates
        yield from sorted(
            f"candidate\0{id_}\0{names[language]}\0{text}\0{_digest(candidates, index)}"
            for index, (id_, language, text) in enumerate(
                zip(candidates.ids, candidates.language.tolist(), candidates.texts, strict=True)
            )
        )
        first = np.searchsorted(self.query, np.arange(len(queries) + 1)).tolist()
        for query in sorted(range(len(queries)), key=lambda query: f"{queries.ids[query]}\0"):
            pairs = slice(first[query], first[query + 1])
            yield from sorted(
                f"judgement\0{queries.ids[query]}\0{candidates.ids[candidate]}\0{gain!r}\0"
                for candidate, gain in zip(self.candidate[pairs].tolist(), self.gain[pairs].tolist(), strict=True)
            )
        yield from sorted(
            f"left out\0{queries.ids[query]}\0{candidates.ids[candidate]}\0"
            for query, candidate in enumerate(self.excluded.tolist())
            if candidate != NO_CANDIDATE
        )
        yield from sorted(
            f"query\0{id_}\0{names[language]}\0{group}\0{text}\0{_digest(queries, index)}"
            for index, (id_, language, group, text) in enumerate(
                zip(queries.ids, queries.language.tolist(), self.groups, queries.texts, strict=True)
            )
        )
        yield from sorted(
            f"unanswered\0{id_}\0{names[language]}\0{text}\0"
            for id_, text, language in zip(
                self.unanswered.ids, self.unanswered.texts, self.unanswered.language.tolist(), strict=True
            )
        )


def _index(ids: list[str], kind: str) -> dict[str, int]:
    place = {id_: index for index, id_ in enumerate(ids)}
    if len(place) < len(ids):
        twice = next(id_ for index, id_ in enumerate(ids) if place[id_] != index)
        raise BadData(f"Duplicate id '{twice}' among the {kind} items.")
    return place


def _excluded(queries: Sequence[Query], candidate_at: Mapping[str, int]) -> Ints:
    if not any(query.excluded for query in queries):
        return np.empty(0, np.int32)
    unknown = next((query for query in queries if query.excluded and query.excluded not in candidate_at), None)
    if unknown:
        raise BadData(f"The query '{unknown.id}' excludes '{unknown.excluded}', which is not a candidate.")
    return np.array([candidate_at[query.excluded] if query.excluded else NO_CANDIDATE for query in queries], np.int32)


def _digest(items: Items, index: int) -> str:
    return f"{items.images[index].sha256}\0" if index in items.images else ""
