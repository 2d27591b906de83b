"""The layers of an encoder: freeze the first ones, and let learning rates fall from the last to the first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer

from panglot.errors import BadEncoder
from panglot.train.recipes.recipe import Recipe


def text_module(model: SentenceTransformer) -> Any:
    """The first module on the route of texts: a transformer, or a static embedding."""
    return model[0].sub_modules["text"][0] if isinstance(model[0], Router) else model[0]


Table = Literal["text", "image"]
"""The table of a recipe that names a tower, for messages."""

_NAMING = {
    "text": "Remove text.layers, text.frozen_layers and training.layer_decay.",
    "image": "Set image.frozen_layers to 'all'.",
}


def layers_of(network: torch.nn.Module, table: Table = "text") -> torch.nn.ModuleList:
    """The list of an encoder's layers.

    :raises BadEncoder: the encoder does not have exactly one list of as many modules as its configuration has layers.
    """
    blocks = getattr(network.config, "num_block_repeats", None)  # EfficientNet counts layers in another way
    count = sum(blocks) if blocks else getattr(network.config, "num_hidden_layers", None)
    stacks = [part for part in network.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == count]
    if len(stacks) != 1:
        raise BadEncoder(
            f"{table}.base: the layers of a {type(network).__name__} cannot be told apart. {_NAMING[table]}"
        )
    return stacks[0]


def embeddings_of(network: torch.nn.Module) -> torch.nn.Module:
    """The module before the first layer: all embeddings with their normalisation, or those of tokens only."""
    embeddings = getattr(network, "embeddings", None)
    return embeddings if isinstance(embeddings, torch.nn.Module) else network.get_input_embeddings()


def freeze(transformer: Transformer, count: int, table: Table = "text") -> None:
    """Freeze the embeddings and the first `count` layers; they also stay without dropout during training.

    The statistics of batch normalisation are kept in all layers: those of a training batch would be too noisy.

    :raises BadEncoder: no layer would be left to train, or the layers cannot be told apart.
    """
    network = transformer.auto_model
    frozen = [embeddings_of(network)]
    if count:
        layers = layers_of(network, table)
        if count >= len(layers):
            raise BadEncoder(
                f"{table}.frozen_layers: the base has {len(layers)} layers, so at most {len(layers) - 1} can be frozen."
            )
        frozen += layers[:count]
    for module in frozen:
        module.requires_grad_(False)
    for module in (*frozen, *(part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d))):
        module.eval()
        module.train = lambda mode=True, module=module: module


def checkpoint_activations(model: SentenceTransformer) -> None:
    """Let the encoder recompute activations in the backward pass; newer transformers have another name for this."""
    network = text_module(model).auto_model
    getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)()


def layer_rates(model: SentenceTransformer, recipe: Recipe) -> dict[str, float]:
    """The learning rates of `layer_decay`, by a regular expression for the names of parameters in the loss.

    The last layer and all that follows have the full rate, each layer `layer_decay` times that of the one above, and
    the embeddings that of a layer below the first (arXiv 1801.06146, section 3.2).

    :raises BadEncoder: the layers cannot be told apart.
    """
    decay = recipe.training.layer_decay
    if decay == 1:
        return {}
    network = text_module(model).auto_model
    layers = layers_of(network)
    parts = [embeddings_of(network), *layers]
    return dict(_rates(model, parts, recipe.training.learning_rate, decay))


def _rates(model: SentenceTransformer, parts: list[Any], rate: float, decay: float) -> Iterator[tuple[str, float]]:
    names = {id(module): name for name, module in model.named_modules()}
    for place, part in enumerate(parts):
        if any(parameter.requires_grad for parameter in part.parameters()):
            yield rf"^model\.{re.escape(names[id(part)])}\.", rate * decay ** (len(parts) - 1 - place)
