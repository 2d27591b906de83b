"""A cross-encoder of sentence-transformers, from a folder or the Hub: it reads a query and a passage together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.budget import TokenBudget
from panglot.encode.card import ModelCard, Role
from panglot.encode.checkpoints.checkpoint import load_watched
from panglot.encode.checkpoints.devices import describe, first_budget
from panglot.encode.checkpoints.loading import (
    AUTO,
    PROBE,
    check_folder,
    explained,
    find_devices,
    weights,
)
from panglot.encode.checkpoints.precision import computed_options, loaded_options
from panglot.encode.checkpoints.revision import revision_of
from panglot.encode.checkpoints.tokens import count_tokens, limit, prepare
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require


def check_reranker(name: str) -> None:
    """Check that the name of a cross-encoder can be loaded, without loading it.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: the folder is not there, or has no model.
    """
    require("sentence_transformers", "st", f"The reranker {name}")
    check_folder(name, "modules.json", "config.json", "adapter_config.json")


class CrossEncoderScorer:
    """Raw scores of a cross-encoder, before its activation function, which could round different ones to 1.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: the model does not exist, lacks weights, gives several scores for a pair, or does not support an
        option.
    """

    def __init__(self, name: str, options: Options) -> None:
        check_reranker(name)
        from sentence_transformers import CrossEncoder

        options = computed_options(options)
        devices = find_devices(options)
        if len(devices) > 1 or devices == [AUTO]:
            raise BadEncoder(f"--device {options.device}: a reranker runs on one device.")

        def load(local: bool) -> Any:
            return CrossEncoder(
                name,
                device=devices[0],
                trust_remote_code=options.trust_remote_code,
                local_files_only=local,
                model_kwargs=weights(options, devices),
            )

        with explained(name):
            self._model, checkpoint = load_watched(name, load)
        options = loaded_options(options, self._model)
        self._autocast = options.precision == "bf16" and devices == ["cpu"]
        self.device, self.hardware = devices[0], describe(self._model, devices)
        self.budget = TokenBudget(first_budget(self._model, devices), options.batch_tokens)
        is_classifier = getattr(self._model[0], "transformer_task", "") == "sequence-classification"
        labels = self._model.config.num_labels if is_classifier else 1
        if labels != 1:
            raise BadEncoder(f"{name} gives {labels} scores for a pair. A reranker gives one.")
        notes = prepare(name, [self._model[0]], options.max_length)
        checkpoint.check(name, lambda: self.score([(PROBE, PROBE), (PROBE, "another")]))
        folder = Path(name)
        self.card = ModelCard(
            name=folder.resolve().name if folder.is_dir() else name,
            revision=revision_of(name, self._model.config),
            library=f"sentence-transformers {version('sentence-transformers')}, torch {version('torch')}",
            similarity="none",
            parameters=sum(parameter.numel() for parameter in self._model.parameters()),
            max_length=limit(self._model[0], "passage"),
            precision=options.precision or "fp32",
            backend=", ".join(["torch", *checkpoint.additions()]),
            trust_remote_code=options.trust_remote_code,
            note=" ".join(notes),
        )

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text, [texts]; the model's prompt, if it has one, stands before the query."""
        prompt = self._model.prompts.get(self._model.default_prompt_name) or "" if role == "query" else ""
        return count_tokens(self._model[0].tokenizer, [prompt + text for text in texts])

    def score(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Return the scores of pairs of a query and a passage, [pairs], float32."""
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            scores = self._model.predict(
                list(pairs),
                batch_size=len(pairs),
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
                convert_to_tensor=True,
            )
        return np.asarray(scores.float().cpu().numpy(), np.float32)
