"""`panglot cache`: list, verify and prune the vector cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.help import Verb, Verbs
from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.files import cache_dir

if TYPE_CHECKING:
    from panglot.encode.cache import VectorCache

Root = Annotated[Path | None, typer.Option("--cache", metavar="FOLDER", help="Vector cache folder.")]

cache = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, verify or prune the vector cache.\n\nExample: panglot cache ls",
)


@cache.command(cls=Verb)
def ls(root: Root = None, as_json: AsJson = False) -> None:
    """List cached vectors by model and role, with sizes.

    Example: panglot cache ls
    """
    from panglot.cli.view.listing import list_shelves

    opened = _open(root)
    rows = [
        {**_facts(shelf.facts), "shards": len(shelf.shards()), "bytes": shelf.size, "days": round(shelf.unused_days, 1)}
        for shelf in opened.shelves()
    ]
    if as_json:
        print_json(rows)
    else:
        open_console().print(list_shelves(rows, opened.root))


@cache.command(cls=Verb)
def verify(root: Root = None, as_json: AsJson = False) -> None:
    """Check every shard against its checksum.

    Damaged shards are encoded again when needed. Exit code 1 if any shard is damaged.

    Example: panglot cache verify
    """
    damaged = [str(path) for shelf in _open(root).shelves() for path in shelf.damaged()]
    if as_json:
        print_json({"damaged": damaged})
    else:
        for path in damaged:
            echo(f"damaged: {path}")
        echo(f"{len(damaged)} damaged shards")
    raise typer.Exit(1 if damaged else 0)


@cache.command(cls=Verb)
def prune(
    root: Root = None,
    days: Annotated[float, typer.Option(metavar="N", min=0, help="Remove vectors unchanged for N days.")] = 30,
    model: Annotated[str, typer.Option(metavar="NAME", help="Only models whose name contains NAME.")] = "",
    as_json: AsJson = False,
) -> None:
    """Remove old vectors, or those of one model.

    Example: panglot cache prune --days 7
    """
    removed = 0
    for shelf in list(_open(root).shelves()):
        if model in _facts(shelf.facts)["name"] and shelf.unused_days >= days:
            removed += shelf.size
            shelf.remove()
    if as_json:
        print_json({"removed_bytes": removed})
    else:
        echo(f"{removed / 1e6:,.1f} MB removed")


def _open(root: Path | None) -> VectorCache:
    from panglot.encode.cache import VECTORS, VectorCache

    return VectorCache(root or cache_dir(VECTORS))


def _facts(text: str) -> dict[str, str]:
    """Return the displayed facts of a shelf."""
    facts = json.loads(text)
    return {name: facts[name] for name in ("name", "revision", "role", "precision", "prompts")}
