"""Build the untrained model of a recipe: a text tower and, optionally, an image tower.

All modules of a finished model are from sentence-transformers, so a saved folder loads without custom code.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router, Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding
from sentence_transformers.util import is_sentence_transformer_model
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from panglot.arrays import Floats
from panglot.encode.checkpoints.checkpoint import Checkpoint, load_watched
from panglot.encode.checkpoints.loading import PROBE, load_fetched, one_line
from panglot.encode.checkpoints.tokens import positions, prepare
from panglot.encode.kinds.encoder_classes import stated_kind
from panglot.errors import BadEncoder
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.towers_table import TextTower
from panglot.train.towers.layers import freeze
from panglot.train.towers.lora import add_lora, merge_lora
from panglot.train.towers.smaller import count_tokens, keep_layers, keep_tokens, trim_vocabulary

SIF = 1e-3
"""Initial weight of a token with relative frequency p: SIF / (SIF + p) (Arora et al., 2017, equation 3)."""

LEARNT_FROM = 10_000
"""Number of texts that a vocabulary is learnt from."""
DEFAULT_VOCABULARY = 20_000
LONGEST_PIECE = 10
ALIKE = ("1", "1 2 3")
"""Two short texts that start with the same token."""
_PARALLEL = "TOKENIZERS_PARALLELISM"

_WEIGHTS = {"dtype": torch.float32}
"""Half-precision checkpoints are trained in single precision: Adam's updates are too small for float16."""

FEATURES = "features"
"""The route for precomputed image features, used only in training."""


def build_model(
    recipe: Recipe, texts: Sequence[str], image: tuple[Sequence[Any], int] | None = None, whole: Sequence[str] = ()
) -> SentenceTransformer:
    """The untrained model of a recipe: a text tower and, with `image`, an image tower with a projection.

    `texts` are the training texts; `image` are sentence-transformers vision modules and the dimension of their
    features; `whole` are the texts that keep all tokens (`text.whole_tasks`).

    :raises BadEncoder: the base cannot be loaded, trained, reduced or made static.
    """
    torch.manual_seed(recipe.seed)
    modules = _static(recipe.text, texts) if recipe.text.kind == "static" else _encoder(recipe.text, texts, whole)
    dimension = SentenceTransformer(modules=modules, device="cpu").get_embedding_dimension()
    if image:
        vision, features = image
        projection = Dense(features, dimension, bias=True, activation_function=torch.nn.Identity())
        modules = [_router(modules, {"image": [*vision, projection], FEATURES: [projection]})]
    prompts = {"query": recipe.prompts.query, "document": recipe.prompts.passage}
    return SentenceTransformer(modules=modules, prompts=prompts, similarity_fn_name="cosine", device="cpu")


def finished(model: SentenceTransformer, recipe: Recipe) -> SentenceTransformer:
    """The model to save, without the parts used only in training; an adapter is merged if the recipe says so."""
    prompts = recipe.prompts
    if recipe.text.lora and recipe.text.lora.merged:
        merge_lora(model)
    if not isinstance(model[0], Router):
        return model
    routes = {name: list(modules) for name, modules in model[0].sub_modules.items()}
    router = _router(routes["text"], {"image": routes["image"]})
    named = {"query": prompts.query, "document": prompts.passage}
    return SentenceTransformer(modules=[router], prompts=named, similarity_fn_name="cosine", device=str(model.device))


def _router(text: list[Any], others: dict[str, list[Any]]) -> Router:
    """A module that routes by modality, not by role."""
    mappings = {(None, "text"): "text", (None, "image"): "image"}
    return Router({"text": text, **others}, default_route="text", route_mappings=mappings)


def _encoder(text: TextTower, texts: Sequence[str], whole: Sequence[str]) -> list[Any]:
    """The modules of a base, reduced in layers and vocabulary as the recipe says."""
    modules, checkpoint = _loaded(text)
    _check_reads(text, modules[0])
    _check_kind(str(text.base))
    if text.layers:
        keep_layers(modules[0], text.layers)
    if text.vocabulary or whole:
        keep_tokens(modules[0], texts, text.vocabulary, whole)
    modules[0].max_seq_length = text.length
    _check_encodes(text, modules, checkpoint)
    if text.frozen_layers is not None:
        freeze(modules[0], text.frozen_layers)
    add_lora(modules[0], text)
    return modules


