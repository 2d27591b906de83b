"""Two trainings in turns, step by step, so that whatever else the machine does slows down both alike."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Event
from time import thread_time
from typing import Any

from transformers import Trainer, TrainerCallback

PATIENCE = 300
"""Seconds after which a training that waits for a step of the other gives up."""


class Turn(TrainerCallback):
    """Takes a step when it is its turn, and notes the processor time of each, from the end of the step before it."""

    def __init__(self) -> None:
        self.mine, self.seconds = Event(), list[float]()
        self.other: Turn
        self._start = 0.0

    def on_train_begin(self, *args: Any, **settings: Any) -> None:
        """Wait for the first turn."""
        self._wait()

    def on_step_end(self, *args: Any, **settings: Any) -> None:
        """Note the time and let the other take a step."""
        self.seconds.append(thread_time() - self._start)
        self.other.mine.set()
        self._wait()

    def on_train_end(self, *args: Any, **settings: Any) -> None:
        """Let the other take the rest of its steps."""
        self.other.mine.set()

    def _wait(self) -> None:
        if not self.mine.wait(PATIENCE):
            raise TimeoutError("The other training has ended or hangs.")
        self.mine.clear()
        self._start = thread_time()


def train_in_turns(one: Trainer, other: Trainer) -> tuple[list[float], list[float]]:
    """Train both, and return the processor seconds of each step of each."""
    turns = Turn(), Turn()
    for turn, after, trainer in zip(turns, reversed(turns), (one, other), strict=True):
        turn.other = after
        trainer.add_callback(turn)
    turns[0].mine.set()
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(trainer.train) for trainer in (one, other)]
        for training in running:
            training.result()
    return turns[0].seconds, turns[1].seconds


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of two series that were measured in turns."""
    return median(first / second for first, second in zip(one, other, strict=True))
