"""Zip files as nobody should send them."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path


def write_zip(
    target: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as file:
        warnings.simplefilter("ignore")
        for entry, content in entries:
            file.writestr(entry, content, method)
    return target


def entry_of_mode(mode: int) -> zipfile.ZipInfo:
    """An entry that says to be of a kind: a link, a device."""
    entry = zipfile.ZipInfo("m@1/card.json")
    entry.external_attr = mode << 16
    return entry
