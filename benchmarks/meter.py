"""What a call costs: processor seconds, in which the ratios are, and wall-clock seconds beside them."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Generic, NamedTuple, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


class Cost(NamedTuple):
    """Seconds of processor time, user and system, and of wall-clock time."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} CPU-s, {self.wall:.2f} s wall"


class Meter(Generic[Arguments, Value]):
    """A function that keeps the cost of each of its calls, processes that they start and wait for included."""

    def __init__(self, function: Callable[Arguments, Value]) -> None:
        self._function = function
        self.calls: list[Cost] = []

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        cpu, wall = _cpu_seconds(), perf_counter()
        try:
            return self._function(*args, **kwargs)
        finally:
            self.calls.append(Cost(_cpu_seconds() - cpu, perf_counter() - wall))

    @property
    def total(self) -> Cost:
        """All calls together."""
        return _by_field(sum, self.calls)

    @property
    def typical(self) -> Cost:
        """The median call."""
        return _by_field(median, self.calls)


def _by_field(function: Callable[[Iterable[float]], float], costs: list[Cost]) -> Cost:
    return Cost(function(cost.cpu for cost in costs), function(cost.wall for cost in costs))


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
