"""The `panglot` command: registers the verbs and prints errors without tracebacks."""

from __future__ import annotations

from collections.abc import Callable
from shutil import get_terminal_size
from typing import Annotated

import typer

from panglot.cli.commands.ablate import ablate
from panglot.cli.commands.board import board
from panglot.cli.commands.cache import cache
from panglot.cli.commands.check import check
from panglot.cli.commands.compare import compare
from panglot.cli.commands.debias import debias
from panglot.cli.commands.demo import demo
from panglot.cli.commands.export import export
from panglot.cli.commands.fetch import fetch
from panglot.cli.commands.field import field
from panglot.cli.commands.import_ import import_
from panglot.cli.commands.index import index
from panglot.cli.commands.models import models
from panglot.cli.commands.plan import plan
from panglot.cli.commands.push import push
from panglot.cli.commands.rank import rank
from panglot.cli.commands.receive import receive
from panglot.cli.commands.rescore import rescore
from panglot.cli.commands.run import run
from panglot.cli.commands.score import score
from panglot.cli.commands.shortlist import shortlist
from panglot.cli.commands.show import show
from panglot.cli.commands.submit import submit
from panglot.cli.commands.tasks import tasks
from panglot.cli.commands.train import train
from panglot.cli.commands.verify import verify
from panglot.cli.commands.whatif import whatif
from panglot.cli.help import Verb, Verbs
from panglot.cli.interruption import end_plainly
from panglot.cli.output import echo

WIDEST_HELP = 80

MEASURE, READ, SHARE, MAKE = "Measure", "Read", "Share", "Make"

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["--help", "-h"],
        "terminal_width": min(get_terminal_size().columns, WIDEST_HELP) - 2,
    },
    help="Benchmark text and image encoders on multilingual retrieval and measure their language bias.\n\n"
    "Example: panglot run use-multilingual --tasks starter",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        echo(f"panglot {version('panglot')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Handle the options that come before the verb."""


VERBS: dict[str, tuple[Callable[..., object], ...]] = {
    MEASURE: (demo, check, run, plan, score, tasks, models, fetch),
    READ: (show, compare, rank, field, shortlist, whatif, index, board),
    SHARE: (verify, rescore, submit, receive, export),
    MAKE: (train, debias, ablate, push),
}
for heading, verbs in VERBS.items():
    for verb in verbs:
        app.command(cls=Verb, rich_help_panel=heading)(verb)
app.add_typer(cache, name="cache", rich_help_panel=MEASURE)
app.add_typer(import_, name="import", rich_help_panel=SHARE)


def main() -> None:
    """Run the command. Errors that the user can fix are printed as one message with exit code 2."""
    end_plainly(app)
