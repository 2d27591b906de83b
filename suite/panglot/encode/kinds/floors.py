"""Baselines that ignore the text, or use only its language: reference points for every score."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.encode.card import ModelCard, Role
from panglot.encode.options import Options
from panglot.progress import Progress
from panglot.retrieve.similarity import DenseScores, ScoreBlocks

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DIMENSION = 64


def load_random(_: str, options: Options) -> RandomVectors:
    """Return the baseline of chance."""
    return RandomVectors()


def load_constant(_: str, options: Options) -> ConstantVectors:
    """Return the baseline in which all scores are tied."""
    return ConstantVectors()


def load_language_id(_: str, options: Options) -> LanguageId:
    """Return the model with maximum language bias."""
    return LanguageId()


def _card(name: str, note: str) -> ModelCard:
    return ModelCard(name=name, revision="1", library="numpy", dimension=DIMENSION, licence="CC0-1.0", note=note)


class RandomVectors:
    """Gaussian vectors seeded by a hash of the role and the text: reproducible, and unrelated to the content."""

    card = _card("random", "Gaussian vectors drawn from a hash of the text.")

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return random vectors [texts, 64]."""
        seeds = (hashlib.blake2b(f"{role}\0{text}".encode(), digest_size=16).digest() for text in texts)
        return _drawn(seeds)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Return random vectors [images, 64], seeded by a hash of the pixels."""
        return _drawn(hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _drawn(seeds: Iterable[bytes]) -> Floats:
    return np.stack(
        [np.random.default_rng(int.from_bytes(seed)).standard_normal(DIMENSION, np.float32) for seed in seeds]
    )


class ConstantVectors:
    """The same vector for every input."""

    card = _card("constant", "The same vector for every text.")

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return identical vectors [texts, 64]."""
        return np.ones((len(texts), DIMENSION), np.float32)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Return identical vectors [images, 64]."""
        return np.ones((len(images), DIMENSION), np.float32)


class LanguageId:
    """Scores 1 if query and candidate have the same language, else 0."""

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
        """Return products of one-hot language vectors."""
        languages = np.eye(len(pool.languages), dtype=np.float32)
        return DenseScores(languages[pool.queries.language], languages[pool.candidates.language])
