"""Models that know nothing, or nothing but the language: the ends of every scale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.encode.model import ModelCard, Options, Role
from panglot.progress import Progress
from panglot.retrieve.similarity import DenseScores, ScoreBlocks

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DIMENSION = 64


def load_random(_: str, options: Options) -> RandomVectors:
    """The floor that chance gives."""
    return RandomVectors()


def load_constant(_: str, options: Options) -> ConstantVectors:
    """The floor that the tie rule gives."""
    return ConstantVectors()


def load_language_id(_: str, options: Options) -> LanguageId:
    """The ceiling of language bias."""
    return LanguageId()


def _card(name: str, note: str) -> ModelCard:
    return ModelCard(name=name, revision="1", library="numpy", dimension=DIMENSION, licence="CC0-1.0", note=note)


class RandomVectors:
    """A Gaussian vector drawn from a hash of the role and the text: always the same, and about nothing."""

    card = _card("random", "Gaussian vectors drawn from a hash of the text.")

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 64]."""
        seeds = (hashlib.blake2b(f"{role}\0{text}".encode(), digest_size=16).digest() for text in texts)
        return _drawn(seeds)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, 64], drawn from a hash of the pixels."""
        return _drawn(hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _drawn(seeds: Iterable[bytes]) -> Floats:
    return np.stack(
        [np.random.default_rng(int.from_bytes(seed)).standard_normal(DIMENSION, np.float32) for seed in seeds]
    )


class ConstantVectors:
    """One vector for everything."""

    card = _card("constant", "The same vector for every text.")

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 64], all alike."""
        return np.ones((len(texts), DIMENSION), np.float32)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, 64], all alike."""
        return np.ones((len(images), DIMENSION), np.float32)


class LanguageId:
    """Scores 1 where query and candidate are in one language and 0 elsewhere."""

    ignores_content: Literal[True] = True
    card = ModelCard(
        name="language-id",
        revision="1",
        library="numpy",
        similarity="none",
        licence="CC0-1.0",
        note="Knows the language of a text and nothing else.",
    )

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Products of one-hot vectors of the languages."""
        languages = np.eye(len(pool.languages), dtype=np.float32)
        return DenseScores(languages[pool.queries.language], languages[pool.candidates.language])