def _check_kind(base: str) -> None:
    """Check that a base was not saved as a model of another kind, which loads but is a poor start.

    :raises BadEncoder: it is a cross-encoder, a classifier or a sparse encoder.
    """
    kind, architectures = stated_kind("text.base", base)
    for found in (kind, *architectures):
        if found in ("CrossEncoder", "SparseEncoder") or found.endswith("ForSequenceClassification"):
            raise BadEncoder(
                f"text.base: {base} is a {found}, not an encoder with one vector a text. Choose a transformers or "
                "sentence-transformers encoder."
            )


def _check_reads(text: TextTower, first: Any) -> None:
    """Check that a base starts with a trainable transformer that has enough positions for `text.length`.

    :raises BadEncoder: it does not; the message says what to set.
    """
    if not isinstance(first, Transformer):
        static = " It is static: set text.kind to static." if isinstance(first, StaticEmbedding) else ""
        raise BadEncoder(
            f"text.base: {text.base} starts with a {type(first).__name__} instead of a transformer, so it cannot be "
            f"trained as an encoder.{static or ' Choose a transformers or sentence-transformers encoder.'}"
        )
    prepare(f"text.base: {text.base}", [first], None)
    if not any(parameter.requires_grad for parameter in first.parameters()):
        raise BadEncoder(
            f"text.base: {text.base} has no trainable weights. If it is a LoRA adapter on a frozen base, merge it into "
            "its base, save the result and set text.base to that folder."
        )
    most = positions(first)
    if most is not None and text.length > most:
        raise BadEncoder(
            f"text.length: {text.base} has {most} positions, not {text.length}. Set text.length to {most}."
        )


def _check_encodes(text: TextTower, modules: Sequence[Any], checkpoint: Checkpoint) -> None:
    """Check that a base makes finite vectors of short and long texts, and the same when saved and loaded for scoring.

    :raises BadEncoder: the base lacks weights; encoding, saving or loading fails; or the vectors are not finite, do not
        depend on the whole text, or are not the same.
    """
    texts = [PROBE, f"{PROBE} " * text.length, *ALIKE]
    model = SentenceTransformer(modules=modules, device="cpu")
    encode = partial(model.encode, texts, show_progress_bar=False)
    try:
        checkpoint.check(f"text.base: {text.base}", encode, fill=0)
        vectors = np.asarray(encode())
    except BadEncoder:
        raise
    except Exception as error:
        raise BadEncoder(f"text.base: {text.base} cannot encode texts. {one_line(error)}") from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise BadEncoder(
            f"text.base: {text.base} does not return finite vectors; its output has shape {vectors.shape}."
        )
    if text.length >= 8 and np.allclose(vectors[-2], vectors[-1], rtol=0, atol=1e-5 * np.abs(vectors).max()):
        raise BadEncoder(
            f"text.base: {text.base} returns the same vector for all texts that start alike. With cls pooling, a "
            "decoder reads only the first token: set text.pooling to mean, or choose another base."
        )
    try:
        with TemporaryDirectory() as folder:
            model.save_pretrained(folder, create_model_card=False)
            again = SentenceTransformer(folder, device="cpu").encode(texts, show_progress_bar=False)
    except Exception as error:
        raise BadEncoder(f"text.base: {text.base} {_NOT_SAVED} {one_line(error)}") from error
    if np.shape(again) != vectors.shape or not np.allclose(again, vectors, atol=1e-4 * np.abs(vectors).max()):
        raise BadEncoder(f"text.base: {text.base} {_NOT_SAVED} It then returns other vectors.")


_NOT_SAVED = "cannot be saved and loaded again, so a model trained from it could not be used."


