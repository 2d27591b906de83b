"""Ranking on a device of torch, such as a GPU: products, counts and top lists are computed where the vectors are.

The evidence equals that of the processor, except where two scores differ by less than float32 products do between
libraries: about 1e-6 for vectors of unit length. Products are true float32, never TF32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from panglot.arrays import Floats, Ints, lengths
from panglot.data.pool import Pool
from panglot.errors import PanglotError, require
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.evidence import is_narrow
from panglot.retrieve.similarity import DenseScores

MOST_SCORES = 1 << 27
"""Maximum number of scores in one block: half a gigabyte."""

BYTES_PER_SCORE = 32
"""Memory per score of a block, including what counting and selecting take."""

LARGEST = float(np.finfo(np.float32).max)

STEPS = 3
"""Steps of a ladder for each relevant candidate."""

CLOSE = 1e-6
"""Difference of two scores of vectors of unit length that rounding can turn round."""


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
    """Candidates as columns of scores on a device, in the order of `layout` but without its padding.

    `language` [candidates] is on the device.
    """

    def __init__(self, layout: ColumnLayout, device: str) -> None:
        self.layout, self._languages = layout, len(layout.sizes)
        self.language = send(np.repeat(np.arange(self._languages), layout.sizes), device)

    def count(
        self, scores: Any, score: Any, relevants: Ints, language: Any, asked: Any, rounding: Any
    ) -> tuple[Ints, int]:
        """Count the candidates at or above each relevant one, [pairs, counts], as `narrow_counts` arranges them.

        `relevants` [rows] is the number of relevant candidates of each query. On the device are `scores` [rows,
        candidates], `score` [pairs], `language` [pairs] of the relevant candidates, and `asked` [rows], the language of
        the queries. Also returns how many candidates are within `rounding` [pairs] of the relevant ones.
        """
        import torch

        ladders = Ladders(relevants, score, rounding)
        counts = ladders.count(scores, self.language, self._languages)
        row, together = ladders.row, counts.sum(1, dtype=torch.int32)
        lowest, step, highest = ladders.steps
        close = int((together[row, lowest] - together[row, highest]).sum())
        if not is_narrow(self._languages):
            return as_numpy(counts[row, :, step]), close
        narrow = [counts[row, language, step], counts[row, asked[row], step], together[row, step]]
        return as_numpy(torch.stack(narrow, dim=1)), close

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

    `relevants` [rows] is the number of relevant candidates of each query; `score` [pairs], on the device, are their
    scores, ordered by query. Each has three steps: its score, the first that is within `rounding` [pairs] of it, and
    the first beyond. `row` is the query of each pair, [pairs]; `steps` are the places of its steps on the ladder, from
    the lowest, three times [pairs].
    """

    def __init__(self, relevants: Ints, score: Any, rounding: Any) -> None:
        import torch

        device, length = score.device, int(relevants.max())
        self.row = rows_of(relevants, device)
        place = torch.arange(len(score), device=device) - send(np.cumsum(relevants) - relevants, device)[self.row]
        ladder = torch.full((len(relevants), STEPS * length), torch.inf, device=device)
        places = [place, place + length, place + 2 * length]
        above = torch.nextafter(score + rounding, torch.full_like(score, torch.inf))  # the first score beyond
        for at, step in zip(places, (score - rounding, score, above), strict=True):
            ladder[self.row, at] = step
        self._ladder, order = ladder.sort(dim=1)
        step_at = torch.empty_like(order).scatter_(
            1, order, torch.arange(STEPS * length, device=device).expand_as(order)
        )
        self.steps = [step_at[self.row, at] for at in places]

    def count(self, scores: Any, language: Any, languages: int) -> Any:
        """Count the candidates of each language that reach each step, [rows, languages, steps].

        `scores` [rows, candidates] are finite or minus infinity. Each is looked up in its ladder once, so that the time
        hardly depends on the number of relevant candidates.
        """
        import torch

        rows, length = self._ladder.shape
        cell = torch.searchsorted(self._ladder, scores, right=True).add_(language * (length + 1))
        found = torch.zeros((rows, languages * (length + 1)), dtype=torch.int32, device=scores.device)
        found.scatter_add_(1, cell, torch.ones((), dtype=torch.int32, device=scores.device).expand_as(cell))
        below = found.view(rows, languages, length + 1).cumsum(2, dtype=torch.int32)
        return below[:, :, -1:] - below[:, :, :-1]


def rows_at_a_time(width: int, device: str) -> int:
    """Return how many queries with `width` scores and counts each to take at a time, for a quarter of free memory."""
    import torch

    fitting = MOST_SCORES
    if torch.device(device).type == "cuda":
        fitting = min(fitting, free_memory(device) // 4 // BYTES_PER_SCORE)
    return max(1, fitting // width)


def free_memory(device: str) -> int:
    """Return the bytes of a GPU that this process can still use: free ones, and those that torch keeps to use again."""
    import torch

    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


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
    with true_float32():
        return queries @ candidates.T


@contextmanager
def true_float32() -> Iterator[None]:
    """Compute products and convolutions of float32 in float32, not in TF32 or bf16, whatever the process has chosen.

    By default, PyTorch convolves in TF32, and some containers let it multiply in TF32.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    switches: list[tuple[Any, str, Any]] = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    if hasattr(matmul, "fp32_precision"):  # since torch 2.9, which then refuses to read the switches of before
        switches = [(part, "fp32_precision", "ieee") for part in (matmul, cudnn.conv, torch.backends.mkldnn.matmul)]
    chosen = [getattr(part, name) for part, name, _ in switches]
    for part, name, value in switches:
        setattr(part, name, value)
    try:
        yield
    finally:
        for (part, name, _), value in zip(switches, chosen, strict=True):
            setattr(part, name, value)


def products_are_finite(queries: Any, candidates: Any) -> bool:
    """Whether the vectors' norms bound all their products (Cauchy-Schwarz); cheaper than checking each product."""
    import torch

    one, other = (float(torch.linalg.vector_norm(part, dim=1).max()) for part in (queries, candidates))
    return one * other < LARGEST


def rounding_of(pool: Pool, queries: Floats, candidates: Floats) -> Floats:
    """Return how far from each relevant candidate another may be and yet change places with it, [pairs], float32.

    Libraries add up products in different orders. The length of the other candidate is left out, so that one long
    vector does not make all others close.
    """
    one, other = lengths(queries)[pool.query], lengths(candidates)[pool.candidate]
    with np.errstate(over="ignore", invalid="ignore"):
        rounding: Floats = CLOSE * one * other
    return np.where(np.isfinite(rounding), rounding, 0).astype(np.float32)


def rows_of(relevants: Ints, device: Any) -> Any:
    """Return the row of each pair on a device, [pairs], for queries with so many relevant candidates, [rows]."""
    import torch

    return torch.repeat_interleave(send(relevants, device))


def send(array: np.ndarray, device: Any) -> Any:
    """Return a tensor on a device with the content of an array; integers become int64, to be used as indices."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array)).to(device)
    return tensor if tensor.is_floating_point() else tensor.long()


def as_numpy(tensor: Any) -> np.ndarray:
    """Return an array with the content of a tensor."""
    found: np.ndarray = tensor.cpu().numpy()
    return found
