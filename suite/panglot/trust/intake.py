"""Taking in a submission: unpacked safely, verified, and put in its place if nothing is wrong."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from panglot.errors import BadResult
from panglot.progress import Progress, silent
from panglot.trust.submission import CARD, place, unpack
from panglot.trust.verify import Verdict
from panglot.trust.verify_folder import verify_folder


def take_in(archive: Path, into: Path, progress: Progress = silent) -> tuple[Path | None, tuple[Verdict, ...]]:
    """Unpack, verify and place a submission.

    :param into: the folder of submissions that it goes to
    :returns: where it was placed, None if something is wrong, and what was found of each file, named as in the zip
    :raises BadResult: the zip is not a submission, lacks its card, or holds a revision that is there already.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=into) as incoming:
        folder = unpack(archive, Path(incoming))
        if not (folder / CARD).is_file():
            raise BadResult(f"{archive} has no {CARD}. Make it with panglot submit.")
        verdicts = tuple(_as_packed(verdict, Path(incoming)) for verdict in verify_folder(folder, progress))
        if any(verdict.level == "failed" for verdict in verdicts):
            return None, verdicts
        return place(folder, into), verdicts


def _as_packed(verdict: Verdict, incoming: Path) -> Verdict:
    """The verdict with paths as in the zip: where it was unpacked is gone by the time that anybody reads this."""
    findings, unchecked = (
        tuple(text.replace(f"{incoming}/", "") for text in texts) for texts in (verdict.findings, verdict.unchecked)
    )
    return replace(verdict, path=verdict.path.relative_to(incoming), findings=findings, unchecked=unchecked)
