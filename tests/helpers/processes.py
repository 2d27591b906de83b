"""Processes that tests start: each leads a group of its own, and no group outlives the test or pytest itself.

A group is killed when the block that started it ends. Where pytest is killed and ends no block, a watcher does it: a
small process that knows all groups and reads from a pipe that closes when pytest is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

LONGEST = 600
"""Seconds after which something hangs: nothing in the tests takes a tenth of it, on any machine."""

_WATCHER = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


@contextmanager
def started(command: Sequence[object], **settings: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process with the settings of `Popen`; at the end it is killed, with all that it started."""
    process = subprocess.Popen([str(word) for word in command], start_new_session=True, **settings)
    _tell_watcher("+", process.pid)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        _tell_watcher("-", process.pid)


def completed(command: Sequence[object], check: bool = False, **settings: Any) -> subprocess.CompletedProcess[str]:
    """What a process says until it ends by itself.

    :raises subprocess.TimeoutExpired: it hangs.
    :raises AssertionError: it fails, where `check` says that it must not.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(command, **{"stdin": subprocess.DEVNULL, **pipes, **settings}) as process:
        out, err = process.communicate(timeout=LONGEST)
    assert not (check and process.returncode), err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def python(code: str, *arguments: object, check: bool = True, **settings: Any) -> subprocess.CompletedProcess[str]:
    """What a program of Python says."""
    return completed([sys.executable, "-c", code, *arguments], check, **settings)


def free_port() -> int:
    """A port of this machine alone that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_answered(address: str, process: subprocess.Popen[Any], log: Path | None = None) -> None:
    """Wait until a server answers a request with success.

    :raises AssertionError: its process ended, or it hangs.
    """
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text("utf-8") if log else f"The server ended: {process.args}"
        try:
            urlopen(address, timeout=LONGEST).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"No answer from {address}")


def _tell_watcher(sign: str, group: int) -> None:
    pipe = _watcher(os.getpid())
    pipe.write(f"{sign}{group}\n".encode())
    pipe.flush()


@cache
def _watcher(owner: int) -> IO[bytes]:
    """The pipe to the watcher of this process."""
    process = subprocess.Popen(
        [sys.executable, "-ISc", _WATCHER], stdin=subprocess.PIPE, start_new_session=True, close_fds=True
    )
    _watchers.append(process)
    assert process.stdin
    return process.stdin


_watchers: list[subprocess.Popen[bytes]] = []  # kept, since a process that nobody holds is reported as still running
