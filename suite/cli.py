"""The command `panglot`: puts the verbs together, and shows errors as a person wants to see them."""

from __future__ import annotations

import sys

import typer

from suite.commands.ablate import ablate
from suite.commands.board import board
from suite.commands.cache import cache
from suite.commands.compare import compare
from suite.commands.export import export
from suite.commands.fetch import fetch
from suite.commands.import_ import import_
from suite.commands.index import index
from suite.commands.models import models
from suite.commands.plan import plan
from suite.commands.rank import rank
from suite.commands.receive import receive
from suite.commands.run import run
from suite.commands.score import score
from suite.commands.show import show
from suite.commands.submit import submit
from suite.commands.tasks import tasks
from suite.commands.train import train
from suite.commands.verify import verify
from suite.errors import PanglotError

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How an encoder retrieves within, across and over all languages, and which of them it favours.\n\n"
    "[dim]panglot run use-multilingual --tasks starter[/dim]",
)
for verb in (
    tasks, models, fetch, plan, run, score, show, compare, rank, verify, submit, receive, export, index, board, train,
    ablate,
):  # fmt: skip
    app.command()(verb)
app.add_typer(import_, name="import")
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command; what a person can mend is shown as one message, exit code 2."""
    try:
        app()
    except PanglotError as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(
            Text("Error: ", style="bold red").append(str(error), style="not bold")
        )
        sys.exit(2)
