"""`py:module:factory`: any Python object with `encode(texts, role)` and, for images, `encode_images(images)`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from panglot.arrays import Floats
from panglot.encode.card import UNKNOWN, ModelCard, Role
from panglot.encode.model import Composite, Encoder, Model, Scorer
from panglot.encode.options import Options
from panglot.errors import BadEncoder, PanglotError, spelled

OPTIONAL = ("count_tokens", "encode_images")
"""Optional methods of an encoder."""


SOURCE_ONLY = "It has no card: its revision is a hash of its module's source and does not cover what the module reads."
"""The note on the card of an encoder without a card of its own."""


def load(name: str, options: Options) -> FunctionEncoder:
    """Import the module, also from the working directory, and call the factory.

    :raises BadEncoder: the module or factory does not exist or raises, or the returned object has no `encode`.
    """
    module_name, separator, factory_name = name.partition(":")
    if not (separator and module_name and factory_name):
        raise BadEncoder(f"'py:{name}' is incomplete. Write py:module:factory, for example py:my_module:make_encoder.")
    module = _imported(name, module_name)
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise BadEncoder(f"py:{name}: module {module_name} has no function {factory_name}.")
    try:
        encoder = factory()
    except PanglotError:
        raise
    except (Exception, SystemExit) as error:
        raise BadEncoder(f"py:{name}: {factory_name}() failed. {spelled(error)}") from error
    _check(encoder, f"py:{name}: {factory_name}() returned")
    return FunctionEncoder(_card(f"py:{name}", encoder, module), encoder)


def as_model(encoder: Any) -> Model:
    """Wrap any object with `encode(texts, role)` as a model; an object with a card is returned unchanged.

    :raises BadEncoder: the object has no `encode`, or a card of another type.
    """
    kind = type(encoder)
    is_model = kind is not type and isinstance(encoder, Encoder | Scorer | Composite)
    if is_model and isinstance(encoder.card, ModelCard):
        model: Model = encoder
        return model
    _check(encoder, "The model is")
    return FunctionEncoder(_card(kind.__name__, encoder, sys.modules.get(kind.__module__)), encoder)


class FunctionEncoder:
    """Wraps a user's encoder and exposes only its known methods; their output is validated later."""

    def __init__(self, card: ModelCard, encoder: Any) -> None:
        self.card = card
        self.encode: Callable[[Sequence[str], Role], Floats] = encoder.encode
        for method in OPTIONAL:
            if callable(getattr(encoder, method, None)):
                setattr(self, method, getattr(encoder, method))


def _check(encoder: object, prefix: str) -> None:
    """Check that the object has a method `encode`; `prefix` is the beginning of the message.

    :raises BadEncoder: the object has no such method.
    """
    if isinstance(encoder, type):
        raise BadEncoder(f"{prefix} the class {encoder.__name__}. Expected an object with encode(texts, role).")
    if not callable(getattr(encoder, "encode", None)):
        kind = type(encoder).__name__
        raise BadEncoder(f"{prefix} an object of type {kind}, which has no method encode(texts, role).")


def _imported(name: str, module: str) -> ModuleType:
    """Import a module.

    :raises BadEncoder: the import fails for any reason.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        advice = f" Write the module without .py: py:{module[:-3]}:…" if module.endswith(".py") else ""
        raise BadEncoder(f"py:{name}: module {module} cannot be imported. {spelled(error)}{advice}") from error


def _card(name: str, encoder: Any, module: ModuleType | None) -> ModelCard:
    """Return the encoder's own card, or an unpinned one whose revision is a hash of the module's source only.

    :raises BadEncoder: the encoder has a card of another type.
    """
    card = getattr(encoder, "card", None)
    if isinstance(card, ModelCard):
        return card
    if card is not None:
        raise BadEncoder(
            f"{name}: the encoder's card is an object of type {type(card).__name__}. Use a panglot.ModelCard, or omit "
            "the card."
        )
    source = Path(getattr(module, "__file__", None) or "")
    is_file = source.is_file()  # code in a notebook or after python -c has no file
    return ModelCard(
        name=name,
        revision=hashlib.sha256(source.read_bytes()).hexdigest()[:12] if is_file else UNKNOWN,
        library=f"python {sys.version.split()[0]}",
        note=SOURCE_ONLY if is_file else "It has no card.",
    ).unpinned()
