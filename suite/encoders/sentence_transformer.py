"""`st:name`, `org/name` or a folder: a model that the library sentence-transformers loads."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from suite.arrays import Floats, Ints
from suite.encoder import ModelCard, Options, Role
from suite.encoders.loading import PROMPT_NAMES, check_folder, explained, find_devices, is_out_of_reach, weights
from suite.encoders.revision import folder_revision, hub_revision
from suite.errors import BadEncoder, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LONGEST = 1_000_000
"""Tokenizers that know no limit state an absurd one."""


def load(name: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: there is no such model, or it cannot do what the options ask.
    """
    require("sentence_transformers", "st", f"The model {name}")
    check_folder(name, "modules.json", "config.json")
    from sentence_transformers import SentenceTransformer

    devices = find_devices(options)
    with explained(name):
        model = SentenceTransformer(
            name,
            device=devices[0] if len(devices) == 1 else "cpu",
            trust_remote_code=options.trust_remote_code,
            local_files_only=is_out_of_reach(name),
            truncate_dim=options.truncate_dim,
            model_kwargs=weights(options, devices),
        )
    return kind_of(model)(name, model, options, devices)


def kind_of(model: Any) -> type[SentenceTransformerEncoder]:
    """What a model is wrapped in: one that supports images sees them."""
    return SeeingSentenceTransformer if model.supports("image") else SentenceTransformerEncoder


