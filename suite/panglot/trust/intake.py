"""Taking in a submission: unpacked safely, verified, and put in its place if nothing is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

from panglot.errors import BadResult
from panglot.progress import Progress, silent
from panglot.trust.submission import CARD, place, unpack
from panglot.trust.verify import Verdict, verify_folder


def take_in(archive: Path, into: Path, progress: Progress = silent) -> tuple[Path | None, tuple[Verdict, ...]]:
    """Unpack, verify and place; where it is placed, if nothing is wrong, and what was found.

    :raises BadResult: the zip is not a submission, lacks its card, or holds a revision that is there already.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=into) as incoming:
        folder = unpack(archive, Path(incoming))
        if not (folder / CARD).is_file():
            raise BadResult(f"{archive} has no {CARD}. Make it with panglot submit.")
        verdicts = verify_folder(folder, progress)
        if any(verdict.level == "failed" for verdict in verdicts):
            return None, verdicts
        return place(folder, into), verdicts
