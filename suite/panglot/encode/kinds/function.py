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
from panglot.encode.model import ModelCard, Options, Role
from panglot.errors import BadEncoder, PanglotError, spelled

OPTIONAL = ("count_tokens", "encode_images")
"""What an encoder may do beside encoding texts."""


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
    made = "a class, not an object" if isinstance(encoder, type) else f"an object of the type {type(encoder).__name__}"
    if isinstance(encoder, type) or not callable(getattr(encoder, "encode", None)):
        raise BadEncoder(
            f"py:{name}: {factory_name}() returned {made}, which has no method encode(texts, role) to call."
        )
    return FunctionEncoder(_card(name, encoder, module), encoder)


class FunctionEncoder:
    """Somebody's encoder, of which nothing but its known methods is seen; what they return is checked later."""

    def __init__(self, card: ModelCard, encoder: Any) -> None:
        self.card = card
        self.encode: Callable[[Sequence[str], Role], Floats] = encoder.encode
        for method in OPTIONAL:
            if callable(getattr(encoder, method, None)):
                setattr(self, method, getattr(encoder, method))


def _imported(name: str, module: str) -> ModuleType:
    """The module, whatever goes wrong in it told in a sentence."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        advice = f" Name the module without .py: py:{module[:-3]}:…" if module.endswith(".py") else ""
        raise BadEncoder(f"py:{name}: module {module} cannot be imported. {spelled(error)}{advice}") from error


def _card(name: str, encoder: Any, module: ModuleType) -> ModelCard:
    """The encoder's own card; or one whose revision is the module's source, which says nothing of what else it reads.

    :raises BadEncoder: the encoder has a card of another type.
    """
    card = getattr(encoder, "card", None)
    if isinstance(card, ModelCard):
        return card
    if card is not None:
        raise BadEncoder(
            f"py:{name}: the encoder's card is an object of the type {type(card).__name__}. Make it a "
            "panglot.encode.model.ModelCard, or leave it out."
        )
    source = getattr(module, "__file__", None)
    return ModelCard(
        name=f"py:{name}",
        revision=hashlib.sha256(Path(source).read_bytes()).hexdigest()[:12] if source else "unknown",
        library=f"python {sys.version.split()[0]}",
        note="It brings no card: its revision is a hash of its module's source, and of nothing that the module reads.",
    ).unpinned()