class SentenceTransformerEncoder:
    """A sentence-transformers model that does what the options ask and what its own configuration says otherwise.

    :raises BadEncoder: an option that this model cannot follow.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        options: Options,
        devices: list[str],
        pooling: str = "",
        similarity: Literal["cosine", "dot"] | None = None,
        suffix: str = "",
    ) -> None:
        folder = Path(name)
        revision = folder_revision(folder) if folder.is_dir() else hub_revision(model.config)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        _check_tokenizer(name, getattr(model[0], "tokenizer", None))
        _set_length(name, model, options.max_length)
        _pad_as_trained(model[0])
        _check_dimension(name, model, options.truncate_dim)
        library = f"sentence-transformers {version('sentence-transformers')}, torch {version('torch')}"
        if options.backend == "openvino":
            from suite.encoders.openvino import compile_with_openvino

            compile_with_openvino(name, revision, model[0], options.precision)
            library += f", openvino {version('openvino')}"
        self._model = model
        self._devices = devices
        self._pool: Any = None
        self._autocast = options.backend == "torch" and options.precision == "bf16" and devices == ["cpu"]
        self.card = ModelCard(
            name=(folder.resolve().name if folder.is_dir() else name) + suffix,
            revision=revision,
            library=library,
            similarity=similarity or ("dot" if str(model.similarity_fn_name) == "dot" else "cosine"),
            dimension=model.get_embedding_dimension(),
            parameters=parameters,
            max_length=_length(model),
            prompts=_prompts(model, options),
            precision=options.precision,
            backend=f"{options.backend}, {pooling} pooling" if pooling else options.backend,
            trust_remote_code=_ran_remote_code(model),
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dimension], each text behind the prompt of its role; one forward pass on each device."""
        import torch

        encode = self._model.encode_query if role == "query" else self._model.encode_document
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            vectors: Floats = encode(
                list(texts),
                prompt=self.card.prompts.get(role, ""),
                batch_size=max(len(texts), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
                **self._workers(len(texts)),
            )
        return np.asarray(vectors, np.float32)

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text with its prompt and special tokens, before truncation, [texts]."""
        prompt = self.card.prompts.get(role, "")
        tokens = _tokenize(self._model[0].tokenizer, [prompt + text for text in texts])
        return np.array([len(found) for found in tokens], np.int32)

    def _workers(self, texts: int) -> dict[str, Any]:
        """A process for each of several devices, started when first needed and stopped with this encoder."""
        if len(self._devices) == 1:
            return {}
        if self._pool is None:
            self._pool = self._model.start_multi_process_pool(self._devices)
            weakref.finalize(self, self._model.stop_multi_process_pool, self._pool)
        return {"pool": self._pool, "chunk_size": max(-(-texts // len(self._devices)), 1)}


class SeeingSentenceTransformer(SentenceTransformerEncoder):
    """A model that puts images into the space of its texts: CLIP, SigLIP, routers with a way for each."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, dimension]; the model's own processor brings each image to its size."""
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            vectors: Floats = self._model.encode(
                list(images),
                prompt="",
                batch_size=max(len(images), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
                **self._workers(len(images)),
            )
        return np.asarray(vectors, np.float32)


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that is missing, or that transformers made up because its files are: special tokens only.

    :raises BadEncoder: naming the file that is needed.
    """
    special = len(getattr(tokenizer, "all_special_tokens", ()))
    if tokenizer is None or (special and len(tokenizer) <= special):
        raise BadEncoder(f"{name} has no tokenizer. Put its tokenizer.json beside its weights.")


def _pad_as_trained(module: Any) -> None:
    """Pad texts for SigLIP to its full length: it reads its padding, and else a vector would depend on its batch."""
    if str(getattr(getattr(module, "config", None), "model_type", "")).startswith("siglip"):
        module.max_seq_length = min(module.max_seq_length or LONGEST, module.config.text_config.max_position_embeddings)
        module.processing_kwargs = {"text": {"padding": "max_length"}, **module.processing_kwargs}


def _prompts(model: Any, options: Options) -> dict[Role, str]:
    """What the person asked for, or what the model's configuration has for the role, or for every text."""
    own = {role: next(filter(None, map(model.prompts.get, names)), "") for role, names in PROMPT_NAMES.items()}
    if not any(own.values()) and model.default_prompt_name:
        own = dict.fromkeys(own, model.prompts.get(model.default_prompt_name) or "")
    asked: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
    chosen: dict[Role, str] = {role: own[role] if text is None else text for role, text in asked.items()}
    return {role: prompt for role, prompt in chosen.items() if prompt}


def _length(model: Any) -> int | None:
    """Tokens after which texts are cut, if they are; static embeddings say it in their tokenizer."""
    cut = getattr(model[0].tokenizer, "truncation", None)
    length = cut["max_length"] if cut else model.max_seq_length
    return None if length is None or length > LONGEST else int(length)


def _set_length(name: str, model: Any, asked: int | None) -> None:
    """Cut texts where the person asked.

    :raises BadEncoder: the model has no places for so many tokens, or cuts no texts.
    """
    if asked is None:
        return
    places = getattr(model.config, "max_position_embeddings", None)
    if asked < 1 or (places and asked > places):
        raise BadEncoder(f"--max-length {asked}: {name} reads from 1 to {places or LONGEST} tokens.")
    try:
        model.max_seq_length = asked
    except AttributeError as error:
        raise BadEncoder(f"{name} cuts no texts. Leave out --max-length.") from error


def _check_dimension(name: str, model: Any, asked: int | None) -> None:
    if asked is None:
        return
    with model.truncate_embeddings(None):
        whole = model.get_embedding_dimension()
    if not 1 <= asked <= (whole or asked):
        raise BadEncoder(f"--truncate-dim {asked}: {name} has vectors of {whole} dimensions. Ask for 1 to {whole}.")


def _tokenize(tokenizer: Any, texts: list[str]) -> Sequence[Sequence[Any]]:
    """Whole texts cut by a tokenizer of transformers, of static embeddings, or of word vectors."""
    if not texts:
        return []
    if hasattr(tokenizer, "encode_batch"):
        cut = tokenizer.truncation
        tokenizer.no_truncation()
        try:
            return tokenizer.encode_batch(texts, add_special_tokens=False)
        finally:
            if cut:
                tokenizer.enable_truncation(**cut)
    if callable(tokenizer):
        return tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return [tokenizer.tokenize(text) for text in texts]


def _ran_remote_code(model: Any) -> bool:
    """Whether a part of the model is of a class that came with its weights."""
    parts = [*model.modules(), model.config, model[0].tokenizer]
    return any(type(part).__module__.startswith("transformers_modules.") for part in parts)
