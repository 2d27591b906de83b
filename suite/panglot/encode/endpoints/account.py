"""The cost of an endpoint: a meter of requests and tokens, and a budget limit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from threading import Lock
from typing import Protocol, runtime_checkable

from panglot.errors import BadEncoder

PRICE = "PANGLOT_PRICE"
"""Environment variable with the price per million tokens; required for `--budget`."""


@dataclass
class Meter:
    """Requests, tokens and cost of an endpoint so far."""

    requests: int = 0
    retries: int = 0
    """Requests sent again after a temporary failure."""
    tokens: int = 0
    cost: float = 0.0
    """In the currency of the price; 0 if the price is unknown."""

    def since(self, earlier: Meter) -> Meter:
        """Return what was added since an earlier state."""
        return Meter(*(now - before for now, before in zip(astuple(self), astuple(earlier), strict=True)))


@runtime_checkable
class Metered(Protocol):
    """A model or reranker behind an endpoint, which counts its requests and tokens."""

    @property
    def meter(self) -> Meter:
        """Requests, retries, tokens and cost so far."""


class Account:
    """The meter and the budget of an endpoint; shared by all threads.

    :raises BadEncoder: a budget is set but no price, or the price is invalid.
    """

    def __init__(self, name: str, budget: float | None) -> None:
        self._name, self._price, self._budget = name, _price(budget), budget
        self._lock = Lock()
        self._estimated = self._reserved = 0.0
        self.meter = Meter()

    def check(self, tokens: float) -> None:
        """Check that `tokens` more, in addition to pending requests, stay within the budget.

        :raises BadEncoder: the budget would be exceeded; the message says how to continue.
        """
        if self._budget is None:
            return
        correction = max(1.0, self.meter.tokens / self._estimated) if self._estimated else 1.0
        next_cost = (self._reserved + tokens) * correction * self._price / 1e6
        if self.meter.cost + next_cost > self._budget:
            raise BadEncoder(
                f"{self._name}: {self.meter.cost:.6f} of the budget of {self._budget:g} is spent "
                f"({self.meter.tokens:,} tokens, {self.meter.requests:,} requests), and the next requests would cost "
                f"about {next_cost:.6f}. To continue, run the command again with a new --budget for the rest; finished "
                "vectors are in the cache."
            )

    @contextmanager
    def reserved(self, tokens: float) -> Iterator[None]:
        """Reserve the estimated tokens of a request while it is pending."""
        with self._lock:
            self.check(tokens)
            self._reserved += tokens
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= tokens

    def retried(self) -> None:
        """Count a request that is sent again."""
        with self._lock:
            self.meter.retries += 1

    def settle(self, estimate: float, tokens: int | None) -> None:
        """Count an answered request; if the server reports no tokens, the estimate is used."""
        with self._lock:
            self._estimated += estimate
            self.meter.requests += 1
            self.meter.tokens += round(estimate) if tokens is None else tokens
            self.meter.cost = self.meter.tokens * self._price / 1e6


def estimated_tokens(texts: Sequence[str]) -> float:
    """Estimate the number of tokens for an unknown tokenizer: a third of the bytes, plus two per text."""
    return sum(len(text.encode("utf-8", "surrogatepass")) / 3 + 2 for text in texts)


def _price(budget: float | None) -> float:
    """Return the price per million tokens, 0 if it is unknown and not needed."""
    given = os.environ.get(PRICE, "")
    try:
        price = float(given or 0)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0) or (budget is not None and not given):
        raise BadEncoder(
            f"Set the environment variable {PRICE} to the price per million tokens, for example {PRICE}=0.02; it is "
            f"{given!r}."
        )
    return price
