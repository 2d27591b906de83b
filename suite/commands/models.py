"""`panglot models`: what can be scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.commands.output import AsJson, open_console, print_json

if TYPE_CHECKING:
    from suite.encoder import Kind


def models(as_json: AsJson = False) -> None:
    """List the ways of naming a model.

    Example: panglot models
    """
    from suite.encoder import KINDS
    from suite.view.listing import list_kinds

    kinds = [*KINDS.values(), *_third_parties()]
    if as_json:
        print_json([{"example": kind.example, "sentence": kind.sentence} for kind in kinds])
    else:
        open_console().print(list_kinds(kinds))


def _third_parties() -> list[Kind]:
    """What installed packages offer, without importing it."""
    from importlib.metadata import entry_points

    from suite.encoder import Kind

    return [
        Kind(f"{entry.name}:…", f"from the package {entry.dist.name if entry.dist else entry.module}", entry.value)
        for entry in entry_points(group="panglot.encoders")
    ]
