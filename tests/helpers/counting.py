"""Encoders that count what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from panglot.encode.card import ModelCard


class Lengths:
    """Counts letters; remembers what it was asked; may be told to misbehave on one text."""

    def __init__(self, spoil: Callable[[np.ndarray, Sequence[str]], np.ndarray] | None = None, **card: object) -> None:
        self.card = ModelCard.model_validate({"name": "lengths", "revision": "1", "library": "none", **card})
        self.asked: list[tuple[str, str]] = []
        self._spoil = spoil

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.asked += [(role, text) for text in texts]
        vectors = np.array([[len(text), text.count("a"), 1.0] for text in texts])
        return self._spoil(vectors, texts) if self._spoil else vectors


class Counting(Lengths):
    """Counts a token for every word, and its batches."""

    def __init__(self, memory: int = 10**9) -> None:
        super().__init__(max_length=4)
        self.batches: list[int] = []
        self._memory = memory

    def count_tokens(self, texts: list[str], role: str) -> np.ndarray:
        return np.array([len(text.split()) for text in texts])

    def encode(self, texts: list[str], role: str) -> np.ndarray:
        if len(texts) > self._memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        self.batches.append(len(texts))
        return super().encode(texts, role)
