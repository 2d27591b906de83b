"""`panglot models`: what can be scored."""

from __future__ import annotations

import typer

from suite.commands.names import AsJson


def models(as_json: AsJson = False) -> None:
    """List the ways of naming a model.

    [dim]panglot models[/dim]
    """
    import json

    from rich.console import Console

    from suite.encoder import KINDS
    from suite.listing import list_kinds

    if as_json:
        rows = [{"example": kind.example, "sentence": kind.sentence} for kind in KINDS.values()]
        typer.echo(json.dumps(rows, indent=1))
    else:
        Console().print(list_kinds(KINDS.values()))
