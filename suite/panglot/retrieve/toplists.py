"""The best candidates of each query, kept while strips of scores pass by."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.retrieve.columns import CandidateIds, ColumnLayout
from panglot.retrieve.evidence import NOBODY

MANY_TIED = 16
"""Times the length of a list: where more scores reach its floor, they tie there, and are not all sorted."""


class TopLists:
    """The list of each query: `number` [queries, depth] names the candidates, best first, `score` is what they got.

    Equal scores stand in the order of their tie keys, whatever the order in which they came. `ids` must name all that
    are listed or offered.
    """

    def __init__(self, number: Ints, score: Floats, ids: CandidateIds) -> None:
        self.number, self.score, self.ids = number, score, ids

    @classmethod
    def empty(cls, queries: int, depth: int) -> TopLists:
        """Lists in which nobody stands."""
        shape = queries, depth
        return cls(np.full(shape, NOBODY), np.full(shape, -np.inf, np.float32), CandidateIds())

    @property
    def depth(self) -> int:
        """The length of a list."""
        return self.number.shape[1]

    def offer(self, start: int, strip: Floats, columns: ColumnLayout) -> None:
        """Take into the lists what belongs there of the scores [rows, columns] of the queries from `start` on."""
        queries = slice(start, start + len(strip))
        row, column = self._reaching(queries, strip, columns)
        if not len(row):
            return
        place = self.depth + np.arange(len(row)) - np.searchsorted(row, row)
        shape = len(strip), int(place.max()) + 1
        score, number = np.full(shape, -np.inf, np.float32), np.full(shape, NOBODY)
        score[:, : self.depth], number[:, : self.depth] = self.score[queries], self.number[queries]
        score[row, place], number[row, place] = strip[row, column], columns.number[column]
        self.score[queries], self.number[queries] = self._first(score, number)

    def merge(self, other: TopLists) -> None:
        """Take in the lists of other candidates."""
        self.ids.merge(other.ids)
        score = np.concatenate([self.score, other.score], axis=1)
        self.score, self.number = self._first(score, np.concatenate([self.number, other.number], axis=1))
        self.forget()

    def forget(self) -> None:
        """Keep the names only of those that are listed."""
        self.ids.keep(self.number)

    def _first(self, score: Floats, number: Ints) -> tuple[Floats, Ints]:
        """The best of each row, in order; keys are made for the rows in which some tie."""
        order = np.argsort(-score)[:, : self.depth + 1]
        found = np.take_along_axis(score, order, 1)
        tied = np.flatnonzero((found[:, 1:] == found[:, :-1]).any(axis=1))
        if len(tied):
            keys = self.ids.keys_of(number[tied])
            order[tied] = np.lexsort((keys, -score[tied]))[:, : self.depth + 1]
        best = order[:, : self.depth]
        return np.take_along_axis(score, best, 1), np.take_along_axis(number, best, 1)

    def _reaching(self, queries: slice, strip: Floats, columns: ColumnLayout) -> tuple[Ints, Ints]:
        """Rows and columns of the scores that may belong into a list, ordered by row."""
        floor = self._floor(queries, strip)
        reaching = np.flatnonzero(strip >= floor[:, None])
        row, column = np.divmod(reaching, strip.shape[1])
        crowded = np.flatnonzero(np.bincount(row) > MANY_TIED * self.depth)
        if not len(crowded):
            return row, column
        few = [_cut_ties(strip[index], floor[index], columns, self.depth) for index in crowded.tolist()]
        others = ~np.isin(row, crowded)
        row = np.concatenate([row[others], np.repeat(crowded, [len(found) for found in few])])
        column = np.concatenate([column[others], *few])
        order = np.argsort(row)
        return row[order], column[order]

    def _floor(self, queries: slice, strip: Floats) -> Floats:
        """A score that the best of each query reach and few others, [rows].

        That is the last of the list where it is full. Else, with the columns in groups of eight, at least `depth`
        scores reach the `depth`-th largest of the groups' maxima and fewer than eight times `depth` exceed it.
        """
        last = self.score[queries, -1]
        floor = np.maximum(last, np.finfo(np.float32).min)
        if strip.shape[1] > 8 * self.depth and np.isinf(last).any():
            maxima = strip.reshape(len(strip), 8, -1).max(axis=1)
            floor = np.maximum(floor, np.partition(maxima, -self.depth, axis=1)[:, -self.depth])
        return floor


def _cut_ties(scores: Floats, floor: float, columns: ColumnLayout, depth: int) -> Ints:
    """Columns of one query that exceed its floor, and of those that tie there the first `depth` in their order."""
    for part in (columns.order[: 8 * depth], columns.order):
        tied = part[scores[part] == floor][:depth]
        if len(tied) == depth:
            break
    return np.concatenate([np.flatnonzero(scores > floor), tied])
