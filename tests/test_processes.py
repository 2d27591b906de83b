"""The processes of tests: none outlives the test that started it, nor pytest, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.processes import completed, python, started

PARENT = """
import os, subprocess, sys
os.write(1, b"started")
subprocess.run([sys.executable, "-c", "input()"])
"""
"""Starts a child of its own that waits for ever, and waits for it."""

PYTEST = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start jobs in the background without it
from tests.helpers.processes import started
with started([sys.executable, "-c", {PARENT!r}], stdin=subprocess.PIPE) as process:
    process.wait()
"""


def test_child_and_grandchild_end_with_the_block() -> None:
    pipe, end = os.pipe()
    with started([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=end):
        os.close(end)
        assert os.read(pipe, 100) == b"started"
    assert os.read(pipe, 100) == b""  # nobody holds the other end
    os.close(pipe)


def test_child_ends_when_the_test_fails() -> None:
    with pytest.raises(ZeroDivisionError), started([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        raise ZeroDivisionError
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_child_and_grandchild_end_when_pytest_is_stopped(number: signal.Signals) -> None:
    pipe, end = os.pipe()
    with started([sys.executable, "-c", PYTEST], stdout=end, stderr=subprocess.DEVNULL) as process:
        os.close(end)
        assert os.read(pipe, 100) == b"started"
        process.send_signal(number)
        assert os.read(pipe, 100) == b""
    os.close(pipe)


def test_completed_returns_output_and_exit_code() -> None:
    done = completed([sys.executable, "-c", "import sys; print(input() if sys.stdin.isatty() else 1); sys.exit(3)"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "1\n", "")


def test_python_shows_what_a_failing_program_says() -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        python("1 / 0")
