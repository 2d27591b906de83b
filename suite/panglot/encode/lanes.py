"""Several calls at once, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_lanes(call: Callable[[Item], Found], items: Iterable[Item], lanes: int) -> Iterator[Found]:
    """Yield `call(item)` of each item in order, computed in `lanes` threads; with one lane, in this thread.

    Items are taken as late as possible, one more than there are lanes, so that they can depend on earlier results. If a
    call raises, or the generator is closed, calls that have not begun are dropped.
    """
    if lanes == 1:
        yield from map(call, items)
        return
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(lanes) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(call, item))
                if len(waiting) > lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
