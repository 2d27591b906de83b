"""The inputs of an encoder: the distinct texts and images of a pool, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from panglot.arrays import Floats, Ints, as_array
from panglot.data.image import Image, decode_batches
from panglot.data.pool import Items
from panglot.encode.budget import BATCH_IMAGES, TokenBudget
from panglot.encode.cache import UNCOUNTED
from panglot.encode.card import Role
from panglot.encode.model import (
    CountsTokens,
    Encoder,
    EncodesConcurrently,
    HasBudget,
    HasImageBudget,
    SeesImages,
    cut_at,
)
from panglot.errors import BadEncoder, PanglotError, spelled

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BATCH_TEXTS = 256
"""Texts in a batch if the encoder does not count tokens."""


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


def distinct(texts: Sequence[str]) -> tuple[list[str], Ints]:
    """Return the distinct texts without surrounding white space, and the index of each text among them, [texts]."""
    place: dict[str, int] = {}
    index = np.array([place.setdefault(text.strip(), len(place)) for text in texts])
    return list(place), index


class Batch(NamedTuple):
    """Inputs for one call of the model, their rows among all inputs, and the share of the budget that each takes."""

    rows: list[int]
    inputs: Sequence[Any]
    each: int = 1
    """Tokens of each input, including padding; 1 if they are not counted."""

    @property
    def tokens(self) -> int:
        """Tokens of all inputs, including padding."""
        return self.each * len(self.rows)

    def part(self, start: int, tokens: int) -> Batch:
        """Return as many inputs from `start` on as `tokens` tokens allow, at least one."""
        chosen = slice(start, start + max(1, tokens // self.each))
        return Batch(self.rows[chosen], self.inputs[chosen], self.each)


class Inputs(Protocol):
    """Distinct inputs of one kind, identified by `keys`, for one model."""

    noun: str
    keys: list[str]
    budget: TokenBudget
    """The size of the batches; in inputs instead of tokens if tokens are not counted."""
    lanes: int
    """Number of batches to encode at once."""

    def describe(self, key: str) -> str:
        """Describe the item that a key belongs to, for messages."""

    def count_tokens(self, rows: Ints) -> Ints:
        """Count the tokens of these inputs, `UNCOUNTED` if unknown, [rows]."""

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[Batch]:
        """Yield these inputs in batches."""

    def encode(self, batch: Sequence[Any]) -> Floats:
        """Encode one batch; returns what the model returns."""


def divided(rows: list[int], each: Ints, budget: TokenBudget) -> Iterator[tuple[list[int], int]]:
    """Yield rows in batches that the budget of the time allows, and the tokens of each input of a batch.

    `each` [rows] are the tokens of each input, the most first.
    """
    start = 0
    while start < len(rows):
        longest = int(each[start])
        batch = rows[start : start + max(1, budget.tokens // longest)]
        yield batch, longest
        start += len(batch)


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
        self.budget, self.lanes = _budget_of(encoder), _lanes_of(encoder)
        self.describe, self.keys = item_keys, item_keys.texts

    def count_tokens(self, rows: Ints) -> Ints:
        """Count the tokens of these texts, if the encoder can, [rows]."""
        if not isinstance(self._encoder, CountsTokens):
            return np.full(len(rows), UNCOUNTED, np.int32)
        return count_tokens(self._encoder, [self.keys[row] for row in rows], self._role)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[Batch]:
        """Yield these texts in batches, longest first, so that running out of memory shows early."""
        if isinstance(self._encoder, CountsTokens):
            length = each = np.clip(tokens, 1, cut_at(self._encoder, self._role))
        else:
            length, each = np.array([len(self.keys[row]) for row in rows]), np.ones(len(rows), np.int32)
        order = np.argsort(-length, kind="stable")
        for batch, longest in divided(rows[order].tolist(), each[order], self.budget):
            yield Batch(batch, [self.keys[row] for row in batch], longest)

    def encode(self, batch: Sequence[str]) -> Floats:
        """Encode one batch of texts, [texts, dimension]."""
        return self._encoder.encode(batch, self._role)


class Images:
    """Images to encode, in reading order."""

    noun = "images"

    def __init__(self, encoder: SeesImages, item_keys: ItemKeys) -> None:
        self._encoder, self._images = encoder, item_keys.images
        self.budget = encoder.image_budget if isinstance(encoder, HasImageBudget) else TokenBudget(fixed=BATCH_IMAGES)
        self.lanes = _lanes_of(encoder)
        self.describe, self.keys = item_keys, [image.sha256 for image in self._images]

    def count_tokens(self, rows: Ints) -> Ints:
        """Return `UNCOUNTED` for every image, [rows]."""
        return np.full(len(rows), UNCOUNTED, np.int32)

    def batches(self, rows: Ints, tokens: Ints) -> Iterator[Batch]:
        """Yield these images in batches, decoded."""
        places = iter(rows.tolist())
        for pictures in decode_batches([self._images[row] for row in rows], lambda: self.budget.tokens):
            yield Batch(list(islice(places, len(pictures))), pictures)

    def encode(self, batch: Sequence[Picture]) -> Floats:
        """Encode one batch of images, [images, dimension]."""
        return self._encoder.encode_images(batch)


def _budget_of(encoder: Encoder) -> TokenBudget:
    if isinstance(encoder, HasBudget):
        return encoder.budget
    return TokenBudget() if isinstance(encoder, CountsTokens) else TokenBudget(fixed=BATCH_TEXTS)


def _lanes_of(encoder: object) -> int:
    return encoder.lanes if isinstance(encoder, EncodesConcurrently) else 1
