"""The command `panglot`: puts the verbs together, and shows errors as a person wants to see them."""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper
from shutil import get_terminal_size
from typing import NoReturn

import typer

from suite.commands.ablate import ablate
from suite.commands.board import board
from suite.commands.cache import cache
from suite.commands.compare import compare
from suite.commands.demo import demo
from suite.commands.export import export
from suite.commands.fetch import fetch
from suite.commands.help import Verb, Verbs
from suite.commands.import_ import import_
from suite.commands.index import index
from suite.commands.interruption import Interrupted, kept, watch_signals
from suite.commands.models import models
from suite.commands.output import open_console
from suite.commands.plan import plan
from suite.commands.rank import rank
from suite.commands.receive import receive
from suite.commands.rescore import rescore
from suite.commands.run import run
from suite.commands.score import score
from suite.commands.show import show
from suite.commands.submit import submit
from suite.commands.tasks import tasks
from suite.commands.train import train
from suite.commands.verify import verify
from suite.commands.whatif import whatif
from suite.errors import PanglotError
from suite.plain import plain

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
    help="How an encoder retrieves within, across and over all languages, and which of them it favours.\n\n"
    "Example: panglot run use-multilingual --tasks starter",
)
for heading, verbs in {
    MEASURE: (demo, run, plan, score, tasks, models, fetch),
    READ: (show, compare, rank, whatif, index, board),
    SHARE: (verify, rescore, submit, receive, export),
    MAKE: (train, ablate),
}.items():
    for verb in verbs:
        app.command(cls=Verb, rich_help_panel=heading)(verb)
app.add_typer(cache, name="cache", rich_help_panel=MEASURE)
app.add_typer(import_, name="import", rich_help_panel=SHARE)


NO_SPACE = "The disk is full. Free some space, or choose another folder with --out or --cache; a run then continues."


def main() -> None:
    """Run the command; what a person can fix is shown as one message, exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few characters shows the others as question marks
    watch_signals()
    try:
        app()
    except PanglotError as error:
        _stop("Error: ", str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _stop("Error: ", f"{error.filename or 'A file'} cannot be written. {NO_SPACE}")
        if error.filename is None:
            raise
        _stop("Error: ", f"{error.filename}: {error.strerror}. Fix this or choose another path.")
    except Interrupted as interrupted:
        _stop("", kept(), interrupted.code)


def _stop(heading: str, message: str, code: int = 2) -> NoReturn:
    from rich.text import Text

    text = Text(heading, style="bold red").append(plain(message), style="not bold")
    open_console(aside=True).print(text, soft_wrap=True)
    sys.exit(code)
