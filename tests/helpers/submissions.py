"""A small submission, made anew."""

from __future__ import annotations

from pathlib import Path

from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.trust.submission import card_of, write_card
from tests.helpers.tasks import TASKS


def make_submission(model: str, root: Path) -> Path:
    """The folder of a model's result on the starter set in German and English, with its card."""
    result = run(TASKS["starter"], load_model(model), ["de", "en"])
    path = result.save(root)
    write_card(path.parent, card_of(result.record.model, ["starter"], {}))
    return path.parent
