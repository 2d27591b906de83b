"""Counts that follow from sorted lists: of the candidates at or above each relevant one that is above a list's end."""

from __future__ import annotations

import numpy as np

from panglot.arrays import Bools, Floats, Ints
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.evidence import is_narrow
from panglot.retrieve.toplists import TopLists

SPAN = 1 << 33
"""Larger than the difference of any two keys of scores."""


def count_listed(
    lists: TopLists, columns: ColumnLayout, row: Ints, score: Floats, language: Ints, query_language: Ints
) -> Ints:
    """Count the listed candidates at or above each relevant one, [pairs, counts], as `narrow_counts` arranges them.

    `row` [pairs] is the list of each relevant candidate, `score` [pairs] its score, which must be above the last of the
    list; `language` and `query_language` [pairs] are its language and that of its query.
    """
    row = row.astype(np.int64)
    length = _places(lists, row, score)
    listed = columns.language_of(lists.number)
    if not is_narrow(len(columns.sizes)):
        return _by_language(listed, len(columns.sizes), row, length)
    first = np.searchsorted(row, np.arange(len(listed)))
    asked = query_language[np.minimum(first, len(row) - 1)]  # of each list; lists without a pair do not matter
    within = _within(listed, len(columns.sizes), row, length, language)
    return np.stack([within, _counts_before(listed == asked[:, None])[row, length], length], axis=1).astype(np.int32)


def _places(lists: TopLists, row: Ints, score: Floats) -> Ints:
    """Return how many candidates of its list score at least as high as each relevant one, [pairs]."""
    keys = _keys(lists.score) + SPAN * np.arange(len(lists.score))[:, None]
    return np.searchsorted(keys.ravel(), _keys(score) + SPAN * row, side="right") - row * lists.depth


def _keys(score: Floats) -> Ints:
    """Return integers that descend as scores ascend, equal for equal scores, in the same shape."""
    bits = (score + np.float32(0)).view(np.int32)  # minus zero becomes zero
    return -np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


def _by_language(listed: Ints, languages: int, row: Ints, length: Ints) -> Ints:
    """Count the candidates of each language in beginnings of lists, [pairs, languages]."""
    ends = np.cumsum(length)
    place = np.arange(ends[-1]) + np.repeat(row * listed.shape[1] - (ends - length), length)
    cell = listed.ravel()[place] + np.repeat(np.arange(len(row)) * languages, length)
    return np.bincount(cell, minlength=len(row) * languages).reshape(-1, languages)


def _counts_before(flags: Bools) -> Ints:
    """Count the true entries in the beginnings of lists, [lists, depth + 1]."""
    counts = np.zeros((len(flags), flags.shape[1] + 1), np.int32)
    np.cumsum(flags, axis=1, out=counts[:, 1:])
    return counts


def _within(listed: Ints, languages: int, row: Ints, length: Ints, language: Ints) -> Ints:
    """Count the candidates in the language of each relevant one in the beginning of its list, [pairs]."""
    rows, depth = listed.shape
    group = np.arange(rows)[:, None] * languages + listed
    keys = np.sort((group * depth + np.arange(depth)).ravel())
    ends = np.cumsum(np.bincount(group.ravel(), minlength=rows * languages))
    own = row * languages + language
    first = np.where(own > 0, ends[own - 1], 0)
    return np.searchsorted(keys, own * depth + length) - first
