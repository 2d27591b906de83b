"""`py:module:factory`: any Python object with `encode(texts, role) -> array`; with `encode_images(images)` it sees."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.arrays import Floats
from suite.encoder import ModelCard, Options, Role
from suite.errors import BadEncoder

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def load(name: str, options: Options) -> FunctionEncoder:
    """Import the module, from the working folder too, and call the factory.

    :raises BadEncoder: there is no such module or factory, or what it returns has no `encode`.
    """
    module_name, separator, factory_name = name.partition(":")
    if not (separator and module_name and factory_name):
        raise BadEncoder(f"'py:{name}' lacks a part. Write py:module:factory, as in py:my_module:make_encoder.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise BadEncoder(f"py:{name}: module {module_name} cannot be imported. {error}") from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise BadEncoder(f"py:{name}: module {module_name} has no function {factory_name}.")
    encoder = factory()
    if not callable(getattr(encoder, "encode", None)):
        raise BadEncoder(f"py:{name}: {factory_name}() returned {encoder!r}, which has no method encode(texts, role).")
    kind = SeeingFunctionEncoder if callable(getattr(encoder, "encode_images", None)) else FunctionEncoder
    return kind(name, encoder, _revision(module))


class FunctionEncoder:
    """Somebody's encoder. It may bring its own `card`; otherwise its module's source is its revision."""

    def __init__(self, name: str, encoder: Any, revision: str) -> None:
        self._encoder = encoder
        card = getattr(encoder, "card", None)
        self.card: ModelCard = (
            card
            if isinstance(card, ModelCard)
            else ModelCard(name=f"py:{name}", revision=revision, library=f"python {sys.version.split()[0]}")
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Whatever the encoder returns; it is checked where all vectors are."""
        vectors: Floats = self._encoder.encode(list(texts), role)
        return vectors


class SeeingFunctionEncoder(FunctionEncoder):
    """Somebody's encoder of texts and images."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Whatever the encoder returns for images, which are RGB and in their own size."""
        vectors: Floats = self._encoder.encode_images(list(images))
        return vectors


def _revision(module: Any) -> str:
    source = getattr(module, "__file__", None)
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:12] if source else "unknown"
