"""What an encoder is shown of a pool: its different texts and images, each once, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from panglot.arrays import Floats, Ints, as_array
from panglot.data.image import Image, decode_batches
from panglot.data.pool import Items
from panglot.encode.cache import UNCOUNTED
from panglot.encode.model import CountsTokens, Encoder, Role, SeesImages, cut_at
from panglot.errors import BadEncoder, PanglotError, spelled

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BATCH_TEXTS = 256
"""Most texts in a batch."""

BATCH_TOKENS = 768
"""Most tokens in a batch, padding counted, for encoders that count them; small batches win on a CPU."""

BATCH_IMAGES = 32
"""Images in a batch; as many again are decoded meanwhile."""


class ItemKeys:
    """The items of one side of a pool, or of both: the key of each, and which item a key belongs to, for messages.

    The key of a text is the text itself without outer white space, because libraries differ in whether they strip it;
    that of an image is the hash of its bytes.
    """

    def __init__(self, languages: Sequence[str], sides: Sequence[Items]) -> None:
        self._languages, self._sides = languages, sides
        self.keys = [
            [
                items.images[place].sha256 if place in items.images else text.strip()
                for place, text in enumerate(items.texts)
            ]
            for items in sides
        ]

    @property
    def texts(self) -> list[str]:
        """The different texts, in order."""
        return sorted(
            {
                key
                for items, keys in zip(self._sides, self.keys, strict=True)
                for place, key in enumerate(keys)
                if place not in items.images
            }
        )

    @property
    def images(self) -> list[Image]:
        """The different images, in the order of the pool."""
        return list({image.sha256: image for items in self._sides for image in items.images.values()}.values())

    def __call__(self, key: str) -> str:
        """The first item with this key: its id, its language and the beginning of its text."""
        items, place = next(
            (items, keys.index(key)) for items, keys in zip(self._sides, self.keys, strict=True) if key in keys
        )
        excerpt = key if len(key) <= 80 else f"{key[:77]}..."
        shown = "an image" if place in items.images else repr(excerpt)
        return f"{items.ids[place]} ({self._languages[items.language[place]]}): {shown}"


class Inputs(Protocol):
    """Different things of one kind, known by `keys`, that one model encodes."""

    noun: str
    keys: list[str]

    def describe(self, key: str) -> str:
        """The item that a key belongs to, for messages."""

    def count_tokens(self, rows: Ints) -> Ints:
        """Tokens of each of these inputs, `UNCOUNTED` where that cannot be said, [rows]."""

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], Sequence[Any]]]:
        """These inputs in batches: their rows, and what the model takes."""

    def encode(self, batch: Sequence[Any]) -> Floats:
        """Vectors of one batch, as the model returns them."""


def count_tokens(encoder: CountsTokens, texts: Sequence[str], role: Role) -> Ints:
    """Tokens of each text as the encoder counts them, [texts].

    :raises BadEncoder: the encoder fails, or counts something else.
    """
    try:
        counts = as_array(encoder.count_tokens(texts, role))
    except PanglotError:
        raise
    except (Exception, SystemExit) as error:
        raise BadEncoder(f"{encoder.card.name} failed to count tokens. {spelled(error)}") from error
    if counts.shape != (len(texts),) or (len(texts) and (counts.dtype.kind not in "iu" or counts.min() < 0)):
        raise BadEncoder(
            f"{encoder.card.name} counted the tokens of {len(texts)} texts and returned {counts.dtype} in the shape "
            f"{counts.shape}. Expected ({len(texts)},): a whole number for each text."
        )
    return counts.astype(np.int32)


class Texts:
    """Texts to encode in one role, in batches of like length."""

    noun = "texts"

    def __init__(self, encoder: Encoder, role: Role, item_keys: ItemKeys) -> None:
        self._encoder, self._role = encoder, role
        self.describe, self.keys = item_keys, item_keys.texts

    def count_tokens(self, rows: Ints) -> Ints:
        """Tokens of each of these texts, where the encoder can tell, [rows]."""
        if not isinstance(self._encoder, CountsTokens):
            return np.full(len(rows), UNCOUNTED, np.int32)
        return count_tokens(self._encoder, [self.keys[row] for row in rows], self._role)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[str]]]:
        """These texts in batches; the longest come first, so that too much is too much at once."""
        counts = isinstance(self._encoder, CountsTokens)
        length = tokens if counts else np.array([len(self.keys[row]) for row in rows])
        longest = cut_at(self._encoder, self._role) or np.iinfo(np.int32).max
        order, start = np.argsort(-length, kind="stable"), 0
        while start < len(order):
            padded = max(1, min(int(length[order[start]]), longest))
            size = min(BATCH_TEXTS, max(1, BATCH_TOKENS // padded)) if counts else BATCH_TEXTS
            batch = rows[order[start : start + size]].tolist()
            yield batch, [self.keys[row] for row in batch]
            start += size

    def encode(self, batch: Sequence[str]) -> Floats:
        """Vectors of one batch."""
        return self._encoder.encode(batch, self._role)


class Images:
    """Images to encode, in the order in which they can be read."""

    noun = "images"

    def __init__(self, encoder: SeesImages, item_keys: ItemKeys) -> None:
        self._encoder, self._images = encoder, item_keys.images
        self.describe, self.keys = item_keys, [image.sha256 for image in self._images]

    def count_tokens(self, rows: Ints) -> Ints:
        """Images have none, [rows]."""
        return np.full(len(rows), UNCOUNTED, np.int32)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[Picture]]]:
        """These images, decoded."""
        decoded = decode_batches([self._images[row] for row in rows], BATCH_IMAGES)
        for number, pictures in enumerate(decoded):
            start = number * BATCH_IMAGES
            yield rows[start : start + len(pictures)].tolist(), pictures

    def encode(self, batch: Sequence[Picture]) -> Floats:
        """Vectors of one batch."""
        return self._encoder.encode_images(batch)
