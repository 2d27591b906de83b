"""Which items train, validate and test, by the hash of their names: no chance, and no file to keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

TEST, VALID = 0.3, 0.4
"""Up to which share of the items in the order of their hashes."""


def split_by_hash(names: Iterable[str], salt: str) -> dict[str, str]:
    """`test`, `valid` or `train` for each name."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).hexdigest())
    test, valid = (round(share * len(ordered)) for share in (TEST, VALID))
    return {name: "test" if n < test else "valid" if n < valid else "train" for n, name in enumerate(ordered)}
