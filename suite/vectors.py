"""From texts to vectors: each text of a pool encoded once, checked, and of unit length where cosine is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from suite.arrays import Floats, Ints
from suite.encoder import Encoder, Role
from suite.errors import BadEncoder, PanglotError
from suite.pool import Items, Pool
from suite.progress import Progress, silent

CHUNK = 256
"""Texts handed to an encoder at once, of about the same length; the encoder makes its own batches of them."""


def encode_items(encoder: Encoder, pool: Pool, role: Role, progress: Progress = silent, chunk: int = CHUNK) -> Floats:
    """Vectors [items, dimension], float32, of a pool's queries or candidates (role `passage`).

    Equal texts are encoded once. Outer white space is stripped, because libraries differ in whether they do.

    :raises BadEncoder: naming the item, its language and its text, when the encoder fails or returns no vector for it.
    """
    items = pool.queries if role == "query" else pool.candidates
    texts = [text.strip() for text in items.texts]
    unique = sorted(set(texts), key=lambda text: (-len(text), text))
    described = _Described(pool.languages, items, texts)
    vectors: Floats | None = None
    with progress("encoding queries" if role == "query" else "encoding candidates", len(unique)) as advance:
        for start in range(0, len(unique), chunk):
            part = unique[start : start + chunk]
            encoded = _encode(encoder, part, role, described)
            if vectors is None:
                vectors = np.empty((len(unique), encoded.shape[1]), np.float32)
            if encoded.shape[1] != vectors.shape[1]:
                raise BadEncoder(
                    f"{encoder.card.name} returned vectors of dimension {vectors.shape[1]} and then of "
                    f"{encoded.shape[1]}, from {described(part[0])} on."
                )
            vectors[start : start + len(part)] = encoded
            advance(len(part))
    if vectors is None:
        raise BadEncoder(f"There is nothing to encode: the pool has no {role} items.")
    if encoder.card.similarity == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    place = {text: index for index, text in enumerate(unique)}
    rows: Ints = np.array([place[text] for text in texts])
    return vectors[rows]


class _Described:
    """Says which item a text belongs to, for messages."""

    def __init__(self, languages: Sequence[str], items: Items, texts: list[str]) -> None:
        self._languages, self._items, self._texts = languages, items, texts

    def __call__(self, text: str) -> str:
        index = self._texts.index(text)
        excerpt = text if len(text) <= 80 else f"{text[:77]}..."
        return f"{self._items.ids[index]} ({self._languages[self._items.language[index]]}): {excerpt!r}"


def _encode(encoder: Encoder, texts: list[str], role: Role, described: _Described) -> Floats:
    """Encode one chunk and refuse whatever is no vector."""
    try:
        vectors = np.asarray(encoder.encode(texts, role))
    except PanglotError:
        raise
    except Exception as error:
        culprit = _first_failing(encoder, texts, role)
        raise BadEncoder(
            f"{encoder.card.name} failed on {described(culprit)}. {type(error).__name__}: {error}"
        ) from error
    if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
        raise BadEncoder(
            f"{encoder.card.name} returned an array of shape {vectors.shape} for {len(texts)} texts, the first "
            f"{described(texts[0])}. Expected ({len(texts)}, dimension)."
        )
    if not np.issubdtype(vectors.dtype, np.floating):
        raise BadEncoder(f"{encoder.card.name} returned {vectors.dtype} for {described(texts[0])}. Expected floats.")
    vectors = vectors.astype(np.float32)
    for fault, where in (
        ("NaN or infinity", ~np.isfinite(vectors).all(axis=1)),
        ("a zero vector", ~vectors.any(axis=1)),
    ):
        if where.any():
            culprit = texts[int(np.argmax(where))]
            raise BadEncoder(
                f"{encoder.card.name} returned {fault} for {described(culprit)} ({where.sum()} of {len(texts)})."
            )
    return vectors


def _first_failing(encoder: Encoder, texts: list[str], role: Role) -> str:
    """The text that makes the encoder raise, found by halving; the first one if only all together do."""
    while len(texts) > 1:
        half = texts[: len(texts) // 2]
        try:
            encoder.encode(half, role)
        except Exception:
            texts = half
        else:
            texts = texts[len(texts) // 2 :]
    return texts[0]
