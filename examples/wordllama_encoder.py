"""WordLlama 256: the token vectors that the package `wordllama` ships, in a static model of sentence-transformers.

pip install --no-deps wordllama
panglot run py:examples.wordllama_encoder:make --tasks xquad-r
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import distribution, version

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.card import ModelCard, Role


class WordLlama:
    """256 dimensions, one vector a token, averaged. Only the package's files are read: its own loader wants a hub."""

    def __init__(self) -> None:
        from safetensors.numpy import load_file
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer

        package = distribution("wordllama")
        tokenizer = package.locate_file("wordllama/tokenizers/l2_supercat_tokenizer_config.json")
        weights = load_file(str(package.locate_file("wordllama/weights/l2_supercat_256.safetensors")))[
            "embedding.weight"
        ]
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._model = StaticEmbedding(self._tokenizer, embedding_weights=weights)
        self.card = ModelCard(
            name="wordllama-256",
            revision=version("wordllama"),
            library=f"wordllama {version('wordllama')}, sentence-transformers {version('sentence-transformers')}",
            dimension=weights.shape[1],
            parameters=weights.size,
            licence="MIT",
            note="Static token vectors made of Llama 2's; English-centred.",
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, 256]; the mean over the tokens."""
        import torch

        with torch.inference_mode():
            vectors: Floats = self._model(self._model.preprocess(list(texts)))["sentence_embedding"].numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text, [texts]; none is cut."""
        cut = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return np.array([len(tokens) for tokens in cut], np.int32)


def make() -> WordLlama:
    """Called by `panglot run py:examples.wordllama_encoder:make`."""
    return WordLlama()
