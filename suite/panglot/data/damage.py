"""Unusable items: images that cannot be decoded, and empty captions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from panglot.data.image import find_damaged
from panglot.data.pool import Items, Pool
from panglot.errors import BadData
from panglot.plain import is_blank

SHOWN = 10
"""Maximum number of items named in a message."""


class Usable(NamedTuple):
    """A pool without its damaged items, and the number of items that were damaged."""

    pool: Pool
    damaged: int


def without_damaged(pool: Pool, skip: bool = False) -> Usable:
    """Check every image and caption of a pool that has images; with `skip`, drop the damaged ones.

    Queries without a remaining relevant candidate are dropped too.

    :raises BadData: there are damaged items and `skip` is False, or no query remains.
    """
    if not pool.has_images:
        return Usable(pool, 0)
    images = [*pool.queries.images.values(), *pool.candidates.images.values()]
    faults = find_damaged(images)
    bad_queries, bad_candidates = (dict(_faulty(items, faults)) for items in (pool.queries, pool.candidates))
    named = {
        items.ids[place]: fault
        for items, found in ((pool.queries, bad_queries), (pool.candidates, bad_candidates))
        for place, fault in found.items()
    }
    if not named:
        return Usable(pool, 0)
    if not skip:
        shown = "; ".join(f"{id_}: {fault}" for id_, fault in list(named.items())[:SHOWN])
        more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        count = "1 item is" if len(named) == 1 else f"{len(named)} items are"
        raise BadData(f"{count} damaged: {shown}{more}. Repair the data, or skip these items with --skip-damaged.")
    kept = np.setdiff1d(np.arange(len(pool.candidates)), list(bad_candidates))
    answered = np.unique(pool.query[np.isin(pool.candidate, kept)])
    queries = np.setdiff1d(answered, list(bad_queries))
    if not len(queries):
        raise BadData("No query remains after the damaged items are skipped.")
    return Usable(pool.part(queries, kept), len(named))


def _faulty(items: Items, faults: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the index of each damaged item and what is wrong with it."""
    for place, text in enumerate(items.texts):
        if place in items.images:
            fault = faults.get(items.images[place].sha256, "")
        else:
            fault = "an empty text" if is_blank(text) else ""
        if fault:
            yield place, fault
