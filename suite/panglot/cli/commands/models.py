"""`panglot models`: list the kinds of models that can be scored."""

from __future__ import annotations

from panglot.cli.output import AsJson, open_console, print_json


def models(as_json: AsJson = False) -> None:
    """List the kinds of models and how to name them.

    Example: panglot models
    """
    from panglot.cli.view.listing import list_kinds
    from panglot.encode.registry import KINDS, list_offered

    kinds = [*KINDS.values(), *list_offered()]
    if as_json:
        print_json([{"example": kind.example, "sentence": kind.sentence} for kind in kinds])
    else:
        open_console().print(list_kinds(kinds))
