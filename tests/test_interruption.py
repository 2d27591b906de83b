"""Ctrl-C, SIGTERM and a full disk: what is kept and how to go on is said, without a traceback."""

from __future__ import annotations

import errno
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from panglot.cli.interruption import Interrupted
from panglot.cli.main import main
from panglot.retrieve.evidence import Evidence
from panglot.trust.submission import pack
from tests.helpers.command import panglot
from tests.helpers.processes import LONGEST, completed, started

WAITING = """
import threading


class Waiting:
    def encode(self, texts, role):
        open("encoding", "w").close()
        threading.Event().wait()


def make():
    return Waiting()
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("options", "said"), [((), "encoded vectors are cached; run the same command"), (("--no-cache",), "is kept")]
)
def test_interrupted_run_says_what_is_kept(
    stop: signal.Signals, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    command = [sys.executable, "-m", "panglot", "run", "py:waiting:make", *options]
    os.mkfifo(tmp_path / "encoding")
    with started(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        (tmp_path / "encoding").read_bytes()  # returns when the encoder has opened and closed it
        process.send_signal(stop)
        _, shown = process.communicate(timeout=LONGEST)
    assert process.returncode == 128 + stop
    assert "Interrupted. " in shown
    assert said in shown
    assert "Traceback" not in shown


def test_full_disk_is_reported_with_advice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "submissions/x/starter.json")

    monkeypatch.setattr("panglot.cli.main.app", full)
    monkeypatch.setattr("panglot.cli.interruption.watch_signals", lambda: None)  # those of the test runner stay
    with pytest.raises(SystemExit, match="2"):
        main()
    shown = capsys.readouterr().err
    assert "submissions/x/starter.json cannot be written. The disk is full. Free some space" in shown


@pytest.mark.parametrize("tasks", ["starter", "starter,emoji-t2i"])
def test_disk_that_fills_up_while_results_are_written_is_reported_with_advice(
    tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(target: Path, evidence: Evidence) -> None:
        raise OSError(errno.ENOSPC, "Error writing bytes to file")  # as Arrow does: without the file's name

    monkeypatch.setattr("panglot.results.result.write_evidence", full)
    monkeypatch.setattr("panglot.cli.interruption.watch_signals", lambda: None)
    monkeypatch.setattr("sys.argv", ["panglot", "run", "random", "--tasks", tasks, "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        main()
    shown = capsys.readouterr()
    assert "The disk is full. Free some space" in shown.out + shown.err
    assert "OSError" not in shown.out + shown.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("option", ["--matrix", "--json"])
def test_ascii_terminal_is_supported(encoding: str, option: str, starter_results: Path) -> None:
    command = [sys.executable, "-m", "panglot", "show", str(starter_results / "use-multilingual@0.2.1"), option]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = completed(command, env=environment, text=False)
    assert done.returncode == 0, done.stderr
    assert bytes(done.stdout).decode(encoding)


@pytest.mark.parametrize("program", ["index.verification", "serve"])
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, "Error writing bytes to file"), 2, "The disk is full. Free some space"),
        (Interrupted(signal.SIGINT), 130, "Interrupted."),
    ],
)
def test_programs_of_the_board_end_as_the_command_does(
    program: str,
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("leaderboard_app.index.index.update", fail)
    monkeypatch.setattr("panglot.cli.interruption.watch_signals", lambda: None)
    monkeypatch.setattr("sys.argv", [program, "submissions", "inbox", "127.0.0.1", "1"])
    monkeypatch.delitem(sys.modules, f"leaderboard_app.{program}", raising=False)
    with pytest.raises(SystemExit, match=str(code)):
        runpy.run_module(f"leaderboard_app.{program}", run_name="__main__")
    assert message in capsys.readouterr().err


def test_full_disk_is_no_fault_of_a_zip(starter_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = pack(next(starter_results.glob("bm25@*")), tmp_path / "sent.zip")
    monkeypatch.setattr("panglot.trust.submission._unfold", full)
    done = panglot("receive", str(archive), "--into", str(tmp_path / "board"))
    assert (done.returncode, "The disk is full. Free some space" in done.stderr) == (2, True)
    assert not list((tmp_path / "board").iterdir())
