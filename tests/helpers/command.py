"""The command `panglot`, in this process where it can be: a start costs a second."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from typer.testing import CliRunner

from panglot.cli.main import app, main
from tests.helpers.processes import completed

PANGLOT = Path(sys.executable).with_name("panglot")
ROOT: Any = typer.main.get_command(app)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every verb and group of verbs."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


VERBS = list(walk(ROOT))


def panglot(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command says and how it ends, in a folder and with variables of the environment."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True) for _ in range(2))
    with ExitStack() as stack:
        stack.enter_context(chdir(cwd or Path.cwd()))
        stack.enter_context(mock.patch.dict(os.environ, {"COLUMNS": "100", **environment}))
        stack.enter_context(mock.patch.object(sys, "argv", ["panglot", *arguments]))
        stack.enter_context(_as_before(cwd))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = _code()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, *said)


def panglot_process(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, in a process of its own."""
    variables = {**os.environ, "COLUMNS": "100", **environment}
    return completed([PANGLOT, *arguments], cwd=cwd, env=variables)


def program(text: str, cwd: Path, **environment: str) -> str:
    """What a program of Python prints, run in this process as one that lies in a folder; a warning is an error."""
    said = io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(chdir(cwd))
        stack.enter_context(mock.patch.dict(os.environ, {"COLUMNS": "100", **environment}))
        stack.enter_context(_as_before(cwd))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(redirect_stdout(said))
        warnings.simplefilter("error")
        sys.path.insert(0, str(cwd))
        exec(compile(text, "program", "exec"), {"__name__": "__main__"})
    return said.getvalue()


def json_of(*arguments: str, code: int = 0) -> Any:
    """What a verb prints as JSON, read by a strict parser."""
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return strictly(done.stdout)


def strictly(text: str) -> Any:
    """JSON without NaN, whose keys are sorted."""

    def sort_checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, object_pairs_hook=sort_checked, parse_constant=refuse)


def _code() -> int:
    """The exit code of the command."""
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextmanager
def _as_before(cwd: Path | None) -> Iterator[None]:
    """Undo what a command does to its process: signal handlers, and modules of the folder where it ran."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    paths = list(sys.path)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.path[:] = paths
        inside = (f"{cwd}{os.sep}", f"{cwd.resolve()}{os.sep}") if cwd else ()
        for name, module in list(sys.modules.items()):  # compared as text: to resolve thousands of files takes a second
            if str(getattr(module, "__file__", None)).startswith(inside):
                del sys.modules[name]
