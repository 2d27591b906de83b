"""Items that cannot be used: images that cannot be decoded, captions with nothing in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from panglot.data.image import find_damaged
from panglot.data.pool import Items, Pool
from panglot.errors import BadData

SHOWN = 10
"""Most items that a message names."""


class Usable(NamedTuple):
    """A pool without its damaged items, and how many of them there were."""

    pool: Pool
    damaged: int


def without_damaged(pool: Pool, skip: bool = False) -> Usable:
    """Check every image and caption of a pool that holds images; with `skip` go on without those that are damaged.

    Queries that are left without a relevant candidate leave too.

    :raises BadData: there are damaged items and `skip` is off, or nothing is left; it names them.
    """
    if not pool.has_images:
        return Usable(pool, 0)
    images = [*pool.queries.images.values(), *pool.candidates.images.values()]
    faults = find_damaged(images)
    asked, offered = (dict(_faulty(items, faults)) for items in (pool.queries, pool.candidates))
    named = {
        items.ids[place]: fault
        for items, found in ((pool.queries, asked), (pool.candidates, offered))
        for place, fault in found.items()
    }
    if not named:
        return Usable(pool, 0)
    if not skip:
        shown = "; ".join(f"{id_}: {fault}" for id_, fault in list(named.items())[:SHOWN])
        more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        count = "1 item is" if len(named) == 1 else f"{len(named)} items are"
        raise BadData(f"{count} damaged: {shown}{more}. Mend what is there, or go on without it by --skip-damaged.")
    kept = np.setdiff1d(np.arange(len(pool.candidates)), list(offered))
    answered = np.unique(pool.query[np.isin(pool.candidate, kept)])
    asking = np.setdiff1d(answered, list(asked))
    if not len(asking):
        raise BadData("No query is left without the damaged items.")
    return Usable(pool.part(asking, kept), len(named))


def _faulty(items: Items, faults: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The places of the damaged items, and what is wrong with each."""
    for place, text in enumerate(items.texts):
        if place in items.images:
            fault = faults.get(items.images[place].sha256, "")
        else:
            fault = "" if text.strip() else "an empty text"
        if fault:
            yield place, fault
