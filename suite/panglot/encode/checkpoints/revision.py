"""What tells two states of a model apart: a hash of its folder, or the commit that the Hub's cache was filled from.

A model that leans on another one, as a LoRA adapter on its base, is in the state of both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panglot.encode.model import UNKNOWN

CARD = "README.md"
"""What is written about a model changes nothing of it."""

NOT_READ = frozenset({".git", ".cache"})
"""Folders that hold how a model came here, not what it is."""

BASE = "base_model_name_or_path"
"""The key by which an adapter names its base, a folder or a model of the Hub."""

ORIGIN = frozenset({"_name_or_path", "name_or_path"})
"""Keys by which configurations say where they came from; nothing is loaded from there."""

LARGEST_CONFIG = 1 << 20
"""Bytes; larger JSON files are vocabularies."""


def revision_of(name: str, config: Any = None) -> str:
    """The revision of a folder, or of a model of the Hub that was loaded, whose configuration is given.

    `unknown` where nothing tells the state of the model, or of one that it leans on.
    """
    folder = Path(name)
    return folder_revision(folder) if folder.is_dir() else hub_revision(name, config)


def folder_revision(folder: Path, seen: frozenset[Path] = frozenset()) -> str:
    """A hash over the folder's files but its card, and over the states of the models that it leans on.

    `seen` are folders that lean on this one.
    """
    files = _files(folder)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    for base in _bases(folder, files):
        other = Path(base).resolve()
        if other in seen:
            continue
        state = folder_revision(other, seen | {folder.resolve()}) if other.is_dir() else hub_revision(base)
        if state == UNKNOWN:
            return UNKNOWN
        digest.update(f"\0{state}".encode())
    return digest.hexdigest()[:12]


def hub_revision(name: str, config: Any = None) -> str:
    """The commit in a configuration of transformers that came through the Hub's cache, else the one cached last.

    An adapter's configuration is that of its base, so its revision is a hash over its own files and the base's commit.
    """
    adapter = _cached(name, "adapter_config.json")
    if adapter:
        return folder_revision(adapter.parent)
    found = getattr(config, "_commit_hash", None)
    here = None if found else _cached(name, "config.json") or _cached(name, "modules.json")
    return found or (here.parent.name if here else UNKNOWN)


def _cached(name: str, file: str) -> Path | None:
    """A file of a model in the Hub's cache, in a folder named by its commit."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, file)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _files(folder: Path) -> list[Path]:
    """The files of a folder that can change its vectors, those in folders that are links too, in order."""
    found, seen = [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link to a folder above it would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if name not in NOT_READ]
        found += [Path(root, name) for name in files]
    return sorted(path for path in found if path != folder / CARD and path.is_file())


def _bases(folder: Path, files: list[Path]) -> list[str]:
    """Other models that the configurations in a folder name."""
    found: set[str] = set()
    for path in files:
        if path.suffix == ".json" and path.stat().st_size <= LARGEST_CONFIG:
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                continue
            found.update(_named(content, path.parent))
    own = folder.resolve()
    others = {base: Path(base).resolve() for base in found}
    return sorted(base for base, path in others.items() if not (path.is_relative_to(own) or own.is_relative_to(path)))


def _named(content: Any, home: Path, key: str = "") -> Iterator[str]:
    """The bases that are named, and folders that are there, seen from here or from the configuration.

    A folder stands under a key that ends in `path`; elsewhere, as among tokens, a `/` is no folder.
    """
    if isinstance(content, dict):
        for inner, value in content.items():
            yield from _named(value, home, inner)
    elif isinstance(content, list):
        for value in content:
            yield from _named(value, home, key)
    elif isinstance(content, str) and content and key.endswith("path") and key not in ORIGIN:
        there = [path for path in (content, str(home / content)) if os.path.isdir(path)]
        if there or key == BASE:
            yield (there or [content])[0]
