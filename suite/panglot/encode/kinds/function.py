"""`py:module:factory`: any Python object with `encode(texts, role) -> array`; with `encode_images(images)` it sees."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from panglot.arrays import Floats
from panglot.encode.model import UNKNOWN, Composite, Encoder, Model, ModelCard, Options, Role, Scorer
from panglot.errors import BadEncoder, PanglotError, spelled

OPTIONAL = ("count_tokens", "encode_images")
"""What an encoder may do beside encoding texts."""


SOURCE_ONLY = "It brings no card: its revision is a hash of its module's source, and of nothing that the module reads."
"""The note on the card of such an encoder."""


def load(name: str, options: Options) -> FunctionEncoder:
    """Import the module, from the working folder too, and call the factory.

    :raises BadEncoder: there is no such module or factory, one of them raises, or what it returns has no `encode`.
    """
    module_name, separator, factory_name = name.partition(":")
    if not (separator and module_name and factory_name):
        raise BadEncoder(f"'py:{name}' lacks a part. Write py:module:factory, as in py:my_module:make_encoder.")
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
    """The model that any object with `encode(texts, role)` is; one that has a card is a model already.

    :raises BadEncoder: it has no `encode`, or a card of another type.
    """
    kind = type(encoder)
    is_model = kind is not type and isinstance(encoder, Encoder | Scorer | Composite)
    if is_model and isinstance(encoder.card, ModelCard):
        model: Model = encoder
        return model
    _check(encoder, "The model is")
    return FunctionEncoder(_card(kind.__name__, encoder, sys.modules.get(kind.__module__)), encoder)


class FunctionEncoder:
    """Somebody's encoder, of which nothing but its known methods is seen; what they return is checked later."""

    def __init__(self, card: ModelCard, encoder: Any) -> None:
        self.card = card
        self.encode: Callable[[Sequence[str], Role], Floats] = encoder.encode
        for method in OPTIONAL:
            if callable(getattr(encoder, method, None)):
                setattr(self, method, getattr(encoder, method))


def _check(encoder: object, said: str) -> None:
    """Check that there is an `encode` to call; `said` is how the message begins.

    :raises BadEncoder: there is none.
    """
    made = "a class, not an object" if isinstance(encoder, type) else f"an object of the type {type(encoder).__name__}"
    if isinstance(encoder, type) or not callable(getattr(encoder, "encode", None)):
        raise BadEncoder(f"{said} {made}, which has no method encode(texts, role) to call.")


def _imported(name: str, module: str) -> ModuleType:
    """The module, whatever goes wrong in it told in a sentence."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        advice = f" Name the module without .py: py:{module[:-3]}:…" if module.endswith(".py") else ""
        raise BadEncoder(f"py:{name}: module {module} cannot be imported. {spelled(error)}{advice}") from error


def _card(name: str, encoder: Any, module: ModuleType | None) -> ModelCard:
    """The encoder's own card; or one whose revision is the module's source, which says nothing of what else it reads.

    :raises BadEncoder: the encoder has a card of another type.
    """
    card = getattr(encoder, "card", None)
    if isinstance(card, ModelCard):
        return card
    if card is not None:
        raise BadEncoder(
            f"{name}: the encoder's card is an object of the type {type(card).__name__}. Make it a "
            "panglot.ModelCard, or leave it out."
        )
    source = Path(getattr(module, "__file__", None) or "")
    is_file = source.is_file()  # what was typed in a notebook or after python -c is not
    return ModelCard(
        name=name,
        revision=hashlib.sha256(source.read_bytes()).hexdigest()[:12] if is_file else UNKNOWN,
        library=f"python {sys.version.split()[0]}",
        note=SOURCE_ONLY if is_file else "It brings no card.",
    ).unpinned()
