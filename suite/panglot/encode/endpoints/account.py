"""What an endpoint costs: a meter of requests and tokens, and a budget that is not passed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from panglot.errors import BadEncoder

PRICE = "PANGLOT_PRICE"
"""The environment variable with the price of a million tokens; `--budget` needs it."""


@dataclass
class Meter:
    """What an endpoint answered, so far."""

    requests: int = 0
    retries: int = 0
    """Requests sent again after a failure that may pass."""
    tokens: int = 0
    cost: float = 0.0
    """In the currency of the price; 0 where no price is known."""


class Account:
    """Keeps the meter, and the budget from being passed; shared by the threads.

    :raises BadEncoder: there is a budget and no price.
    """

    def __init__(self, name: str, budget: float | None) -> None:
        self._name, self._price, self._budget = name, _price(budget), budget
        self._lock = Lock()
        self._estimated = self._reserved = 0.0
        self.meter = Meter()

    def check(self, tokens: float) -> None:
        """Refuse what would pass the budget, with the requests under way counted.

        :raises BadEncoder: saying what was spent and how to go on.
        """
        if self._budget is None:
            return
        correction = max(1.0, self.meter.tokens / self._estimated) if self._estimated else 1.0
        next_cost = (self._reserved + tokens) * correction * self._price / 1e6
        if self.meter.cost + next_cost > self._budget:
            raise BadEncoder(
                f"{self._name}: {self.meter.cost:.6f} of the budget of {self._budget:g} is spent "
                f"({self.meter.tokens:,} tokens, {self.meter.requests:,} requests), and what comes next would cost "
                f"about {next_cost:.6f}. To go on, run it again with another --budget, which counts from then on: "
                "vectors already made are in the cache."
            )

    @contextmanager
    def reserved(self, tokens: float) -> Iterator[None]:
        """Set aside what a request is estimated to cost, while it is under way."""
        with self._lock:
            self.check(tokens)
            self._reserved += tokens
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= tokens

    def retried(self) -> None:
        """A request is sent again."""
        with self._lock:
            self.meter.retries += 1

    def settle(self, estimate: float, tokens: int | None) -> None:
        """A request was answered; where the server counts no tokens, the estimate stands."""
        with self._lock:
            self._estimated += estimate
            self.meter.requests += 1
            self.meter.tokens += round(estimate) if tokens is None else tokens
            self.meter.cost = self.meter.tokens * self._price / 1e6


def estimated_tokens(texts: Sequence[str]) -> float:
    """About how many tokens texts have, when their tokenizer is not known: a third of their bytes, and two each."""
    return sum(len(text.encode("utf-8", "surrogatepass")) / 3 + 2 for text in texts)


def _price(budget: float | None) -> float:
    """The price of a million tokens, 0 where none is known and none is needed."""
    given = os.environ.get(PRICE, "")
    try:
        price = float(given or 0)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0) or (budget is not None and not given):
        raise BadEncoder(
            f"The environment variable {PRICE} must hold the price of a million tokens, as in {PRICE}=0.02; "
            f"it is {given!r}."
        )
    return price
