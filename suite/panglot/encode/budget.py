"""The number of tokens in a batch, found while encoding: it depends on the device, the model and the free memory."""

from __future__ import annotations

import sys

START = 768
"""Tokens in the first batches if nothing is known about the device; small batches suit CPUs."""

SMALLEST = 64
"""The search does not go below this number of tokens."""

BATCH_IMAGES = 32
MOST_IMAGES = 256
"""Images in the first batches, and in the largest: two of them are in memory, decoded."""

TRIALS = 2
"""Batches timed at each size; the faster one counts, since the first may be slowed by warming up."""

GAIN = 1.05
"""A size must encode this many times as many tokens a second to replace another, so that noise does not decide."""


class TokenBudget:
    """The maximum number of tokens in a batch, including padding.

    The first batches are timed. The budget doubles as long as that encodes more tokens a second; if even the first
    doubling does not, it is halved as long as that does. Running out of memory lowers it for good. A model keeps one
    budget for everything that it encodes, so that nothing is tried twice. The search stays below `most`.

    If the first text, the longest, exceeds the budget, the search begins at its length. If a batch of two such texts is
    no faster, the search begins again at `start`, as soon as texts are short enough.
    """

    def __init__(self, start: int = START, fixed: int | None = None, most: int = sys.maxsize) -> None:
        self.tokens = fixed or start
        self.is_settled = fixed is not None
        self._start = self._best = self._estimate = self.tokens
        self._may_lift = True
        self._most = most
        self._best_rate, self._factor = 0.0, 2.0
        self._rates: list[float] = []
        self._is_used = False

    @property
    def used(self) -> int | None:
        """The size that was fixed or found, the best so far if the search goes on; None if nothing was encoded."""
        return (self.tokens if self.is_settled else self._best) if self._is_used else None

    def record(self, tokens: int, seconds: float) -> None:
        """Learn from a batch of `tokens` tokens; batches of half the budget or less, and larger ones, say nothing."""
        self._is_used = True
        if self.is_settled:
            return
        if self._may_lift and not self._rates and self.tokens < tokens <= self._most:
            self.tokens = self._start = self._best = tokens
            self._may_lift = False
        if not self.tokens < 2 * tokens <= 2 * self.tokens:
            return
        self._rates.append(tokens / max(seconds, 1e-9))
        if len(self._rates) == TRIALS:
            self._compare(max(self._rates))
            self._rates.clear()

    def exceed(self, tokens: int) -> None:
        """Learn that a batch of `tokens` tokens did not fit in memory."""
        self.tokens = min(self.tokens, max(tokens // 2, 1))
        self.is_settled = True

    def _compare(self, rate: float) -> None:
        """Compare the present size with the best one; try the next, or settle on the best."""
        if rate >= GAIN * self._best_rate:
            self._best, self._best_rate = self.tokens, rate
        elif self._best == self._start > self._estimate:
            self.tokens = self._start = self._best = self._estimate
            self._best_rate = 0.0
            return
        elif self._factor > 1 and self._best == self._start:
            self._factor = 0.5
        else:
            self.tokens, self.is_settled = self._best, True
            return
        self.tokens = int(self._best * self._factor)
        if not SMALLEST <= self.tokens <= self._most:
            self.tokens, self.is_settled = self._best, True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the system or of a device, which torch says in words only."""
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()
