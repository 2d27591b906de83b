"""Handles Ctrl-C and SIGTERM: the command stops and says what is kept and how to resume."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

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