def _loaded(text: TextTower) -> tuple[list[Any], Checkpoint]:
    """The modules of the base, and what was found in them; a plain encoder gets pooling and normalisation."""
    base = str(text.base)

    def load(local: bool) -> list[Any]:
        if is_sentence_transformer_model(base, local_files_only=local):
            model = SentenceTransformer(base, device="cpu", local_files_only=local, model_kwargs=_WEIGHTS)
            return list(model)
        where = {"local_files_only": local}
        settings = {"model_kwargs": _WEIGHTS | where, "config_kwargs": dict(where), "processor_kwargs": dict(where)}
        transformer = Transformer(base, max_seq_length=text.length, **settings)
        pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode=text.pooling)
        return [transformer, pooling, Normalize()]

    try:
        return load_watched(base, load)
    except Exception as error:
        raise BadEncoder(_not_loaded(text, error)) from error


def _static(text: TextTower, texts: Sequence[str]) -> list[Any]:
    """A static tower: the base's weighted token vectors, or random ones for a vocabulary learnt from the texts."""
    if text.base is None:
        tokenizer = learn_vocabulary(texts, text.vocabulary or DEFAULT_VOCABULARY)
        weights = torch.randn(tokenizer.get_vocab_size(), text.dimension) / text.dimension**0.5
    else:
        start = _from_base(text, tuple(texts))
        tokenizer, weights = Tokenizer.from_str(start.tokenizer), torch.from_numpy(start.vectors.copy())
    tokenizer.no_padding()
    tokenizer.enable_truncation(text.length)
    return [StaticEmbedding(tokenizer, embedding_weights=weights)]


class _Start(NamedTuple):
    """A tokenizer (JSON) and the initial vector of each token, [tokens, dimension]."""

    tokenizer: str
    vectors: Floats


@lru_cache(maxsize=1)
def _from_base(text: TextTower, texts: tuple[str, ...]) -> _Start:
    """The base's input vectors for the texts' most frequent tokens; cached because the arms of an ablation share it."""
    tokenizer, vectors = _input_vectors(text)
    tokenizer.no_truncation()
    counts = count_tokens(tokenizer, texts)
    if text.vocabulary is not None:
        tokenizer, kept = trim_vocabulary(tokenizer, counts, text.vocabulary)
        vectors, counts = vectors[kept], Counter({new: counts[old] for new, old in enumerate(kept)})
    return _Start(tokenizer.to_str(), vectors * sif_weights(counts, len(vectors))[:, None])


def learn_vocabulary(texts: Sequence[str], size: int) -> Tokenizer:
    """Learn a byte-pair encoding of `size` tokens from lower-cased texts; deterministic."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace()])
    step = max(1, len(texts) // LEARNT_FROM)
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>"], max_token_length=LONGEST_PIECE, show_progress=False
    )
    with _one_thread():
        tokenizer.train_from_iterator(texts[::step], trainer)
    return tokenizer


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let tokenizers learn in one thread: several take half as much processor time again, and save little."""
    before = os.environ.get(_PARALLEL)
    os.environ[_PARALLEL] = "false"
    try:
        yield
    finally:
        os.environ.pop(_PARALLEL)
        os.environ.update({} if before is None else {_PARALLEL: before})


def sif_weights(counts: Counter[int], size: int) -> Floats:
    """SIF weight of each token, [tokens] (see `SIF`); 1 for unseen tokens."""
    seen = np.array([counts[token] for token in range(size)], np.float32)
    return SIF / (SIF + seen / max(seen.sum(), 1))


def _input_vectors(text: TextTower) -> tuple[Tokenizer, Floats]:
    """The tokenizer and the input embeddings [tokens, dimension] of a base."""
    try:
        base = str(text.base)
        first = load_fetched(base, lambda local: SentenceTransformer(base, device="cpu", local_files_only=local))[0]
        table = first.embedding if isinstance(first, StaticEmbedding) else first.auto_model.get_input_embeddings()
        tokenizer = getattr(first.tokenizer, "backend_tokenizer", first.tokenizer)
        return Tokenizer.from_str(tokenizer.to_str()), table.weight.detach().float().numpy()
    except Exception as error:
        raise BadEncoder(_not_loaded(text, error)) from error


def _not_loaded(text: TextTower, error: Exception) -> str:
    reason = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return f"text.base: {text.base} cannot be loaded. {type(error).__name__}: {reason}. Use a folder or a Hub model."
