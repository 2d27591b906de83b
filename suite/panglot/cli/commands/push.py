"""`panglot push`: upload a trained model to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.output import AsJson, echo, print_json
from panglot.interop.push import check_repository, files_of
from panglot.interop.push import push as upload


def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Model folder, as made by panglot train.")],
    repository: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the Hugging Face Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Create the repository as private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files; upload nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a trained model to the Hugging Face Hub.

    Uploads the model, its card, recipe and curves, but no checkpoints, logs or hidden files, and refuses files that
    name a path of this machine. Log in first: hf auth login

    Example: panglot push models/tiny my-org/tiny --dry-run
    """
    check_repository(repository)
    files = files_of(folder)
    address = None if dry_run else upload(folder, repository, files, private)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    if as_json:
        print_json({"repository": repository, "address": address, "files": sizes})
        return
    for name, size in sizes.items():
        echo(f"{size:>14,}  {name}")
    echo(f"{address}" if address else f"{len(sizes)} files, {sum(sizes.values()):,} bytes; nothing was uploaded.")
