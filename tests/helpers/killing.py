"""A progress bar that ends the work, as a kill would: between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Killed(Exception):
    """What the work ends in."""


def killing_at(step: int) -> Callable[[str, int], Any]:
    """Progress that ends the training after so many steps."""

    @contextmanager
    def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(by: int) -> None:
            nonlocal done
            done += by
            if label == "training" and done == step:
                raise Killed

        yield advance

    return progress
