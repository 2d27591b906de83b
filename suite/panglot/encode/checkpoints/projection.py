"""Add a module to a sentence-transformers model: a matrix that removes directions from every vector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from panglot.arrays import Floats
from panglot.encode.card import Role
from panglot.encode.checkpoints.loading import PROMPT_NAMES
from panglot.errors import BadEncoder


def save_without(model: Any, directions: Floats, prompts: Mapping[Role, str], folder: Path) -> None:
    """Save the model with orthonormal `directions` [R, dim] removed from its vectors, as a sentence-transformers model.

    The new module comes last, or before a final normalisation. `prompts` become the prompts of the saved model.

    :raises BadEncoder: the model's vectors have another dimension than the directions.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Normalize

    dimension = model.get_embedding_dimension()
    if dimension != directions.shape[1]:
        raise BadEncoder(
            f"The model has vectors of dimension {dimension}, but the directions have {directions.shape[1]}. Fit them "
            "on this model."
        )
    kept = np.eye(dimension) - directions.T @ directions
    weight = torch.tensor(kept, dtype=torch.float32)
    projection = Dense(dimension, dimension, bias=False, activation_function=None, init_weight=weight)
    parts = list(model.named_children())
    parts.insert(len(parts) - isinstance(parts[-1][1], Normalize), ("", projection))
    named = {PROMPT_NAMES[role][0]: prompt for role, prompt in prompts.items()}
    saved = SentenceTransformer(
        modules=[part for _, part in parts],
        device="cpu",
        prompts={**model.prompts, **named},
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
    )
    taken = model.module_kwargs or {}
    saved.module_kwargs = {str(place): taken.get(name, []) for place, (name, _) in enumerate(parts)}
    saved.save_pretrained(str(folder), create_model_card=False)
