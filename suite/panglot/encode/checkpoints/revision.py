"""The revision of a model: a hash of its folder, or the commit of its files in the Hub cache.

The revision of a model that depends on another one, such as a LoRA adapter on its base, covers both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panglot.encode.card import UNKNOWN
from panglot.files import real_path

CARD = "README.md"
"""The model card, which does not affect the model."""

NOT_READ = frozenset({".git", ".cache"})
"""Folders with the history of a model's files, not the model itself."""

BASE = "base_model_name_or_path"
"""The key with the base model of an adapter: a folder or a model on the Hub."""

ORIGIN = frozenset({"_name_or_path", "name_or_path"})
"""Keys with the origin of a configuration; nothing is loaded from there."""

LARGEST_CONFIG = 1 << 20
"""Maximum size of a configuration in bytes; larger JSON files are vocabularies."""


def revision_of(name: str, config: Any = None) -> str:
    """Return the revision of a folder, or of a loaded Hub model with the given configuration.

    `unknown` if the state of the model, or of one that it depends on, cannot be determined.
    """
    folder = Path(name)
    return folder_revision(folder) if folder.is_dir() else hub_revision(name, config)


def folder_revision(folder: Path, seen: frozenset[Path] = frozenset()) -> str:
    """Hash the folder's files except its model card, and the revisions of the models that it depends on.

    `seen` are folders that depend on this one.
    """
    files = _files(folder)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    for base in _bases(folder, files):
        other = real_path(Path(base))
        if other in seen:
            continue
        state = folder_revision(other, seen | {real_path(folder)}) if other.is_dir() else hub_revision(base)
        if state == UNKNOWN:
            return UNKNOWN
        digest.update(f"\0{state}".encode())
    return digest.hexdigest()[:12]


def hub_revision(name: str, config: Any = None) -> str:
    """Return the commit recorded in a transformers configuration from the Hub cache, else the one cached last.

    The configuration of an adapter is that of its base, so its revision is a hash of its own files and the base's
    commit.
    """
    adapter = _cached(name, "adapter_config.json")
    if adapter:
        return folder_revision(adapter.parent)
    found = getattr(config, "_commit_hash", None)
    here = None if found else _cached(name, "config.json") or _cached(name, "modules.json")
    return found or (here.parent.name if here else UNKNOWN)


def _cached(name: str, file: str) -> Path | None:
    """Return the path of a model's file in the Hub cache, in a folder named by its commit."""
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
    """Return the files of a folder that can affect vectors, sorted; symbolic links to folders are followed."""
    found, seen = [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link to a parent folder would recurse forever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if name not in NOT_READ]
        found += [Path(root, name) for name in files]
    return sorted(path for path in found if path != folder / CARD and path.is_file())


def _bases(folder: Path, files: list[Path]) -> list[str]:
    """Return the other models named by the configurations in a folder."""
    found: set[str] = set()
    for path in files:
        if path.suffix == ".json" and path.stat().st_size <= LARGEST_CONFIG:
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                continue
            found.update(_named(content, path.parent))
    own = real_path(folder)
    others = {base: real_path(Path(base)) for base in found}
    return sorted(base for base, path in others.items() if not (path.is_relative_to(own) or own.is_relative_to(path)))


def _named(content: Any, home: Path, key: str = "") -> Iterator[str]:
    """Yield named base models, and existing folders relative to the configuration or to the working directory.

    Folders are expected only under keys that end in `path`; elsewhere, for example among tokens, `/` is not a path. The
    base of an adapter is looked for in the working directory first, as by its library; a module's `.` is its folder.
    """
    if isinstance(content, dict):
        for inner, value in content.items():
            yield from _named(value, home, inner)
    elif isinstance(content, list):
        for value in content:
            yield from _named(value, home, key)
    elif isinstance(content, str) and content and key.endswith("path") and key not in ORIGIN:
        places = [str(home / content), content]
        there = [path for path in (places[::-1] if key == BASE else places) if os.path.isdir(path)]
        if there or key == BASE:
            yield (there or [content])[0]
