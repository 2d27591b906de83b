"""Counting and listing in one pass over each row of scores, compiled by numba; numpy in `counting` gives the same.

A row stays in the CPU cache while a floor is found that its best scores reach, and most of its relevant candidates if
they are many. The scores that reach it are collected, and the relevant candidates are compared: with the collected
scores if they reach the floor, otherwise with the whole row. Compiling takes a few seconds and is done once: the result
is kept in the folder `compiled` of the user's cache, or in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba import boolean, float32, int32, int64, types

from panglot.arrays import Bools, Floats, Ints
from panglot.files import cache_dir
from panglot.retrieve.evidence import ASKED, NOBODY, TOGETHER, WITHIN
from panglot.retrieve.toplists import GROUPS, MANY_TIED, MOST_GROUPED

CHUNK = 64
"""Scores tested together, of which few reach the floor."""

BLOCK = 4096
"""Scores compared with all relevant ones of a query in turn, so that they stay in the smallest cache."""

MANY_RELEVANT = 32
"""Relevant candidates below the best scores from which it pays to collect further scores to compare them with."""

MOST_COLLECTED = 8
"""The reciprocal of the largest share of a row that is collected for them."""

BISECTIONS = 24
"""Most steps to a floor; far fewer do unless scores are of very different sizes."""

Function = TypeVar("Function", bound=Callable[..., Any])

LEAST = float32(np.finfo(np.float32).min)
"""The least finite score; excluded candidates score less."""


if numba.config.DISABLE_JIT:  # these functions are not for the interpreter
    raise ImportError("NUMBA_DISABLE_JIT is set")


def _inner(function: Function) -> Function:
    """Compile a function together with those that call it."""
    compiled: Function = numba.njit(function)
    return compiled


def _kept(*arguments: Any) -> Callable[[Function], Function]:
    """Compile a function for arguments of these types, or load it from the folder where it is kept."""

    def compile_function(function: Function) -> Function:
        chosen = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = chosen or str(_folder())
        try:
            compiled: Function = numba.njit(arguments, cache=True)(function)
        finally:
            numba.config.CACHE_DIR = chosen
        return compiled

    return compile_function


def _folder() -> Path:
    """Return the folder for compiled functions, which numba unpickles: nobody else may write there."""
    folder = cache_dir("compiled")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # numba would write beside this file instead
        raise OSError(f"{folder} cannot be written")
    found = folder.stat()
    if os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        raise OSError(f"{folder} belongs to another user, or others can write to it")
    return folder


@_inner
def _hits(scores: Floats, begin: int, end: int, least: float) -> int:
    """Count the scores from `begin` to `end` that are at least `least`."""
    part, hits = scores[begin:end], int32(0)
    for place in range(len(part)):
        hits = int32(hits + int32(part[place] >= least))
    return hits


@_inner
def _bisected(values: Floats, total: int, wanted: int) -> float:
    """Return a number that at least `wanted` of the first `total` values reach, and few more."""
    low, high = values[:total].min(), values[:total].max()
    for _ in range(BISECTIONS):
        middle = low / float32(2) + high / float32(2)
        reaching = _hits(values, 0, total, middle)
        if reaching < wanted:
            high = middle
            continue
        low = middle
        if reaching <= wanted + wanted // 8:
            break
    return low


@_inner
def _floor(scores: Floats, wanted: int, maxima: Floats) -> float:
    """Return a score that at least `wanted` others reach, and few more, from the maxima of groups."""
    size = min(len(scores) // (GROUPS * wanted), MOST_GROUPED)
    if size <= 1:
        return LEAST
    groups = len(scores) // size
    for place in range(groups):
        maxima[place] = LEAST
    for number in range(size):
        group = scores[number * groups : (number + 1) * groups]
        for place in range(groups):
            maxima[place] = group[place] if group[place] > maxima[place] else maxima[place]
    return _bisected(maxima, groups, wanted)


@_inner
def _lowered(scores: Floats, floor: float, score: Floats, below: Floats) -> float:
    """Return a floor that most of the relevant candidates with these scores reach, if not too many others do.

    `below` is memory for the scores of those that do not reach `floor`.
    """
    found = 0
    for value in score:
        below[found] = value
        found += value < floor
    if found < MANY_RELEVANT:
        return floor
    below[:found].sort()
    low, high, most = 0, found, len(scores) // MOST_COLLECTED
    while low < high:
        middle = (low + high) // 2
        if _hits(scores, 0, len(scores), below[middle]) <= most:
            high = middle
        else:
            low = middle + 1
    return below[high] if high < found else floor


@_inner
def _collect(scores: Floats, bounds: Ints, floor: float, column: Ints, own: Ints) -> int:
    """Collect the columns of the scores that reach the floor, and the bounds of the languages among them."""
    found = 0
    for language in range(len(bounds) - 1):
        own[language] = found
        for start in range(bounds[language], bounds[language + 1], CHUNK):
            chunk = scores[start : min(start + CHUNK, bounds[language + 1])]
            if _hits(chunk, 0, len(chunk), floor):
                for place in range(len(chunk)):  # without a branch: what does not reach it is written over
                    column[found] = start + place
                    found += chunk[place] >= floor
    own[len(bounds) - 1] = found
    return found


@_inner
def _count(
    values: Floats, bounds: Ints, parts: Ints, pairs: Ints, score: Floats, language: Ints, asked: Ints, above: Ints
) -> None:
    """Count the values at or above the scores of some pairs, one part of the values after another.

    `bounds` are those of the languages among the values; so are `parts` if each language has a count.
    """
    is_wide = above.shape[1] == len(bounds) - 1
    for part in range(len(parts) - 1):
        for pair in pairs:
            place = part if is_wide else TOGETHER
            above[pair, place] += _hits(values, parts[part], parts[part + 1], score[pair])
    if is_wide:
        return
    for pair in pairs:
        above[pair, WITHIN] += _hits(values, bounds[language[pair]], bounds[language[pair] + 1], score[pair])
        above[pair, ASKED] += _hits(values, bounds[asked[pair]], bounds[asked[pair] + 1], score[pair])


@_inner
def _divided(pairs: Ints, begin: int, end: int, score: Floats, floor: float) -> int:
    """Write the pairs from `begin` to `end` whose scores reach the floor before the others; returns their number."""
    found, rest = 0, end - begin
    for pair in range(begin, end):
        if score[pair] >= floor:
            pairs[found] = pair
            found += 1
        else:
            rest -= 1
            pairs[rest] = pair
    return found


@_inner
def _keep(score: Floats, column: Ints, found: int, floor: float) -> int:
    """Keep of the scores that were found, and their columns, those that reach a floor; returns their number."""
    kept = 0
    for place in range(found):
        value, of = score[place], column[place]
        score[kept], column[kept] = value, of
        kept += value >= floor
    return kept


@_inner
def _insert(listed: Floats, listed_number: Ints, score: Floats, number: Ints, found: int, best: Ints) -> bool:
    """Insert what was found into a list, unless equal scores in or just below it need tie keys to order them.

    The rank of a score is the number of scores that are at least as high: equal ones share the last of their ranks and
    leave the others empty.
    """
    depth, total = len(listed), found
    for place in range(depth):
        if listed_number[place] != NOBODY:
            score[total], number[total] = listed[place], listed_number[place]
            total += 1
    filled = min(total, depth)
    best[:] = NOBODY
    for place in range(total):
        rank = _hits(score, 0, total, score[place]) - 1
        if rank < filled:
            best[rank] = place
    for rank in range(filled):
        if best[rank] == NOBODY:
            return False
    for rank in range(filled):
        listed[rank], listed_number[rank] = score[best[rank]], number[best[rank]]
    return True


def _input(kind: Any, dimensions: int) -> Any:
    """An array that is only read."""
    return types.Array(kind, dimensions, "C", readonly=True)


@_kept(
    float32[:, ::1], int64[::1], int64, float32[:, ::1], int64[:, ::1],
    _input(int64, 1), _input(float32, 1), _input(int64, 1), _input(int64, 1), int32[:, ::1],
)  # fmt: skip
def count_and_list(
    strip: Floats,
    bounds: Ints,
    first: int,
    listed: Floats,
    number: Ints,
    pairs: Ints,
    score: Floats,
    language: Ints,
    asked: Ints,
    above: Ints,
) -> Bools:
    """Count and list the scores `strip` [rows, candidates]; returns which rows were listed, [rows].

    `bounds` [languages + 1] are the columns where the languages begin and end, `first` is the number of the first
    candidate. `listed` and `number` [rows, depth] are the top lists. The rows' relevant candidates are `pairs`
    [rows + 1] apart; `score`, `language`, `asked` and `above` [pairs, counts] are those of `Counter`. Rows with equal
    scores in or just below their list are not listed: tie keys must order them.
    """
    rows, width = strip.shape
    depth, is_wide = listed.shape[1], above.shape[1] == len(bounds) - 1
    most = MANY_TIED * depth
    maxima, column, own = np.empty(width, float32), np.empty(width + 1, int64), np.empty(len(bounds), int64)
    found_score, found_number = np.empty(width + depth, float32), np.empty(most + depth, int64)
    best, own_pairs, is_listed = np.empty(depth, int64), np.empty(len(score), int64), np.ones(rows, boolean)
    below = np.empty(len(score) + 1, float32)
    blocks, together = np.minimum(np.arange(0, width + BLOCK, BLOCK), width), np.zeros(2, int64)
    for row in range(rows):
        scores = strip[row]
        is_full = number[row, depth - 1] != NOBODY
        best_floor = listed[row, depth - 1] if is_full else _floor(scores, depth, maxima)
        floor = _lowered(scores, best_floor, score[pairs[row] : pairs[row + 1]], below)
        found = together[1] = _collect(scores, bounds, floor, column, own)
        for place in range(found):
            found_score[place] = scores[column[place]]
        among = _divided(own_pairs, pairs[row], pairs[row + 1], score, floor)
        rest = own_pairs[among : pairs[row + 1] - pairs[row]]
        parts, all_parts = (own, bounds) if is_wide else (together, blocks)
        _count(found_score, own, parts, own_pairs[:among], score, language, asked, above)
        _count(scores, bounds, all_parts, rest, score, language, asked, above)
        if floor < best_floor:
            found = _keep(found_score, column, found, best_floor)
        if found > 2 * depth:
            found = _keep(found_score, column, found, _bisected(found_score, found, depth))
        is_listed[row] = found <= most
        if 0 < found <= most:
            for place in range(found):
                found_number[place] = first + column[place]
            is_listed[row] = _insert(listed[row], number[row], found_score, found_number, found, best)
    return is_listed
