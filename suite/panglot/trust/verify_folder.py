"""Whether a folder holds one submission: the results of one model, its card, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from panglot.data.catalogue import suite_tasks
from panglot.errors import BadResult
from panglot.progress import Progress, silent
from panglot.results.evidence_file import EVIDENCE_FILES, evidence_file
from panglot.results.naming import result_folder
from panglot.results.record import read_record
from panglot.results.result_record import ResultRecord, find_results
from panglot.trust.rerun import attestation_file
from panglot.trust.submission import CARD, SubmissionCard
from panglot.trust.verify import Use, Verdict, refuse_links, verify


def verify_folder(folder: Path, progress: Progress = silent, use: Use | None = None) -> tuple[Verdict, ...]:
    """Check all that is in the folder of one model: each result, the card, and that nothing else is there.

    :param use: called with the evidence of each result that holds, as in `verify`
    :returns: a verdict for each result, for the card, and for each file that does not belong there
    :raises BadData: the data that is here is damaged.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            raise BadResult(f"{folder} is a link or a file, not the folder of a model.")
        results = list(find_results([folder]))
        _check_one_model(folder, results)
    except BadResult as error:
        return (Verdict(folder, "failed", (str(error),)),)
    verdicts = []
    with progress("verifying", len(results)) as advance:
        for path in results:
            verdicts.append(_at_home(verify(path, use), folder))
            advance(1)
    if os.path.lexists(folder / CARD):
        verdicts.append(_verify_card(folder / CARD, [verdict.result for verdict in verdicts if verdict.result]))
    expected = {folder / CARD, *results, *map(attestation_file, results)}
    expected |= {evidence_file(path, name) for path in results for name in EVIDENCE_FILES}
    for path in sorted(set(folder.iterdir()) - expected):
        verdicts.append(Verdict(path, "failed", ("This is not a file of a submission. Remove it.",)))
    return tuple(verdicts)


def _check_one_model(folder: Path, results: Sequence[Path]) -> None:
    """Check that results are in the folder itself, not in folders below it.

    :raises BadResult: it is the parent of the folders of models.
    """
    below = sorted({path.parent.name for path in results if path.parent != folder})
    if below:
        more = ", …" if len(below) > 3 else ""
        raise BadResult(f"{folder} holds the folders of models: {', '.join(below[:3])}{more}. Name one of them.")


def _at_home(verdict: Verdict, folder: Path) -> Verdict:
    """The verdict, with a finding more if the result belongs into another folder."""
    if verdict.result is None or verdict.level == "failed":
        return verdict
    home = result_folder(folder.parent, verdict.result.model)
    if home.name == folder.resolve().name:
        return verdict
    return replace(verdict, level="failed", findings=(f"It is a result of another model. Move it to {home.name}/.",))


def _verify_card(path: Path, results: Sequence[ResultRecord]) -> Verdict:
    """Check the card against the results beside it that can be read."""
    try:
        refuse_links(path)
        card = read_record(path, SubmissionCard)
    except BadResult as error:
        return Verdict(path, "failed", (str(error),))
    findings = []
    models = {(result.model.name, result.model.revision) for result in results}
    if models - {(card.model, card.revision)}:
        findings.append(f"card.json describes {card.model}@{card.revision}, but the results are of another model.")
    unknown = sorted(set(card.training) - set(suite_tasks()) - {result.task.name for result in results})
    if unknown:
        findings.append(f"training names {', '.join(unknown[:3])}, which is not a task.")
    return Verdict(path, "failed" if findings else "declared", tuple(findings))
