"""InfoNCE for each kind of batch (arXiv 2408.10536, equation 1, with in-batch negatives)."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Any

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn

from panglot.train.recipes.recipe import Kind, Recipe

IMAGE: Kind = "image"


class HybridLoss(nn.Module):
    """Cross-entropy of scale x cosine, with a separate scale for each kind of batch.

    The collator labels each batch with its kind. With several processes, the passages of all of them are negatives, so
    the loss of a batch does not depend on the number of processes.
    """

    def __init__(self, model: Any, recipe: Recipe, processes: int = 1) -> None:
        super().__init__()
        self.model = model
        self._dimensions = recipe.loss.matryoshka or (None,)
        self._frozen_for_images = recipe.text.frozen_for_images
        scales = {kind: recipe.loss.scales.get(kind, recipe.loss.scale) for kind in recipe.shares}
        self.log_scale = nn.ParameterDict(
            {
                kind: nn.Parameter(torch.tensor(log(scale)), requires_grad=recipe.loss.learned)
                for kind, scale in scales.items()
            }
        )
        if recipe.loss.learned and processes > 1:
            for scale in self.log_scale.values():
                scale.register_hook(_mean_over_processes)
        settings: dict[str, Any] = {"gather_across_devices": processes > 1}
        if recipe.loss.symmetric:
            settings |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
        self._cached: CachedMultipleNegativesRankingLoss | None = None
        if recipe.loss.mini_batch:
            self._cached = CachedMultipleNegativesRankingLoss(model, mini_batch_size=recipe.loss.mini_batch, **settings)
        self._ranking = MultipleNegativesRankingLoss(model, **settings)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Kind) -> Tensor:
        """The loss of one batch, whose kind is `labels`."""
        scale = self.log_scale[labels].exp()
        if self._cached is not None and not (labels == IMAGE and self._frozen_for_images):
            self._cached.scale = scale.item()
            return self._cached(sentence_features, None)
        self._ranking.scale = scale
        vectors = embed_columns(self.model, sentence_features)
        if labels == IMAGE and self._frozen_for_images:
            vectors[0] = vectors[0].detach()
        losses = [
            self._ranking.compute_loss_from_embeddings([v[:, :cut] for v in vectors], None) for cut in self._dimensions
        ]
        return torch.stack(losses).mean()

    def scales(self) -> dict[str, float]:
        """The current scale of each kind."""
        return {kind: scale.exp().item() for kind, scale in self.log_scale.items()}


def _mean_over_processes(gradient: Tensor) -> Tensor:
    """Average the gradient over processes: the scales are not part of the model that torch synchronises."""
    gradient = gradient.clone()
    torch.distributed.all_reduce(gradient)
    return gradient / torch.distributed.get_world_size()
