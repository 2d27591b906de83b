"""`st:name`, `org/name` or a folder: a model that the library sentence-transformers loads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from suite.arrays import Floats
from suite.encoder import ModelCard, Options, Role
from suite.errors import BadEncoder, require

PROMPT_NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("passage", "document", "corpus")}
"""The names under which a model's own configuration keeps its prompts, first match wins."""

BATCH = 16


def load(name: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: there is no such model, or its folder holds none.
    """
    require("sentence_transformers", "st", f"The model {name}")
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in ("modules.json", "config.json")):
        raise BadEncoder(f"{folder} is no model: it has neither modules.json nor config.json.")
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(name, trust_remote_code=False)
    except Exception as error:
        raise BadEncoder(
            f"{name} cannot be loaded by sentence-transformers. {type(error).__name__}: {error}"
        ) from error
    return SentenceTransformerEncoder(name, model)


class SentenceTransformerEncoder:
    """A sentence-transformers model with the prompts of its own configuration."""

    def __init__(self, name: str, model: Any) -> None:
        self._model = model
        prompts = {role: _prompt(model, names) for role, names in PROMPT_NAMES.items()}
        folder = Path(name)
        self.card = ModelCard(
            name=folder.resolve().name if folder.is_dir() else name,
            revision=_folder_revision(folder) if folder.is_dir() else _hub_revision(model),
            library=f"sentence-transformers {version('sentence-transformers')}",
            similarity="dot" if str(model.similarity_fn_name) == "dot" else "cosine",
            dimension=model.get_embedding_dimension(),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            max_length=model.max_seq_length,
            prompts={role: prompt for role, prompt in prompts.items() if prompt},
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dimension], each text behind the prompt of its role."""
        vectors: Floats = self._model.encode(
            list(texts),
            prompt=self.card.prompts.get(role, ""),
            batch_size=BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, np.float32)


def _prompt(model: Any, names: Sequence[str]) -> str:
    """The first prompt of these names that says something."""
    return next((model.prompts[name] for name in names if model.prompts.get(name)), "")


def _folder_revision(folder: Path) -> str:
    """A hash over the folder's files, so that a changed model is another model."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _hub_revision(model: Any) -> str:
    """The commit that the Hub's cache was filled from."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    return getattr(config, "_commit_hash", None) or "unknown"
