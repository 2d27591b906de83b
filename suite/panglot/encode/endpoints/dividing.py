"""Requests to an endpoint, several at a time; one that is rejected is sent again in halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeAlias

from panglot.arrays import Floats
from panglot.encode.endpoints.endpoint import RequestFailed
from panglot.errors import RefusedInput

Job: TypeAlias = Callable[[Event], list[Floats]]
"""Sends a part of the inputs, and returns its arrays in order; the event interrupts it."""


def run_together(concurrency: int, jobs: Sequence[Job]) -> list[Floats]:
    """Return the arrays [inputs, ...] of all jobs, run concurrently; the first permanent failure stops the others."""
    stop = Event()
    with ThreadPoolExecutor(concurrency) as threads:
        futures = [threads.submit(job, stop) for job in jobs]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return [array for future in futures for array in future.result()]


class Divider:
    """Splits requests of the model `name` so that none has more than `most` texts, a limit that rejections lower."""

    def __init__(self, name: str, most: int) -> None:
        self.most = most
        self._name = name

    def send(self, texts: list[str], start: int, request: Callable[[list[str]], Floats]) -> list[Floats]:
        """Return the arrays [texts, ...] of texts, `start` in their batch, by one request or, if that fails, by halves.

        If the whole was rejected but the halves succeed, later requests are no larger than a half.

        :raises RefusedInput: the endpoint rejects one text, or fails on it repeatedly.
        :raises RequestFailed: a request failed for another reason than its texts or their number.
        """
        half = (1 << (len(texts) - 1).bit_length()) >> 1  # a power of two: a short rest must not lower the limit
        is_refused = False
        if len(texts) <= self.most:
            try:
                return [request(texts)]
            except RequestFailed as error:
                if not error.failure.divides:
                    raise
                if len(texts) == 1:
                    raise RefusedInput(self._name, start, texts[0], str(error)) from None
                is_refused = not error.failure.passes
        found = self.send(texts[:half], start, request)
        found += self.send(texts[half:], start + half, request)
        if is_refused:
            self.most = min(self.most, half)
        return found
