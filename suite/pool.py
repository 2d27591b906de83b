"""A pool: queries, candidates and which of them answer which, each with its language."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from suite.arrays import Floats, Ints
from suite.errors import BadData


@dataclass(frozen=True, eq=False)
class Items:
    """Texts with their ids and languages. `language` [items] indexes the pool's `languages`."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    language: Ints

    def __len__(self) -> int:
        return len(self.ids)


class Query(NamedTuple):
    """One query as a reader yields it; queries with the same `group` are translations of one question."""

    id: str
    text: str
    language: str
    group: str


class Candidate(NamedTuple):
    """One candidate as a reader yields it."""

    id: str
    text: str
    language: str


class Judgement(NamedTuple):
    """One relevant pair as a reader yields it; `gain` is 1 where the data has no grades."""

    query: str
    candidate: str
    gain: float = 1.0


@dataclass(frozen=True, eq=False)
class Pool:
    """Everything there is to rank and nothing about how.

    `query`, `candidate` and `gain` [judgements] are aligned, ordered by query; the first two index `queries` and
    `candidates`. `groups` [queries] names the parallel question of each query. Candidates stand grouped by language,
    in the order of `languages`, so that one language is one slice.

    :raises BadData: ids that occur twice, a query without a relevant candidate, a judgement that is no pair.
    """

    languages: tuple[str, ...]
    queries: Items
    candidates: Items
    groups: tuple[str, ...]
    query: Ints
    candidate: Ints
    gain: Floats

    @classmethod
    def of(
        cls,
        languages: Sequence[str],
        queries: Iterable[Query],
        candidates: Iterable[Candidate],
        judgements: Iterable[Judgement],
    ) -> Pool:
        """Build a pool from records in any order."""
        place = {language: index for index, language in enumerate(languages)}
        asked = list(queries)
        offered = list(candidates)
        for language in {item.language for item in asked} | {item.language for item in offered}:
            if language not in place:
                raise BadData(f"There are items in '{language}', which is not one of {', '.join(place)}.")
        offered.sort(key=lambda candidate: place[candidate.language])
        query_at = _index([query.id for query in asked], "query")
        candidate_at = _index([candidate.id for candidate in offered], "candidate")
        pairs = []
        for judgement in judgements:
            if judgement.query not in query_at or judgement.candidate not in candidate_at:
                raise BadData(f"A judgement names '{judgement.query}' and '{judgement.candidate}'; one is not there.")
            pairs.append((query_at[judgement.query], candidate_at[judgement.candidate], judgement.gain))
        pairs.sort()
        return cls(
            languages=tuple(languages),
            queries=_items(asked, place),
            candidates=_items(offered, place),
            groups=tuple(query.group for query in asked),
            query=np.array([pair[0] for pair in pairs], np.int32),
            candidate=np.array([pair[1] for pair in pairs], np.int32),
            gain=np.array([pair[2] for pair in pairs], np.float64),
        )

    def __post_init__(self) -> None:
        """Say at once what is wrong with the pool."""
        if np.any(np.diff(self.candidates.language) < 0):
            raise BadData("Candidates must stand grouped by language, in the order of `languages`.")
        if np.any(np.diff(self.query) < 0):
            raise BadData("Judgements must be ordered by query.")
        if np.any(self.gain <= 0):
            raise BadData("A judgement has a gain of 0 or less; list relevant pairs only.")
        pairs = np.unique(np.stack([self.query, self.candidate]), axis=1)
        if pairs.shape[1] != len(self.query):
            raise BadData(f"{len(self.query) - pairs.shape[1]} judgements stand twice.")
        unjudged = np.setdiff1d(np.arange(len(self.queries)), self.query)
        if len(unjudged):
            some = ", ".join(self.queries.ids[index] for index in unjudged[:5])
            raise BadData(f"{len(unjudged)} queries have no relevant candidate ({some}). Leave them out in the reader.")

    def only(self, languages: Sequence[str]) -> Pool:
        """The pool of some of its languages; queries that are left without a relevant candidate leave too."""
        if tuple(languages) == self.languages:
            return self
        kept = [self.languages.index(language) for language in languages]
        asking, offering = np.isin(self.queries.language, kept), np.isin(self.candidates.language, kept)
        pairs = asking[self.query] & offering[self.candidate]
        asked = np.unique(self.query[pairs]).tolist()
        offered = np.flatnonzero(offering).tolist()
        queries, candidates, names = self.queries, self.candidates, self.languages
        return Pool.of(
            languages,
            [Query(queries.ids[q], queries.texts[q], names[queries.language[q]], self.groups[q]) for q in asked],
            [Candidate(candidates.ids[c], candidates.texts[c], names[candidates.language[c]]) for c in offered],
            [
                Judgement(queries.ids[q], candidates.ids[c], float(gain))
                for q, c, gain in zip(self.query[pairs], self.candidate[pairs], self.gain[pairs], strict=True)
            ],
        )

    @cached_property
    def sizes(self) -> Ints:
        """Candidates per language, [languages]."""
        return np.bincount(self.candidates.language, minlength=len(self.languages))

    @cached_property
    def group(self) -> Ints:
        """The parallel question of each query as a number, [queries]."""
        return np.unique(np.array(self.groups), return_inverse=True)[1]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the content; it does not depend on the order of anything.

        Hashed are the records `query, id, language, group, text`, `candidate, id, language, text` and
        `judgement, query id, candidate id, gain`, fields ended by NUL, sorted and joined by line feeds.
        """
        return hashlib.sha256("\n".join(sorted(self._records())).encode()).hexdigest()

    def _records(self) -> Iterator[str]:
        names = self.languages
        queries, candidates = self.queries, self.candidates
        for id_, language, group, text in zip(
            queries.ids, queries.language.tolist(), self.groups, queries.texts, strict=True
        ):
            yield f"query\0{id_}\0{names[language]}\0{group}\0{text}\0"
        for id_, language, text in zip(candidates.ids, candidates.language.tolist(), candidates.texts, strict=True):
            yield f"candidate\0{id_}\0{names[language]}\0{text}\0"
        for query, candidate, gain in zip(
            self.query.tolist(), self.candidate.tolist(), self.gain.tolist(), strict=True
        ):
            yield f"judgement\0{queries.ids[query]}\0{candidates.ids[candidate]}\0{gain!r}\0"


def _index(ids: list[str], kind: str) -> dict[str, int]:
    place = {id_: index for index, id_ in enumerate(ids)}
    if len(place) < len(ids):
        twice = next(id_ for index, id_ in enumerate(ids) if place[id_] != index)
        raise BadData(f"Two {kind} items have the id '{twice}'.")
    return place


def _items(records: Sequence[Query] | Sequence[Candidate], place: dict[str, int]) -> Items:
    return Items(
        ids=tuple(record.id for record in records),
        texts=tuple(record.text for record in records),
        language=np.array([place[record.language] for record in records], np.int16),
    )
