"""LoRA adapters on an encoder (arXiv 2106.09685), by the package peft."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer

from panglot.encode.checkpoints.loading import one_line
from panglot.errors import BadEncoder, require
from panglot.train.recipes.towers_table import TextTower
from panglot.train.towers.layers import layers_of, text_module


def add_lora(transformer: Any, text: TextTower) -> None:
    """Add an adapter, which alone is trained; frozen layers get none.

    :raises MissingExtra: peft is not installed.
    :raises BadEncoder: the base does not have the layers to adapt.
    """
    if text.lora is None:
        return
    require("peft", "lora", "text.lora")
    from peft import LoraConfig

    settings = text.lora.model_dump(exclude={"merged"}, exclude_none=True)
    if isinstance(targets := settings.get("target_modules"), tuple):
        settings["target_modules"] = list(targets)
    if text.frozen_layers:
        count = len(layers_of(transformer.auto_model))
        settings["layers_to_transform"] = list(range(text.frozen_layers, count))
    try:
        transformer.auto_model.add_adapter(LoraConfig(task_type="FEATURE_EXTRACTION", **settings))
    except ValueError as error:
        raise BadEncoder(
            f"text.lora: {text.base} cannot be adapted. {one_line(error)} Set text.lora.target_modules."
        ) from error


def merge_lora(model: SentenceTransformer) -> None:
    """Merge the adapter into the weights of its base, and remove it."""
    from peft.tuners.lora import LoraLayer

    network = text_module(model).auto_model
    for name, module in list(network.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent = network.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())
    network._hf_peft_config_loaded = False
    del network.peft_config
