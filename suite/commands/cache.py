"""`panglot cache`: what the vector cache holds, whether it is sound, and making room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import AsJson

if TYPE_CHECKING:
    from suite.cache import VectorCache

Root = Annotated[Path | None, typer.Option("--cache", help="Folder of the vector cache.")]

cache = typer.Typer(no_args_is_help=True, help="Look into the vector cache, check it, make room.")


@cache.command()
def ls(root: Root = None, as_json: AsJson = False) -> None:
    """List what is there: models, roles, sizes.

    [dim]panglot cache ls[/dim]
    """
    from rich.console import Console

    from suite.listing import list_shelves

    opened = _open(root)
    rows = [
        {**_facts(shelf.facts), "shards": len(shelf.shards()), "bytes": shelf.size, "days": round(shelf.unused_days, 1)}
        for shelf in opened.shelves()
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        Console().print(list_shelves(rows, opened.root))


@cache.command()
def verify(root: Root = None) -> None:
    """Read every shard and compare it with its checksum; damaged ones are encoded again when they are needed.

    [dim]panglot cache verify[/dim]
    """
    damaged = [path for shelf in _open(root).shelves() for path in shelf.damaged()]
    for path in damaged:
        typer.echo(f"damaged: {path}")
    typer.echo(f"{len(damaged)} damaged shards")
    raise typer.Exit(1 if damaged else 0)


@cache.command()
def prune(
    root: Root = None,
    days: Annotated[float, typer.Option(help="Remove what nothing was added to for so many days.")] = 30,
    model: Annotated[str, typer.Option(help="Only models with this in their name.")] = "",
) -> None:
    """Remove vectors that are old, or of one model.

    [dim]panglot cache prune --days 7[/dim]
    """
    removed = 0
    for shelf in list(_open(root).shelves()):
        if model in _facts(shelf.facts)["name"] and shelf.unused_days >= days:
            removed += shelf.size
            shelf.remove()
    typer.echo(f"{removed / 1e6:,.1f} MB removed")


def _open(root: Path | None) -> VectorCache:
    from suite.cache import VectorCache, default_root

    return VectorCache(root or default_root())


def _facts(text: str) -> dict[str, str]:
    """What a shelf says of its vectors."""
    facts = json.loads(text)
    return {name: facts[name] for name in ("name", "revision", "role", "precision", "prompts")}
