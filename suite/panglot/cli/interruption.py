"""How a command ends early: an error is one message, and after Ctrl-C or SIGTERM it says what is kept."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from panglot.cli.output import open_console
from panglot.errors import PanglotError, fixable
from panglot.plain import plain

_kept: list[str] = []


class Interrupted(BaseException):
    """A signal asked this process to stop; `code` is the conventional exit code."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.code = 128 + signal_number


def on_interrupt(message: str) -> None:
    """Set the message of `kept`: what an interrupted command leaves behind and how to resume."""
    _kept[:] = [message]


def kept() -> str:
    """Return the message for the user who interrupted the command."""
    return " ".join(["Interrupted.", *_kept])


def watch_signals() -> None:
    """Turn the first SIGINT or SIGTERM into `Interrupted`; a second one ends the process immediately."""
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        if os.getpid() != owner:  # a library's forked worker, which is stopped this way
            signal.raise_signal(number)
        raise Interrupted(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def end_plainly(command: Callable[[], object]) -> None:
    """Run a command. Errors that the user can fix are printed as one message with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # limited terminals show question marks
    watch_signals()
    try:
        command()
    except (PanglotError, OSError) as error:
        message = fixable(error)
        if message is None:
            raise
        _stop("Error: ", message)
    except Interrupted as interrupted:
        _stop("", kept(), interrupted.code)


def _stop(heading: str, message: str, code: int = 2) -> NoReturn:
    from rich.text import Text

    text = Text(heading, style="bold red").append(plain(message), style="not bold")
    open_console(aside=True).print(text, soft_wrap=True)
    sys.exit(code)
