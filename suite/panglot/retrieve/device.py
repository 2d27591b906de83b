"""Ranking on a device of torch, such as a GPU: products, counts and top lists are computed where the vectors are.

The evidence equals that of the processor, except where two scores differ by less than float32 products do between
libraries: about 1e-6 for vectors of unit length. Products are true float32, never TF32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.errors import PanglotError, require
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.evidence import is_narrow
from panglot.retrieve.similarity import DenseScores

MOST_SCORES = 1 << 27
"""Maximum number of scores in one block: half a gigabyte."""

BYTES_PER_SCORE = 32
"""Memory per score of a block, including what counting and selecting take."""

LARGEST = float(np.finfo(np.float32).max)


def find_device(name: str) -> str | None:
    """Return the name of the device that ranks, or None if that is the processor.

    :raises MissingExtra: torch is not installed.
    :raises PanglotError: the device is not available.
    """
    if name == "cpu":
        return None
    require("torch", "st", f"Ranking on {name}")
    import torch

    try:
        torch.zeros(1, device=name).sum().item()
    except Exception as error:
        raise PanglotError(
            f"--rank-device {name}: the device is not available. {str(error).partition(chr(10))[0]}"
        ) from error
    return name


class DeviceScores:
    """Dot products of vectors that are on a device; those of copies are equal, as in `DenseScores`."""

    def __init__(self, scores: DenseScores, device: str) -> None:
        self.device = device
        self._queries, self._candidates = send(scores.queries, device), send(scores.candidates, device)
        self._copies, self._originals = send(scores.copies, device), send(scores.originals, device)
        self.are_finite = products_are_finite(self._queries, self._candidates)

    def block(self, start: int, stop: int) -> Any:
        """Return the products of queries `start` to `stop` with all candidates, [stop - start, candidates]."""
        scores = product(self._queries[start:stop], self._candidates)
        if len(self._copies):
            scores[:, self._copies] = scores[:, self._originals]
        return scores


class DeviceColumns:
    """Candidates as columns of scores on a device, in the order of `layout` but without its padding."""

    def __init__(self, layout: ColumnLayout, device: str) -> None:
        self.layout, self._languages = layout, len(layout.sizes)
        self._language = send(np.repeat(np.arange(self._languages), layout.sizes), device)

    def count(self, scores: Any, row: Ints, score: Any, language: Ints, asked: Ints) -> Ints:
        """Count the candidates at or above each relevant one, [pairs, counts], as `narrow_counts` arranges them.

        `scores` [rows, candidates] and `score` [pairs] are on the device; `row`, `language` of the relevant candidate
        and `asked`, the language of the query, are [pairs].
        """
        import torch

        ladders = Ladders(row, score, len(scores))
        counts = ladders.count(scores, self._language, self._languages)
        if not is_narrow(self._languages):
            return as_numpy(counts[ladders.row, :, ladders.step])
        own, query = send(language, scores.device), send(asked, scores.device)
        kept = (counts[ladders.row, own, ladders.step], counts[ladders.row, query, ladders.step])
        together = counts.sum(1, dtype=torch.int32)[ladders.row, ladders.step]
        return as_numpy(torch.stack([*kept, together], dim=1))

    def best(self, scores: Any, depth: int) -> tuple[Floats, Ints, Ints]:
        """Return the best scores of each row and the numbers of their candidates, [rows, depth], and the rows cut.

        A row is cut within a tie if candidates with its last score are left out; their ids must decide which.
        """
        width = scores.shape[1]
        score, column = map(as_numpy, scores.topk(min(depth + 1, width), dim=1))
        cut = np.flatnonzero(score[:, depth - 1] == score[:, depth]) if depth < width else np.empty(0, np.intp)
        return score[:, :depth], column[:, :depth] + self.layout.first, cut


class Ladders:
    """The scores of the relevant candidates of some queries in ascending order: a ladder for each query.

    `row` [pairs] is the query of each pair, ascending and counted from the first; `score` [pairs] is on the device, as
    are the attributes: `row`, and the `step` of each pair on its ladder, [pairs].
    """

    def __init__(self, row: Ints, score: Any, rows: int) -> None:
        import torch

        device, place = score.device, np.arange(len(row)) - np.searchsorted(row, row)
        length = int(place.max(initial=0)) + 1
        self.row, at = send(row, device), send(place, device)
        steps = torch.full((rows, length), torch.inf, device=device)
        steps[self.row, at] = score
        self._steps, order = steps.sort(dim=1)
        step_at = torch.empty_like(order).scatter_(1, order, torch.arange(length, device=device).expand_as(order))
        self.step = step_at[self.row, at]

    def count(self, scores: Any, language: Any, languages: int) -> Any:
        """Count the candidates of each language that reach each step, [rows, languages, steps].

        `scores` [rows, candidates] are finite or minus infinity. Each is looked up in its ladder once, so that the time
        hardly depends on the number of relevant candidates.
        """
        import torch

        rows, length = self._steps.shape
        cell = torch.searchsorted(self._steps, scores, right=True).add_(language * (length + 1))
        found = torch.zeros((rows, languages * (length + 1)), dtype=torch.int32, device=scores.device)
        found.scatter_add_(1, cell, torch.ones((), dtype=torch.int32, device=scores.device).expand_as(cell))
        highest = found.view(rows, languages, length + 1)[:, :, 1:]
        return highest.flip(2).cumsum(2, dtype=torch.int32).flip(2)


def rows_at_a_time(width: int, device: str) -> int:
    """Return the number of queries to score at a time against `width` candidates, for a quarter of the free memory."""
    import torch

    fitting = MOST_SCORES
    if torch.device(device).type == "cuda":
        fitting = min(fitting, torch.cuda.mem_get_info(device)[0] // 4 // BYTES_PER_SCORE)
    return max(1, fitting // width)


def in_blocks(count: Callable[[int, int], None], total: int, rows: int) -> Iterator[int]:
    """Call `count(start, stop)` for blocks of `rows` out of `total` queries, smaller ones when memory runs out.

    Yields the number of queries in each block; `count` must change nothing before it has succeeded.

    :raises PanglotError: the scores of a single query do not fit in the memory of the device.
    """
    import torch

    start = 0
    while start < total:
        stop = min(start + rows, total)
        try:
            count(start, stop)
        except torch.OutOfMemoryError as error:
            rows = (stop - start) // 2
            if not rows:
                raise PanglotError(
                    "The device ran out of memory while ranking. Rank on the processor instead: --rank-device cpu."
                ) from error
            continue
        yield stop - start
        start = stop


def product(queries: Any, candidates: Any) -> Any:
    """Return the scores [queries, candidates] of vectors [queries, dim] and [candidates, dim], in true float32."""
    import torch

    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        return queries @ candidates.T
    finally:
        torch.set_float32_matmul_precision(chosen)


def products_are_finite(queries: Any, candidates: Any) -> bool:
    """Whether the vectors' norms bound all their products (Cauchy-Schwarz); cheaper than checking each product."""
    import torch

    one, other = (float(torch.linalg.vector_norm(part, dim=1).max()) for part in (queries, candidates))
    return one * other < LARGEST


def send(array: np.ndarray, device: Any) -> Any:
    """Return a tensor on a device with the content of an array; integers become int64, to be used as indices."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array)).to(device)
    return tensor if tensor.is_floating_point() else tensor.long()


def as_numpy(tensor: Any) -> np.ndarray:
    """Return an array with the content of a tensor."""
    found: np.ndarray = tensor.cpu().numpy()
    return found
