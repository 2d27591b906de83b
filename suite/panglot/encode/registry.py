"""The ways of naming a model: those of the suite, and those that installed packages offer by entry points."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from panglot.errors import BadEncoder, UnknownName, spelled

GROUP = "panglot.encoders"
"""Entry points by which a package offers a kind of its own: a prefix, and a function `load(name, options)`."""

OPTIONS_OF = "__panglot_options__"
"""Where `panglot.encode.model.takes` puts the options that such a function follows."""


class Kind(NamedTuple):
    """One way of naming a model.

    `load` is `module:function`, imported only when such a model is asked for and called with what follows the prefix
    and the options; `options` names those of `Options` that mean something to it.
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
    "trust_remote_code",
)
"""What the kinds that run torch here take."""

API_OPTIONS = ("query_prompt", "passage_prompt", "truncate_dim", "max_length", "budget", "texts_per_request")
"""What the kinds behind an API take; `max_length` counts characters there, since the tokenizer is not known."""

KINDS: dict[str, Kind] = {
    "use-multilingual": Kind(
        "use-multilingual",
        "Universal Sentence Encoder multilingual v3, weights in its package: the embedded default",
        "panglot.encode.kinds.use:load",
    ),
    "bm25": Kind(
        "bm25", "lexical baseline, one analyser for each candidate language", "panglot.encode.kinds.bm25:load"
    ),
    "st": Kind(
        "st:intfloat/multilingual-e5-small",
        "a sentence-transformers model of the Hub, or a folder (st: may be left out)",
        "panglot.encode.kinds.sentence_transformer:load",
        TORCH_OPTIONS,
    ),
    "hf": Kind(
        "hf:xlm-roberta-base?pooling=mean",
        "a transformers encoder with stated pooling: mean, cls, last, max; own for CLIP (&normalise=false: dot)",
        "panglot.encode.kinds.transformer:load",
        TORCH_OPTIONS,
    ),
    "openai": Kind(
        "openai:text-embedding-3-small",
        "a model behind an endpoint that speaks OpenAI's API; openai:MODEL@http://host/v1 for any but theirs",
        "panglot.encode.kinds.openai:load",
        API_OPTIONS,
    ),
    "openai-images": Kind(
        "openai-images:MODEL@http://host/v1",
        "the same for a model that takes images too, as content of a message",
        "panglot.encode.kinds.openai:load_with_images",
        API_OPTIONS,
    ),
    "model2vec": Kind(
        "model2vec:minishlab/potion-multilingual-128M",
        "static token vectors, by model2vec, from the Hub or a folder",
        "panglot.encode.kinds.model2vec:load",
        ("truncate_dim", "max_length"),
    ),
    "sparse": Kind(
        "sparse:naver/splade-v3",
        "a learned sparse model (SPLADE), by sentence-transformers, from the Hub or a folder",
        "panglot.encode.kinds.sparse:load",
        ("query_prompt", "passage_prompt", "precision", "max_length", "device", "trust_remote_code"),
    ),
    "late": Kind(
        "late:jinaai/jina-colbert-v2",
        "a late interaction model (ColBERT), by sentence-transformers, from the Hub or a folder",
        "panglot.encode.kinds.late:load",
        ("query_prompt", "passage_prompt", "precision", "max_length", "device", "trust_remote_code"),
    ),
    "mteb": Kind(
        "mteb:intfloat/multilingual-e5-small",
        "a model of mteb's registry, with mteb's wrapper and prompts",
        "panglot.encode.kinds.mteb_model:load",
        ("truncate_dim", "device", "trust_remote_code"),
    ),
    "rrf": Kind(
        "rrf:bm25+use-multilingual",
        "two or more models, fused by their reciprocal ranks",
        "panglot.encode.kinds.fusion:load",
    ),
    "py": Kind(
        "py:my_module:make_encoder",
        "a Python function that returns an object with encode(texts, role), and encode_images(images) if it sees",
        "panglot.encode.kinds.function:load",
    ),
    "vectors": Kind(
        "vectors:folder", "vectors made elsewhere, a file TASK.npz for each task", "panglot.encode.kinds.vectors:load"
    ),
    "random": Kind("random", "random vectors: the floor", "panglot.encode.kinds.floors:load_random"),
    "constant": Kind(
        "constant", "one vector for everything: the floor under ties", "panglot.encode.kinds.floors:load_constant"
    ),
    "language-id": Kind(
        "language-id",
        "knows the language and nothing else: the bias ceiling",
        "panglot.encode.kinds.floors:load_language_id",
    ),
}

EMBEDDED = frozenset(name for name, kind in KINDS.items() if kind.example == name)
"""Kinds of one model each, named without a prefix: they read nothing but their own packages."""

FLOORS = frozenset(name for name, kind in KINDS.items() if ".floors:" in kind.load)
"""Models that know nothing of the text: references beside which others are shown, never ranked with them."""


def find_kind(name: str) -> tuple[Kind, str]:
    """The kind that a name is of, and what follows its prefix.

    :raises UnknownName: no kind of model is named like this.
    :raises BadEncoder: the package that offers the prefix cannot be imported, or something follows a whole name.
    """
    prefix, separator, rest = name.partition(":")
    if prefix in EMBEDDED:
        if separator:
            raise BadEncoder(f"'{prefix}' is a whole name: nothing may follow it. Remove ':{rest}'.")
        return KINDS[prefix], ""
    if separator and (kind := KINDS.get(prefix) or _offered(prefix)):
        return kind, rest
    if "/" in name or os.path.isdir(name):  # Path.is_dir() raises where a name is too long for a path
        return KINDS["st"], name
    examples = [kind.example for kind in KINDS.values()]
    raise UnknownName("model", name, examples, "A model of the Hub is named org/name, a folder by its path.")


def import_loader(kind: Kind) -> Callable[[str, Any], Any]:
    """The function that loads models of a kind."""
    loader: Callable[[str, Any], Any] = EntryPoint("load", kind.load, GROUP).load()
    return loader


def is_built_in(kind: Kind) -> bool:
    """Whether a kind is one of the suite's own."""
    return kind in KINDS.values()


def list_offered() -> list[Kind]:
    """What installed packages offer, without importing it; hence without the options."""
    from importlib.metadata import entry_points

    return [
        Kind(f"{entry.name}:…", f"from the package {entry.dist.name if entry.dist else entry.module}", entry.value)
        for entry in entry_points(group=GROUP)
        if entry.name not in KINDS
    ]


def _offered(prefix: str) -> Kind | None:
    """What an installed package offers for a prefix, with the options that its function declares."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=prefix):
        package = entry.dist.name if entry.dist else "an installed package"
        try:
            loader = entry.load()
        except Exception as error:
            raise BadEncoder(
                f"'{prefix}:' comes from {package}, whose {entry.value} cannot be imported. {spelled(error)}"
            ) from error
        if not callable(loader):
            raise BadEncoder(f"'{prefix}:' comes from {package}, whose {entry.value} is not a function.")
        return Kind(f"{prefix}:…", f"from the package {package}", entry.value, getattr(loader, OPTIONS_OF, ()))
    return None
