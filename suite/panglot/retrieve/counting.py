"""Count the candidates at or above each relevant one, and keep the best of each query, a block of scores at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from panglot.arrays import Bools, Floats, Ints
from panglot.data.pool import Pool
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.device import DeviceColumns, as_numpy, rows_of, send
from panglot.retrieve.evidence import NARROW, NOBODY, is_narrow, narrow_counts
from panglot.retrieve.listed import count_listed
from panglot.retrieve.toplists import TopLists

STRIP_SCORES = 1_000_000
"""Scores searched together (4 MB), so that they stay in the CPU cache."""

COUNTED_TOGETHER = 128
"""Relevant candidates whose hits are counted together, so that the hits stay in the CPU cache."""

LISTED_PER_RELEVANT = 2
MOST_SORTED = 1 / 64
"""Candidates sorted to count from, per relevant candidate of a query; at most this share of the pool."""

WORTH_COMPILING = 100_000_000
"""Scores in a pool from which the compiled kernel is used if numba is installed: loading it takes half a second."""

Kernel: TypeAlias = Callable[..., Bools]
"""Counts and lists scores like `panglot.retrieve.compiled.count_and_list`."""


@dataclass(eq=False)
class Tally:
    """Counts and top lists for a part of the candidates; tallies can be merged in any order.

    `above` [pairs, counts] counts the candidates that score at least as high as a relevant one, including itself;
    `top` holds the best candidates of each query. `close` counts the candidates whose scores are within rounding of
    those of the relevant ones; None if a part was counted on the processor.
    """

    above: Ints
    top: TopLists
    close: int | None = 0

    @classmethod
    def empty(cls, pool: Pool, depth: int) -> Tally:
        """Return a tally with no candidates counted."""
        counts = len(NARROW) if is_narrow(len(pool.languages)) else len(pool.languages)
        return cls(np.zeros((len(pool.query), counts), np.int32), TopLists.empty(len(pool.queries), depth))

    def merge(self, other: Tally) -> None:
        """Add the counts and lists of other candidates."""
        self.above += other.above
        self.close = None if self.close is None or other.close is None else self.close + other.close
        self.top.merge(other.top)


class Counter:
    """Fills a tally, one block of queries against a part of the candidates at a time.

    `pool` gives the relevant pairs; `score` [pairs] is the score of each relevant candidate. `kernel` counts and lists
    instead of numpy, with the same result.
    """

    def __init__(self, pool: Pool, tally: Tally, score: Floats | None = None, kernel: Kernel | None = None) -> None:
        self.tally, self._kernel = tally, kernel
        self.score = score if score is not None else np.empty(len(pool.query), np.float32)
        self._query = pool.query
        self._language, self._asked = pool.candidates.language[pool.candidate], pool.queries.language[pool.query]
        self._first_pair = np.searchsorted(pool.query, np.arange(len(pool.queries) + 1))

    def add(self, start: int, scores: Floats, columns: ColumnLayout) -> None:
        """Count the scores [queries of the block, part of the candidates] of consecutive queries from `start`.

        The scores of the relevant candidates are known.
        """
        self.tally.close = None
        if self._kernel:
            self._count_and_list(self._kernel, start, scores, columns)
            return
        for first, strip in _strips(scores):
            self._count(start + first, strip, columns, self._pairs(start + first, len(strip)))
            self.tally.top.update(_rows(start + first, strip), strip, columns)

    def add_whole(self, start: int, scores: Floats, columns: ColumnLayout, relevant: Ints) -> None:
        """Count the scores [queries of the block, candidates of the pool] of consecutive queries from `start`.

        `relevant` [pairs] gives the column of each relevant candidate. The best candidates of each query are sorted
        once, and what scores above the last of them is counted from there, which is cheaper than comparing all scores.
        """
        self.tally.close = None
        pairs, top = self._pairs(start, len(scores)), self.tally.top
        row = self._query[pairs] - start
        self.score[pairs] = scores[row, relevant[pairs]]
        if self._kernel:
            self._count_and_list(self._kernel, start, scores, columns)
            return
        lists = TopLists.empty(len(scores), self._best_at_once(scores.shape[1]), top.ids)
        for first, strip in _strips(scores):
            lists.update(_rows(first, strip), strip, columns)
            own = self._pairs(start + first, len(strip))
            is_listed = self.score[own] > lists.score[self._query[own] - start, -1]
            self._count(start + first, strip, columns, own[~is_listed])
        listed = self.score[pairs] > lists.score[row, -1]
        row, pairs = row[listed], pairs[listed]
        if len(pairs):
            counted = count_listed(lists, columns, row, self.score[pairs], self._language[pairs], self._asked[pairs])
            self.tally.above[pairs] += counted
        queries = slice(start, start + len(scores))
        top.score[queries], top.number[queries] = lists.score[:, : top.depth], lists.number[:, : top.depth]

    def add_there(
        self, start: int, scores: Any, columns: DeviceColumns, rounding: Floats, relevant: Ints | None = None
    ) -> None:
        """Count like `add`, or like `add_whole` if `relevant` is given, with scores that are on a device.

        A candidate is close to a relevant one if their scores differ by at most `rounding` [pairs].
        """
        first = self._first_pair[start : start + len(scores) + 1]
        pairs, asked, relevants = slice(first[0], first[-1]), self._asked[first[:-1]], np.diff(first)
        if relevant is None:
            score, language = (send(part[pairs], scores.device) for part in (self.score, self._language))
        else:
            place = send(relevant[pairs], scores.device)
            score, language = scores[rows_of(relevants, scores.device), place], columns.language[place]
        reach = send(rounding[pairs], scores.device)
        above, close = columns.count(scores, score, relevants, language, send(asked, scores.device), reach)
        best, number, cut = columns.best(scores, self.tally.top.depth)
        tied = as_numpy(scores[send(cut, scores.device)])
        self.score[pairs] = as_numpy(score)
        self.tally.above[pairs] += above
        if self.tally.close is not None:
            self.tally.close += close
        best[cut], number[cut] = -np.inf, NOBODY
        self.tally.top.add(slice(start, start + len(scores)), best, number)
        for place, strip in zip(cut.tolist(), tied[:, None], strict=True):
            self.tally.top.update(_rows(start + place, strip), strip, columns.layout)

    def _count_and_list(self, kernel: Kernel, start: int, scores: Floats, columns: ColumnLayout) -> None:
        """Let a kernel count and list the scores of consecutive queries from `start`."""
        top, queries = self.tally.top, _rows(start, scores)
        bounds = self._first_pair[queries.start : queries.stop + 1]
        pairs = slice(bounds[0], bounds[-1])
        is_listed = kernel(
            np.require(scores, np.float32, ["C", "W"]),
            columns.bounds,
            columns.first,
            top.score[queries],
            top.number[queries],
            bounds - pairs.start,
            self.score[pairs],
            self._language[pairs].astype(np.int64),
            self._asked[pairs].astype(np.int64),
            self.tally.above[pairs],
        )
        left = np.flatnonzero(~is_listed)
        rows = max(1, STRIP_SCORES // scores.shape[1])
        for part in (left[first : first + rows] for first in range(0, len(left), rows)):
            top.update(start + part, scores[part].astype(np.float32, copy=False), columns)

    def _pairs(self, start: int, rows: int) -> Ints:
        """The relevant pairs of consecutive queries from `start`."""
        return np.arange(self._first_pair[start], self._first_pair[start + rows])

    def _best_at_once(self, width: int) -> int:
        """How many of the best candidates of each query, in a pool of `width`, to sort and count from."""
        relevants = len(self._query) / (len(self._first_pair) - 1)
        return max(self.tally.top.depth, int(min(LISTED_PER_RELEVANT * relevants, MOST_SORTED * width)))

    def _count(self, start: int, strip: Floats, columns: ColumnLayout, pairs: Ints) -> None:
        """Compare the scores of the strip's queries, the first of which is `start`, with some of their relevants."""
        hits = columns.no_hits(min(len(pairs), COUNTED_TOGETHER))
        for first in range(0, len(pairs), COUNTED_TOGETHER):
            part = pairs[first : first + COUNTED_TOGETHER]
            row, score = self._query[part] - start, self.score[part, None]
            own = [*np.flatnonzero(np.diff(row, prepend=-1)).tolist(), len(part)]  # where the pairs of each query begin
            for begin, end in pairwise(own):
                np.greater_equal(strip[row[begin]], score[begin:end], out=hits[begin:end, :-1])
            counts = columns.count(hits[: len(part)])
            self.tally.above[part] += narrow_counts(counts, self._language[part], self._asked[part])


def kernel_for(scores: int) -> Kernel | None:
    """Return the compiled kernel if it saves more time on this number of scores than it takes to load."""
    return _compiled() if scores >= WORTH_COMPILING else None


@cache
def _compiled() -> Kernel | None:
    """The compiled kernel; None if numba is not installed, or the compiled function cannot be kept or read."""
    try:
        from panglot.retrieve.compiled import count_and_list
    except Exception:  # numpy gives the same result, so whatever is wrong with numba need not stop a run
        return None
    return count_and_list


def _rows(start: int, strip: Floats) -> slice:
    return slice(start, start + len(strip))


def _strips(scores: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield a few rows at a time, in float32, with the place of the first one."""
    rows = max(1, STRIP_SCORES // scores.shape[1])
    for first in range(0, len(scores), rows):
        yield first, scores[first : first + rows].astype(np.float32, copy=False)
