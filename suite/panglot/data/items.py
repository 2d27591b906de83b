"""Items: the queries or the candidates of a pool, in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from panglot.arrays import Ints
from panglot.data.image import Image
from panglot.data.records import Candidate, Query


@dataclass(frozen=True, eq=False)
class Items:
    """Texts and images with their ids and languages. `language` [items] indexes the pool's `languages`.

    `images` maps the index of each item that is an image to the image.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    language: Ints
    images: Mapping[int, Image] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


NO_ITEMS = Items((), (), np.empty(0, np.int16))


def items_of(records: Sequence[Query] | Sequence[Candidate], place: dict[str, int]) -> Items:
    """Return records as items; `place` gives the number of each language."""
    return Items(
        ids=tuple(record.id for record in records),
        texts=tuple(record.text for record in records),
        language=np.array([place[record.language] for record in records], np.int16),
        images={index: image for index, image in enumerate(record.image for record in records) if image},
    )


def joined(one: Items, other: Items) -> Items:
    """Return the items of both, in this order."""
    later = {len(one) + place: image for place, image in other.images.items()}
    language = np.concatenate([one.language, other.language])
    return Items((*one.ids, *other.ids), (*one.texts, *other.texts), language, {**one.images, **later})


def of_languages(items: Items, kept: Sequence[int]) -> Items:
    """Return the texts in these languages, which are numbered anew in this order."""
    rows = np.flatnonzero(np.isin(items.language, kept)).tolist()
    new = {old: place for place, old in enumerate(kept)}
    language = np.array([new[items.language[row]] for row in rows], np.int16)
    return Items(tuple(items.ids[row] for row in rows), tuple(items.texts[row] for row in rows), language)
