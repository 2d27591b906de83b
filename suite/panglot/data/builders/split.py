"""Split items into train, valid and test by the hash of their names: deterministic, with no split file to store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

TEST, VALID = 0.3, 0.4
"""Cumulative shares of the items, in the order of their hashes."""


def split_by_hash(names: Iterable[str], salt: str) -> dict[str, str]:
    """Return `test`, `valid` or `train` for each name."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).hexdigest())
    test, valid = (round(share * len(ordered)) for share in (TEST, VALID))
    return {name: "test" if n < test else "valid" if n < valid else "train" for n, name in enumerate(ordered)}
