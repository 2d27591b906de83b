"""What the board knows about a folder of submissions, and the pages that it has."""

from __future__ import annotations

from pathlib import Path

from leaderboard_app.index.index import Index, read_index, update
from leaderboard_app.index.verification import verify_new

PAGES = {
    "": "Panglot",
    "choose": "Choose a model",
    "overview": "By task",
    "field": "The field",
    "languages": "Languages",
    "model": "Model",
    "compare": "Compare",
    "queries": "Queries",
    "bias": "Bias",
    "remedies": "Remedies",
    "trainer": "Trainer",
    "submit": "Submit",
    "about": "About",
}
"""The heading of each page, by its address."""


def verified_index(folder: Path) -> Index:
    """The index of a folder whose results are read and verified."""
    update(folder)
    verify_new(folder)
    return read_index(folder)


def path_of(folder: Path, model: str) -> Path:
    """The file of a model's result on the starter set, by its name or by what the board shows for it."""
    return next(folder.glob(f"{model.removesuffix(' (floor)')}@*/starter.json"))
