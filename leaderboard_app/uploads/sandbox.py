"""Check a zip from a stranger in a process of its own, which is stopped when it takes too much.

`python -m leaderboard_app.uploads.sandbox FOLDER LIMITS` is that process. It bounds itself, unpacks and verifies the
zip in FOLDER, says how far it is in lines like `1/3`, and leaves `report.json` there; nothing else of it is believed.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TypeAlias

from panglot.errors import BadResult
from panglot.files import data_variable
from panglot.progress import Advance
from panglot.results.record import Record, read_record, write_record
from panglot.trust.intake import take_in
from panglot.trust.levels import Level
from panglot.trust.submission import LARGEST_ENTRY, LARGEST_ZIP
from panglot.trust.verify import Verdict

ARCHIVE = "upload.zip"
PLACED = "unpacked"
REPORT = "report.json"

ELSEWHERE = "Check it with panglot verify, and submit it by pull request."
"""What is left where a result is too large for this server."""

LONGEST_FINDING = 500
MOST_LINES = 200
LONGEST_LINE = 100

ENVIRONMENT = ("XDG_CACHE_HOME", "HOME", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What the process sees of ours beside the data folder: no secrets."""

OnProgress: TypeAlias = Callable[[int, int], object]
"""Takes the number of files that are verified, and of all."""


class Limits(Record):
    """What one check may take. Two full tasks take 1.6 GiB of address space, mostly libraries', and 5 seconds."""

    address_space: int = 3 << 30
    """Bytes."""
    processor_seconds: int = 180
    seconds: float = 300
    file_bytes: int = max(LARGEST_ZIP, LARGEST_ENTRY)
    """Of the largest file that it may write."""
    open_files: int = 64


LIMITS = Limits()


class FileReport(Record):
    """What was found about one file, in words that are safe to show as plain text."""

    name: str
    level: Level
    findings: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


class Report(Record):
    """What was found about an upload: `folder` names the submission if nothing is wrong, `refused` says what is."""

    files: tuple[FileReport, ...] = ()
    folder: str = ""
    refused: str = ""

    def lines(self) -> list[str]:
        """The report as `panglot verify` would print it, cut at `MOST_LINES`."""
        lines = [self.refused] if self.refused else []
        for file in self.files:
            lines.append(f"{file.name}  {file.level}")
            lines += [f"  {finding}" for finding in file.findings]
            lines += [f"  not checked: {note}" for note in file.unchecked]
        more = len(lines) - MOST_LINES
        return [*lines[:MOST_LINES], f"and {more} more lines"] if more > 0 else lines


def check_upload(folder: Path, on_progress: OnProgress, limits: Limits = LIMITS) -> Report:
    """Check the zip in the folder; what passes is unpacked there, in `PLACED`.

    A check that is stopped or breaks down is reported as a refusal.
    """
    command = [sys.executable, "-I", "-m", __name__, str(folder), limits.model_dump_json()]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | data_variable()
    start = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
        alarm = Timer(limits.seconds, process.kill)
        alarm.start()
        try:
            _listen(process, on_progress)
            code = process.wait()
        finally:
            alarm.cancel()
            process.kill()
    try:
        return read_record(folder / REPORT, Report)
    except BadResult:
        late = time.monotonic() - start >= limits.seconds
        return Report(refused=_stopped(code, late, limits))


def _listen(process: subprocess.Popen[bytes], on_progress: OnProgress) -> None:
    """Pass on how far the process is, until it closes its output."""
    assert process.stdout is not None
    while line := process.stdout.readline(LONGEST_LINE):
        done, _, total = line.strip().partition(b"/")
        if done.isdigit() and total.isdigit() and int(done) <= int(total) > 0:
            on_progress(int(done), int(total))


def _stopped(code: int, late: bool, limits: Limits) -> str:
    if late:
        return f"The check was stopped: it took longer than {limits.seconds:g} seconds. {ELSEWHERE}"
    if code == -signal.SIGXCPU:
        most = limits.processor_seconds
        return f"The check was stopped: it took more than {most} seconds of computing. {ELSEWHERE}"
    if code == -signal.SIGABRT:  # as libraries in C++ end where they get no memory
        return _out_of_memory(limits)
    if code == -signal.SIGKILL:
        return "The check was stopped by this machine, which is short of memory or shutting down. Try again later."
    return f"The check broke down (code {code}). The log of this server says why."


def _out_of_memory(limits: Limits) -> str:
    most = limits.address_space >> 20
    return f"The check was stopped: it needs more than {most} MiB of memory. {ELSEWHERE}"


def main(folder: Path, limits: Limits) -> None:
    """Bound this process, then check the zip in the folder and write the report."""
    _bound(limits)
    os.chdir(folder)  # so that no message holds a path of this machine
    try:
        target, verdicts = take_in(Path(ARCHIVE), Path(PLACED), progress=_say)
        report = Report(files=tuple(map(_of_file, verdicts)), folder=target.name if target else "")
    except BadResult as error:
        short = isinstance(error.__cause__, MemoryError)
        report = Report(refused=_out_of_memory(limits) if short else _plain(str(error)))
    except (MemoryError, SystemError, OSError) as error:
        # The interpreter raises SystemError where it cannot even make a MemoryError, a system call OSError.
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        report = Report(refused=_out_of_memory(limits))
    write_record(Path(REPORT), report)


def _bound(limits: Limits) -> None:
    """Lower this process's limits for good; the libraries are loaded by now."""
    for kind, asked in (
        (resource.RLIMIT_AS, limits.address_space),
        (resource.RLIMIT_CPU, int(time.process_time()) + limits.processor_seconds),  # loading libraries is not theirs
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        most = asked + 1 if allowed == resource.RLIM_INFINITY else min(asked + 1, allowed)
        resource.setrlimit(kind, (min(asked, most), most))  # at the first the process is told, at the second killed
    os.nice(10)


@contextmanager
def _say(label: str, total: int) -> Iterator[Advance]:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        sys.stdout.write(f"{done}/{total}\n")
        sys.stdout.flush()

    advance(0)
    yield advance


def _of_file(verdict: Verdict) -> FileReport:
    folder = f"{verdict.path.parent}/"
    findings, unchecked = (
        tuple(_plain(text.replace(folder, "")) for text in texts) for texts in (verdict.findings, verdict.unchecked)
    )
    return FileReport(name=_plain(verdict.path.name), level=verdict.level, findings=findings, unchecked=unchecked)


def _plain(text: str) -> str:
    """The text with every character visible, and not too long."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)[:LONGEST_FINDING]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Limits.model_validate_json(sys.argv[2]))
