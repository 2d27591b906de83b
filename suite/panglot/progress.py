"""Progress reporting, independent of any terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

Advance: TypeAlias = Callable[[int], object]


class Progress(Protocol):
    """Opens a progress bar: `with progress("encoding queries", 1190) as advance: advance(64)`."""

    def __call__(self, label: str, total: int) -> AbstractContextManager[Advance]:
        """Start a bar of `total` items; the context value takes the number of items done since its last call."""


def silent(label: str, total: int) -> AbstractContextManager[Advance]:
    """Report nothing."""
    return nullcontext(lambda done: None)
