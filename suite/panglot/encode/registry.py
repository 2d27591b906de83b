"""The kinds of models and how they are named: built-in kinds, and kinds from entry points of installed packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from panglot.errors import BadEncoder, UnknownName, spelled

GROUP = "panglot.encoders"
"""Entry point group in which packages register a kind: the name is the prefix, the object `load(name, options)`."""

OPTIONS_OF = "__panglot_options__"
"""Attribute in which `panglot.encode.options.takes` stores the options that such a function supports."""


class Kind(NamedTuple):
    """One kind of model.

    `load` is `module:function`; it is imported only when needed, and called with the part of the name after the prefix
    and the options. `options` lists the supported fields of `Options`.
    """

    example: str
    sentence: str
    load: str
    options: tuple[str, ...] = ()


TORCH_OPTIONS = (
    "query_prompt",
    "passage_prompt",
    "precision",
    "backend",
    "truncate_dim",
    "max_length",
    "device",
    "batch_tokens",
    "trust_remote_code",
)
"""Options of the kinds that run torch locally."""

SCORER_OPTIONS = tuple(one for one in TORCH_OPTIONS if one not in ("backend", "truncate_dim"))
"""Options of the kinds that run torch locally and score in other ways than by one vector per text."""

API_OPTIONS = ("query_prompt", "passage_prompt", "truncate_dim", "max_length", "budget", "texts_per_request")
"""Options of the kinds behind an API; `max_length` counts characters there, since the tokenizer is unknown."""

KINDS: dict[str, Kind] = {
    "use-multilingual": Kind(
        "use-multilingual",
        "Universal Sentence Encoder multilingual v3, with weights in its package: the default model",
        "panglot.encode.kinds.use:load",
    ),
    "bm25": Kind(
        "bm25", "lexical baseline, with an analyser for each candidate language", "panglot.encode.kinds.bm25:load"
    ),
    "st": Kind(
        "st:intfloat/multilingual-e5-small",
        "a sentence-transformers model on the Hub or in a folder (the prefix st: is optional)",
        "panglot.encode.kinds.sentence_transformer:load",
        TORCH_OPTIONS,
    ),
    "hf": Kind(
        "hf:xlm-roberta-base?pooling=mean",
        "a transformers encoder with explicit pooling: mean, cls, last, max; own for CLIP (&normalise=false: dot)",
        "panglot.encode.kinds.transformer:load",
        TORCH_OPTIONS,
    ),
    "openai": Kind(
        "openai:text-embedding-3-small",
        "a model behind an OpenAI-compatible API; openai:MODEL@http://host/v1 for other servers than OpenAI's",
        "panglot.encode.kinds.openai:load",
        API_OPTIONS,
    ),
    "openai-images": Kind(
        "openai-images:MODEL@http://host/v1",
        "the same for a model that also accepts images, as message content",
        "panglot.encode.kinds.openai:load_with_images",
        API_OPTIONS,
    ),
    "model2vec": Kind(
        "model2vec:minishlab/potion-multilingual-128M",
        "a static embedding model (model2vec), from the Hub or a folder",
        "panglot.encode.kinds.model2vec:load",
        ("truncate_dim", "max_length"),
    ),
    "sparse": Kind(
        "sparse:naver/splade-v3",
        "a learned sparse model (SPLADE) for sentence-transformers, from the Hub or a folder",
        "panglot.encode.kinds.sparse:load",
        SCORER_OPTIONS,
    ),
    "late": Kind(
        "late:jinaai/jina-colbert-v2",
        "a late interaction model (ColBERT) for sentence-transformers, from the Hub or a folder",
        "panglot.encode.kinds.late:load",
        SCORER_OPTIONS,
    ),
    "mteb": Kind(
        "mteb:intfloat/multilingual-e5-small",
        "a model from mteb's registry, with mteb's wrapper and prompts",
        "panglot.encode.kinds.mteb_model:load",
        ("truncate_dim", "device", "trust_remote_code"),
    ),
    "rrf": Kind(
        "rrf:bm25+use-multilingual",
        "two or more models, combined by reciprocal rank fusion",
        "panglot.encode.kinds.fusion:load",
    ),
    "rerank": Kind(
        "rerank:BAAI/bge-reranker-v2-m3@use-multilingual?depth=100",
        "the best candidates of any model, reordered by a cross-encoder (sentence-transformers) or an endpoint "
        "(rerank:MODEL@http://host/rerank@bm25)",
        "panglot.encode.kinds.rerank:load",
        ("precision", "max_length", "device", "batch_tokens", "trust_remote_code", "budget", "texts_per_request"),
    ),
    "py": Kind(
        "py:my_module:make_encoder",
        "a Python function that returns an object with encode(texts, role), and encode_images(images) for images",
        "panglot.encode.kinds.function:load",
    ),
    "vectors": Kind(
        "vectors:folder", "precomputed vectors, in one file TASK.npz per task", "panglot.encode.kinds.vectors:load"
    ),
    "random": Kind("random", "random vectors: the chance baseline", "panglot.encode.kinds.floors:load_random"),
    "constant": Kind(
        "constant",
        "the same vector for everything: the baseline with all scores tied",
        "panglot.encode.kinds.floors:load_constant",
    ),
    "language-id": Kind(
        "language-id",
        "uses only the language: the maximum of language bias",
        "panglot.encode.kinds.floors:load_language_id",
    ),
}

EMBEDDED = frozenset(name for name, kind in KINDS.items() if kind.example == name)
"""Kinds with a single model, named without a prefix; they read nothing but their own packages."""

FLOORS = frozenset(name for name, kind in KINDS.items() if ".floors:" in kind.load)
"""Models that ignore the text: shown for reference, never ranked with others."""


def find_kind(name: str) -> tuple[Kind, str]:
    """Return the kind of a model name, and the part of the name after the prefix.

    :raises UnknownName: no kind of model matches the name.
    :raises BadEncoder: the package that registers the prefix cannot be imported, or a name without arguments has one.
    """
    prefix, separator, rest = name.partition(":")
    if prefix in EMBEDDED:
        if separator:
            raise BadEncoder(f"'{prefix}' is a complete model name. Remove ':{rest}'.")
        return KINDS[prefix], ""
    if separator and (kind := KINDS.get(prefix) or _offered(prefix)):
        return kind, rest
    if "/" in name or os.path.isdir(name):  # Path.is_dir() raises where a name is too long for a path
        return KINDS["st"], name
    examples = [kind.example for kind in KINDS.values()]
    raise UnknownName("model", name, examples, "For a model on the Hub write org/name, for a folder its path.")


def import_loader(kind: Kind) -> Callable[[str, Any], Any]:
    """Import the function that loads models of a kind."""
    loader: Callable[[str, Any], Any] = EntryPoint("load", kind.load, GROUP).load()
    return loader


def is_built_in(kind: Kind) -> bool:
    """Whether a kind is built in."""
    return kind in KINDS.values()


def list_offered() -> list[Kind]:
    """List the kinds of installed packages without importing them, and hence without their options."""
    from importlib.metadata import entry_points

    return [
        Kind(f"{entry.name}:…", f"from the package {entry.dist.name if entry.dist else entry.module}", entry.value)
        for entry in entry_points(group=GROUP)
        if entry.name not in KINDS
    ]


def _offered(prefix: str) -> Kind | None:
    """Return the kind that an installed package registers for a prefix, with its declared options."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=prefix):
        package = entry.dist.name if entry.dist else "an installed package"
        try:
            loader = entry.load()
        except Exception as error:
            raise BadEncoder(
                f"'{prefix}:' is registered by {package}, but {entry.value} cannot be imported. {spelled(error)}"
            ) from error
        if not callable(loader):
            raise BadEncoder(f"'{prefix}:' is registered by {package}, but {entry.value} is not a function.")
        return Kind(f"{prefix}:…", f"from the package {package}", entry.value, getattr(loader, OPTIONS_OF, ()))
    return None
