"""What tells two states of a model apart: a hash of its folder, or the commit that the Hub's cache was filled from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

CARD = "README.md"
"""What is written about a model changes nothing of it."""


def folder_revision(folder: Path) -> str:
    """A hash over the folder's files but its card, so that a changed model is another model."""
    digest = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    for path in sorted(path for path in files if path != folder / CARD):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def hub_revision(config: Any) -> str:
    """The commit in a transformers configuration that came through the Hub's cache."""
    return getattr(config, "_commit_hash", None) or "unknown"
