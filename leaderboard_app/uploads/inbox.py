"""Where uploads go: a place while they are checked, and a folder where those that passed wait for people.

A submission that passed is packed anew from the files that were verified, and kept under a name of ours.
`panglot receive` puts it on the board.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore

from filelock import FileLock

from leaderboard_app.uploads.sandbox import ARCHIVE
from panglot.errors import PanglotError
from panglot.trust.submission import LARGEST_ZIP

AT_ONCE = 2
"""Checks that run at a time; each may take gigabytes."""
PATIENCE = 120
"""Seconds that an upload waits for its turn."""
LEFT_OVER = 3600
"""Seconds after which what a killed server left behind is swept up."""

_turns = BoundedSemaphore(AT_ONCE)
_INCOMING = ".incoming-"
_UNWRITABLE = "The inbox of this board cannot be written. Tell its maintainers."


class NotTaken(PanglotError):
    """An upload that this board has no room or time for; the message is for the person who sent it."""


@dataclass(frozen=True)
class Inbox:
    """A folder with at most so many submissions and bytes, of models that `board` does not have yet."""

    folder: Path
    board: Path
    most_files: int = 200
    most_bytes: int = 4 << 30

    @contextmanager
    def incoming(self, data: bytes | memoryview) -> Iterator[Path]:
        """A folder of its own with the upload in it, as `ARCHIVE`, while it is this upload's turn.

        :raises NotTaken: it is too large, there is no room, or others are being checked for too long.
        """
        if len(data) > LARGEST_ZIP:
            raise NotTaken(f"The file is larger than {LARGEST_ZIP >> 20} MiB. Submit fewer tasks at a time.")
        self._check_room(len(data))
        if not _turns.acquire(timeout=PATIENCE):
            raise NotTaken("Others are being checked. Try again in a few minutes.")
        try:
            self._sweep()
            with tempfile.TemporaryDirectory(prefix=_INCOMING, dir=self.folder) as own:
                self._write(Path(own) / ARCHIVE, data)
                yield Path(own)
        finally:
            _turns.release()

    def keep(self, archive: Path, submission: str) -> Path:
        """Move the zip of a submission that passed into the inbox, under a name that no other upload has.

        :raises NotTaken: the board has this revision of the model, or there is no room any more.
        """
        if any(path.name.lower() == submission.lower() for path in self.board.glob("*@*")):
            raise NotTaken("This revision of the model is on the board and cannot be changed. Submit another revision.")
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.zip"
        with FileLock(self.folder / ".lock"):
            self._check_room(archive.stat().st_size)
            return archive.rename(self.folder / name)

    def _check_room(self, size: int) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sizes = [path.stat().st_size for path in self.folder.glob("*.zip")]
        except OSError as error:
            raise NotTaken(_UNWRITABLE) from error
        if len(sizes) >= self.most_files or sum(sizes) + size > self.most_bytes:
            raise NotTaken("The inbox of this board is full. Tell its maintainers, or try again in a few days.")

    def _write(self, path: Path, data: bytes | memoryview) -> None:
        try:
            path.write_bytes(data)
        except OSError as error:
            raise NotTaken(_UNWRITABLE) from error

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{_INCOMING}*"):
            with suppress(FileNotFoundError):  # its own upload has just ended
                if time.time() - left.stat().st_mtime > LEFT_OVER:
                    shutil.rmtree(left, ignore_errors=True)
