"""Top lists: the best candidates of each query, updated with one strip of scores at a time."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.retrieve.columns import CandidateIds, ColumnLayout
from panglot.retrieve.evidence import NOBODY

MANY_TIED = 16
"""Multiple of the list length: if more scores than this reach the floor, most are tied and not all are sorted."""

GROUPS = 3
MOST_GROUPED = 32
"""Groups of columns whose maxima are compared, per entry of a list, and the maximum number of columns in a group."""


class TopLists:
    """The best candidates of each query: `number` [queries, depth], best first, with their `score` [queries, depth].

    Equal scores are ordered by tie key, regardless of the order in which they were added. `ids` must contain every
    candidate that is listed or added.
    """

    def __init__(self, number: Ints, score: Floats, ids: CandidateIds) -> None:
        self.number, self.score, self.ids = number, score, ids

    @classmethod
    def empty(cls, queries: int, depth: int, ids: CandidateIds | None = None) -> TopLists:
        """Return empty lists, of candidates among `ids`."""
        shape = queries, depth
        return cls(np.full(shape, NOBODY), np.full(shape, -np.inf, np.float32), ids or CandidateIds())

    @property
    def depth(self) -> int:
        """The length of a list."""
        return self.number.shape[1]

    def update(self, queries: slice | Ints, strip: Floats, columns: ColumnLayout) -> None:
        """Update the lists of some queries with their scores [rows, columns]."""
        row, column = self._reaching(queries, strip, columns)
        if not len(row):
            return
        held = self.depth if (self.number[queries] != NOBODY).any() else 0
        reaching = np.bincount(row, minlength=len(strip))
        place = held + np.arange(len(row)) - np.repeat(np.cumsum(reaching) - reaching, reaching)
        shape = len(strip), max(held + int(reaching.max()), self.depth)
        score, number = np.full(shape, -np.inf, np.float32), np.full(shape, NOBODY)
        score[:, :held], number[:, :held] = self.score[queries, :held], self.number[queries, :held]
        score[row, place], number[row, place] = strip[row, column], columns.first + column
        self.score[queries], self.number[queries] = self._first(score, number)

    def merge(self, other: TopLists) -> None:
        """Merge with the lists of other candidates."""
        self.ids.merge(other.ids)
        self.add(slice(None), other.score, other.number)
        self.forget()

    def add(self, queries: slice, score: Floats, number: Ints) -> None:
        """Add candidates to the lists of some queries: their scores and numbers, both [rows, candidates]."""
        if score.shape[1] < self.depth or (self.number[queries] != NOBODY).any():
            score = np.concatenate([self.score[queries], score], axis=1)
            number = np.concatenate([self.number[queries], number], axis=1)
        self.score[queries], self.number[queries] = self._first(score, number)

    def forget(self) -> None:
        """Drop the ids of candidates that are not listed."""
        self.ids.keep(self.number)

    def _first(self, score: Floats, number: Ints) -> tuple[Floats, Ints]:
        """Return the best entries of each row, in order; tie keys are computed only for rows with ties."""
        order = np.argsort(-score)[:, : self.depth + 1]
        found = np.take_along_axis(score, order, 1)
        tied = np.flatnonzero((found[:, 1:] == found[:, :-1]).any(axis=1))
        if len(tied):
            keys = self.ids.keys_of(number[tied])
            order[tied] = np.lexsort((keys, -score[tied]))[:, : self.depth + 1]
        best = order[:, : self.depth]
        return np.take_along_axis(score, best, 1), np.take_along_axis(number, best, 1)

    def _reaching(self, queries: slice | Ints, strip: Floats, columns: ColumnLayout) -> tuple[Ints, Ints]:
        """Return the rows and columns of scores that may enter a list, ordered by row."""
        floor = self._floor(queries, strip)
        reaching = np.flatnonzero(strip >= floor[:, None])
        row, column = np.divmod(reaching, strip.shape[1])
        crowded = np.flatnonzero(np.bincount(row) > MANY_TIED * self.depth)
        if not len(crowded):
            return row, column
        kept = [_cut_ties(strip[index], floor[index], columns, self.depth) for index in crowded.tolist()]
        others = ~np.isin(row, crowded)
        row = np.concatenate([row[others], np.repeat(crowded, [len(found) for found in kept])])
        column = np.concatenate([column[others], *kept])
        order = np.argsort(row)
        return row[order], column[order]

    def _floor(self, queries: slice | Ints, strip: Floats) -> Floats:
        """Return a lower bound for the top list of each query that few other scores reach, [rows].

        If the list is full, this is its last score. Otherwise columns are taken in groups: at least `depth` scores
        reach the `depth`-th largest group maximum, and few more exceed it if there are `GROUPS` times as many groups.
        """
        last = self.score[queries, -1]
        floor = np.maximum(last, np.finfo(np.float32).min)
        size = min(strip.shape[1] // (GROUPS * self.depth), MOST_GROUPED)
        if size > 1 and np.isinf(last).any():
            groups = strip.shape[1] // size
            maxima = strip[:, : size * groups].reshape(len(strip), size, groups).max(axis=1)
            floor = np.maximum(floor, np.partition(maxima, -self.depth, axis=1)[:, -self.depth])
        return floor


def _cut_ties(scores: Floats, floor: float, columns: ColumnLayout, depth: int) -> Ints:
    """Return the columns of one query above its floor, and of those tied at the floor the first `depth` in order."""
    for part in (columns.order[: 8 * depth], columns.order):
        tied = part[scores[part] == floor][:depth]
        if len(tied) == depth:
            break
    return np.concatenate([np.flatnonzero(scores > floor), tied])
