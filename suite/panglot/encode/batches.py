"""The inputs of an encoder: the distinct texts and images of a pool, in batches."""

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
"""Maximum number of texts in a batch."""

BATCH_TOKENS = 768
"""Maximum number of tokens in a batch, including padding, if the encoder counts tokens; small batches suit CPUs."""

BATCH_IMAGES = 32
"""Images in a batch; the next batch is decoded in the meantime."""


class ItemKeys:
    """Keys of the items on one or both sides of a pool, and the item that belongs to a key, for messages.

    The key of a text is the text without surrounding white space, since libraries differ in whether they strip it; the
    key of an image is the hash of its bytes.
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
        """The distinct texts, sorted."""
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
        """The distinct images, in pool order."""
        return list({image.sha256: image for items in self._sides for image in items.images.values()}.values())

    def __call__(self, key: str) -> str:
        """Describe the first item with this key: its id, its language and the beginning of its text."""
        items, place = next(
            (items, keys.index(key)) for items, keys in zip(self._sides, self.keys, strict=True) if key in keys
        )
        excerpt = key if len(key) <= 80 else f"{key[:77]}..."
        shown = "an image" if place in items.images else repr(excerpt)
        return f"{items.ids[place]} ({self._languages[items.language[place]]}): {shown}"


class Inputs(Protocol):
    """Distinct inputs of one kind, identified by `keys`, for one model."""

    noun: str
    keys: list[str]

    def describe(self, key: str) -> str:
        """Describe the item that a key belongs to, for messages."""

    def count_tokens(self, rows: Ints) -> Ints:
        """Count the tokens of these inputs, `UNCOUNTED` if unknown, [rows]."""

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], Sequence[Any]]]:
        """Yield these inputs, `rows` and `tokens` [rows], in batches: their rows, and the input for the model."""

    def encode(self, batch: Sequence[Any]) -> Floats:
        """Encode one batch; returns what the model returns, which should be [inputs, dimension]."""


def count_tokens(encoder: CountsTokens, texts: Sequence[str], role: Role) -> Ints:
    """Count the tokens of each text with the encoder's tokenizer, [texts], int32.

    :raises BadEncoder: the encoder fails, or does not return one count per text.
    """
    try:
        counts = as_array(encoder.count_tokens(texts, role))
    except PanglotError:
        raise
    except (Exception, SystemExit) as error:
        raise BadEncoder(f"{encoder.card.name} failed to count tokens. {spelled(error)}") from error
    if counts.shape != (len(texts),) or (len(texts) and (counts.dtype.kind not in "iu" or counts.min() < 0)):
        raise BadEncoder(
            f"{encoder.card.name}: count_tokens returned {counts.dtype} of shape {counts.shape} for {len(texts)} "
            f"texts. Expected shape ({len(texts)},): a non-negative integer for each text."
        )
    return counts.astype(np.int32)


class Texts:
    """Texts to encode in one role, in batches of similar length."""

    noun = "texts"

    def __init__(self, encoder: Encoder, role: Role, item_keys: ItemKeys) -> None:
        self._encoder, self._role = encoder, role
        self.describe, self.keys = item_keys, item_keys.texts

    def count_tokens(self, rows: Ints) -> Ints:
        """Count the tokens of these texts, if the encoder can, [rows]."""
        if not isinstance(self._encoder, CountsTokens):
            return np.full(len(rows), UNCOUNTED, np.int32)
        return count_tokens(self._encoder, [self.keys[row] for row in rows], self._role)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[str]]]:
        """Yield these texts, `rows` and `tokens` [rows], longest first: running out of memory shows early."""
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
        """Encode one batch of texts, [texts, dimension]."""
        return self._encoder.encode(batch, self._role)


class Images:
    """Images to encode, in reading order."""

    noun = "images"

    def __init__(self, encoder: SeesImages, item_keys: ItemKeys) -> None:
        self._encoder, self._images = encoder, item_keys.images
        self.describe, self.keys = item_keys, [image.sha256 for image in self._images]

    def count_tokens(self, rows: Ints) -> Ints:
        """Return `UNCOUNTED` for every image, [rows]."""
        return np.full(len(rows), UNCOUNTED, np.int32)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[tuple[list[int], list[Picture]]]:
        """Yield these images [rows] in batches, decoded."""
        decoded = decode_batches([self._images[row] for row in rows], BATCH_IMAGES)
        for number, pictures in enumerate(decoded):
            start = number * BATCH_IMAGES
            yield rows[start : start + len(pictures)].tolist(), pictures

    def encode(self, batch: Sequence[Picture]) -> Floats:
        """Encode one batch of images, [images, dimension]."""
        return self._encoder.encode_images(batch)
