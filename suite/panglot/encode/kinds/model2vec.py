"""`model2vec:NAME` or a folder: static token vectors, averaged (Tulkens and van Dongen, 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.card import ModelCard, Role
from panglot.encode.checkpoints.loading import model_folder
from panglot.encode.checkpoints.revision import folder_revision
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require


def load(name: str, options: Options) -> Model2VecEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: model2vec is not installed.
    :raises BadEncoder: the model does not exist, or has fewer dimensions than `truncate_dim`.
    """
    require("model2vec", "model2vec", f"The model model2vec:{name}")
    from model2vec import StaticModel

    kept = {} if options.max_length is None else {"max_length": options.max_length}
    try:
        folder = model_folder(name)
        model = StaticModel.from_pretrained(folder, dimensionality=options.truncate_dim, **kept)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise BadEncoder(
            f"model2vec:{name} cannot be loaded. {type(error).__name__}: {reason}. Expected a model saved by "
            "model2vec, with model.safetensors, tokenizer.json and config.json, as a folder or a name on the Hub."
        ) from error
    if Path(name).is_dir():
        return Model2VecEncoder(folder.resolve().name, folder_revision(folder), model)
    return Model2VecEncoder(name, folder.name, model)


class Model2VecEncoder:
    """A static model: no context, no prompts, and the same vector for a text in either role."""

    def __init__(self, name: str, revision: str, model: Any) -> None:
        self._model = model
        self.card = ModelCard(
            name=name,
            revision=revision,
            library=f"model2vec {version('model2vec')}",
            dimension=model.dim,
            parameters=model.embedding.size,
            max_length=model.max_length,
            backend="numpy",
            note="Static token vectors; a text without a known token gets the mean of all of them.",
        )
        self._unknown: Floats = model.embedding.mean(axis=0, dtype=np.float32)

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dimension], float32."""
        vectors: Floats = np.asarray(self._model.encode(list(texts), use_multiprocessing=False), np.float32)
        vectors[~vectors.any(axis=1)] = self._unknown
        return vectors

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text before truncation, [texts]."""
        self._model.tokenizer.no_truncation()
        counts = [len(tokens) for tokens in self._model.tokenize(list(texts))]
        return np.array(counts, np.int32)
