"""`mteb:NAME`: a model from mteb's registry, with mteb's loader, wrapper and prompts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from importlib.metadata import version
from math import isfinite
from typing import Any

import numpy as np

from panglot.arrays import Floats
from panglot.encode.card import ModelCard, Precision, Role
from panglot.encode.checkpoints.checkpoint import watched
from panglot.encode.checkpoints.loading import PROBE
from panglot.encode.options import Options
from panglot.errors import BadEncoder, PanglotError, require

TASK = "XQuADRetrieval"
"""The task given to mteb, which selects prompts by task; this is the closest to Panglot's tasks."""

BATCH = 32
ROLES: tuple[Role, Role] = ("query", "passage")


def load(name: str, options: Options) -> MtebEncoder:
    """Load a model with mteb.

    :raises MissingExtra: mteb is not installed.
    :raises BadEncoder: mteb does not have the model, it does not produce one vector per text, or it cannot be loaded.
    """
    require("mteb", "mteb", f"The model mteb:{name}")
    meta = _meta(name)
    if "dense" not in meta.model_type:
        other = {"late-interaction": "late", "sparse": "sparse"}.get(meta.model_type[0])
        advice = f" Try {other}:{name}." if other and not name.startswith("mteb/") else ""
        raise BadEncoder(
            f"mteb:{name} is a {meta.model_type[0]} model; mteb: supports models with one vector per text.{advice}"
        )
    if meta.loader_kwargs.get("trust_remote_code") and not options.trust_remote_code:
        raise BadEncoder(f"mteb:{name} runs code from the model's own repository. Allow it with --trust-remote-code.")
    try:
        with warnings.catch_warnings(), watched() as checkpoint:
            warnings.simplefilter("ignore")
            model = meta.load_model(device=options.device, embed_dim=options.truncate_dim)
    except PanglotError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadEncoder(
            f"mteb:{name} cannot be loaded by mteb {version('mteb')}. {type(error).__name__}: {reason}"
        ) from error
    if not callable(getattr(model, "encode", None)):
        raise BadEncoder(f"mteb:{name} is a search system without vectors. Try bm25, or another kind of model.")
    encoder = MtebEncoder(model, options, checkpoint.additions())
    checkpoint.check(f"mteb:{name}", *(partial(encoder.encode, [PROBE], role) for role in ROLES))
    return encoder


def _meta(name: str) -> Any:
    """Return the entry of mteb's registry; other models are not searched on the Hub.

    :raises BadEncoder: mteb does not have the model; the message suggests the nearest names.
    """
    import mteb

    try:
        return mteb.get_model_meta(name)
    except KeyError as error:
        known = [meta.name for meta in mteb.get_model_metas() if meta.name]
        nearest = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(nearest)}?" if nearest else f"It has {len(known)} others."
        raise BadEncoder(
            f"mteb {version('mteb')} has no model '{name}'. {hint} Try st:{name} for a Hub name."
        ) from error


class MtebEncoder:
    """A model used through mteb's encoder protocol, as for a retrieval task."""

    def __init__(self, model: Any, options: Options, additions: Sequence[str] = ()) -> None:
        import mteb

        self._model = model
        self._task = mteb.get_task(TASK).metadata
        meta = model.mteb_model_meta
        prompts: dict[Role, str | None] = {"query": self._prompt("query"), "passage": self._prompt("passage")}
        unknown = " Prompts are made inside it." if None in prompts.values() else ""
        self.card = ModelCard(
            name=f"mteb:{meta.name}",
            revision=meta.revision or "unknown",
            library=f"mteb {version('mteb')}, sentence-transformers {version('sentence-transformers')}",
            similarity=_similarity(model),
            dimension=options.truncate_dim or _largest(meta.embed_dim),
            parameters=meta.n_parameters or None,
            max_length=int(meta.max_tokens) if meta.max_tokens and isfinite(meta.max_tokens) else None,
            prompts={role: prompt for role, prompt in prompts.items() if prompt},
            precision=_precision(model),
            backend=", ".join(additions),
            trust_remote_code=options.trust_remote_code,
            licence=meta.license or "unknown",
            note=f"mteb's wrapper {type(model).__name__} as for the task {TASK}.{unknown}",
        )
        self._dimension = options.truncate_dim

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dimension], float32.

        :raises BadEncoder: the wrapper did not truncate the vectors to the requested dimension.
        """
        import torch
        from datasets import Dataset
        from torch.utils.data import DataLoader

        made = self._model.encode(
            DataLoader(Dataset.from_dict({"text": list(texts)}), batch_size=BATCH),
            task_metadata=self._task,
            hf_split="test",
            hf_subset="default",
            prompt_type=_prompt_type(role),
            batch_size=BATCH,
            show_progress_bar=False,
        )
        if isinstance(made, torch.Tensor):
            made = made.detach().float().cpu().numpy()
        vectors: Floats = np.asarray(made, np.float32)
        if self._dimension and vectors.shape[1] != self._dimension:
            raise BadEncoder(
                f"{self.card.name} does not support --truncate-dim: it returned {vectors.shape[1]} dimensions."
            )
        return vectors

    def _prompt(self, role: Role) -> str | None:
        """Return the prompt that mteb's common wrappers prepend; None if a wrapper does not expose it."""
        from mteb.models.abs_encoder import get_prompt
        from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
        from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

        prompt_type = _prompt_type(role)
        if isinstance(self._model, InstructSentenceTransformerModel):
            if role == "passage" and not self._model.apply_instruction_to_passages:
                return ""
            return self._model.get_task_instruction(self._task, prompt_type)
        if type(self._model) is SentenceTransformerEncoderWrapper:
            return get_prompt(self._model.model_prompts, self._task, prompt_type) or ""
        return None


def _prompt_type(role: Role) -> Any:
    from mteb.types import PromptType

    return PromptType.query if role == "query" else PromptType.document


def _similarity(model: Any) -> Any:
    """Detect whether a model's own similarity is cosine or dot product, by applying it to vectors of length 2 and 3.

    :raises BadEncoder: the similarity is neither.
    """
    value = float(model.similarity(np.array([[2.0, 0.0]], np.float32), np.array([[3.0, 0.0]], np.float32))[0, 0])
    for similarity, expected in (("cosine", 1.0), ("dot", 6.0)):
        if abs(value - expected) < 1e-3:
            return similarity
    raise BadEncoder(f"mteb:{model.mteb_model_meta.name} uses neither cosine nor dot product similarity.")


def _largest(dimension: int | Sequence[int] | None) -> int | None:
    """Return the full dimension; mteb may list it together with the supported truncated dimensions."""
    return max(dimension) if isinstance(dimension, Sequence) else dimension


def _precision(model: Any) -> Precision:
    """Return the precision of a torch model's weights."""
    parameters = getattr(getattr(model, "model", None), "parameters", None)
    weight = next(parameters(), None) if callable(parameters) else None
    names: dict[str, Precision] = {"torch.bfloat16": "bf16", "torch.float16": "fp16"}
    return names.get(str(getattr(weight, "dtype", "")), "fp32")
