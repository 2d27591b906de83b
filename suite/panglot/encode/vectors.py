"""From a pool to vectors: each distinct text and image is encoded once and mapped back to its items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import Items, Pool
from panglot.encode.batches import Images, ItemKeys, Texts, count_tokens, distinct
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.encoding import Encoding, encode
from panglot.encode.model import CountsTokens, Encoder, SeesImages
from panglot.errors import BadEncoder
from panglot.progress import Progress, silent


@dataclass(frozen=True)
class Read:
    """What a model read of a pool's queries or candidates.

    `tokens` [items] counts the tokens of each text before truncation, `UNCOUNTED` for images and if the encoder cannot
    count tokens. `texts` is the number of distinct texts and images, `fresh` the number of those not in the cache.
    """

    tokens: Ints
    texts: int
    fresh: int


@dataclass(frozen=True)
class Encoded(Read):
    """Vectors [items, dim] of a pool's queries or candidates, and what was read."""

    vectors: Floats


def encode_items(
    encoder: Encoder, pool: Pool, role: Role, cache: VectorCache | None = None, progress: Progress = silent
) -> Encoded:
    """Encode a pool's queries, or its candidates with the role `passage`; float32, normalised for cosine similarity.

    :raises BadEncoder: there is nothing to encode, or as for `panglot.encode.encoding.encode`.
    """
    items = pool.queries if role == "query" else pool.candidates
    if not len(items):
        raise BadEncoder(f"There is nothing to encode: the pool has no {role} items.")
    item_keys = ItemKeys(pool.languages, [items])
    label = "encoding queries" if role == "query" else "encoding candidates"
    encoding = encode(encoder.card, Texts(encoder, role, item_keys), role, cache, label, progress)
    rows = encoding.places(item_keys.keys[0])
    return Encoded(encoding.tokens[rows], len(encoding.keys), len(encoding.missing), encoding.vectors[rows])


def read_items(model: CountsTokens, items: Items, role: Role) -> Read:
    """Count what a model reads of items whose vectors it does not give away; none of them is cached."""
    texts, place = distinct(items.texts)
    return Read(count_tokens(model, texts, role)[place], len(texts), len(texts))


def encode_texts(encoder: Encoder, items: Items, language: str, role: Role) -> Floats:
    """Encode texts of one language without using the cache; returns vectors [items, dim].

    :raises BadEncoder: as for `panglot.encode.encoding.encode`.
    """
    item_keys = ItemKeys([language], [items])
    encoding = encode(encoder.card, Texts(encoder, role, item_keys), role, None, "encoding", silent)
    return encoding.vectors[encoding.places(item_keys.keys[0])]


def encode_with_images(
    encoder: Encoder, pool: Pool, cache: VectorCache | None = None, progress: Progress = silent
) -> tuple[Encoded, Encoded]:
    """Encode the queries and candidates of a pool that contains images: each caption and each image once.

    Captions are encoded with the role `query` on either side, so that text → image, image → text and mixed pools share
    the same vectors. Counts of encoded inputs are reported with the queries.

    :raises BadEncoder: the encoder does not support images or embeds them in another dimension, or as for
        `panglot.encode.encoding.encode`.
    """
    if not isinstance(encoder, SeesImages):
        raise BadEncoder(f"{encoder.card.name} does not encode images.")
    item_keys = ItemKeys(pool.languages, [pool.queries, pool.candidates])
    texts = encode(encoder.card, Texts(encoder, "query", item_keys), "query", cache, "encoding captions", progress)
    images = encode(encoder.card, Images(encoder, item_keys), "image", cache, "encoding images", progress)
    vectors, tokens = _in_one_space(encoder.card.name, texts, images)
    work = len(texts.keys) + len(images.keys), len(texts.missing) + len(images.missing)
    place = {key: row for row, key in enumerate([*texts.keys, *images.keys])}
    del texts, images  # half a gigabyte of vectors at the size of XM3600
    queries, candidates = (np.array([place[key] for key in keys]) for keys in item_keys.keys)
    return Encoded(tokens[queries], *work, vectors[queries]), Encoded(tokens[candidates], 0, 0, vectors[candidates])


def _in_one_space(name: str, texts: Encoding, images: Encoding) -> tuple[Floats, Ints]:
    """Concatenate vectors [texts and images, dim] and tokens [texts and images], texts first.

    :raises BadEncoder: their dimensions differ.
    """
    if not texts.keys:
        return images.vectors, images.tokens
    check_dimensions(name, captions=texts.vectors, images=images.vectors)
    return np.concatenate([texts.vectors, images.vectors]), np.concatenate([texts.tokens, images.tokens])


def check_dimensions(name: str, **vectors: Floats) -> None:
    """Check that two sets of vectors [items, dim] can be compared.

    :raises BadEncoder: their dimensions differ.
    """
    (one, other) = ((kind, some.shape[1]) for kind, some in vectors.items())
    if one[1] != other[1]:
        raise BadEncoder(
            f"{name} returned vectors of dimension {one[1]} for {one[0]} and {other[1]} for {other[0]}. The dimensions "
            "must be equal."
        )
