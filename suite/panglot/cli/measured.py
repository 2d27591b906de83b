"""Results measured here, in the form of reported ones, so that both stand in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.interop.field import Reported
    from panglot.results.result_record import ResultRecord


class Measured(NamedTuple):
    """The models of result files; how many are of a recorded level; and why others are left out, by path."""

    models: list[Reported]
    recorded: int
    left_out: dict[str, str]

    def tell(self, console: PlainConsole) -> None:
        """Say whose word a level is, and what is left out."""
        from panglot.numbers import count
        from panglot.results.naming import RECORD

        if self.recorded:
            levels, them = ("The trust level", "it") if self.recorded == 1 else ("Trust levels", "them")
            said = f"{levels} of {count(self.recorded, 'result comes', 'results come')} from {RECORD}"
            console.print(f"{said}; run panglot verify to check {them} yourself.", soft_wrap=True)
        for path, reason in self.left_out.items():
            console.print(f"not listed: {path}: {reason}", soft_wrap=True)


def measured(paths: Sequence[Path], task: str, metric: str) -> Measured:
    """The results among the paths that have cells of the task; of two results of one model, the first.

    Those that no record of a verification covers are verified now. A result whose scores do not follow from its
    evidence is left out, as is one that cannot be read.
    """
    from panglot.cli.view.terminal import progress_bar
    from panglot.errors import BadResult
    from panglot.files import real_path
    from panglot.results.result_record import find_results, read_result_record
    from panglot.trust.levels import HOLDS
    from panglot.trust.recorded import recorded_level

    found: list[Reported] = []
    left_out, seen, of_record = dict[str, str](), dict[str, str](), 0
    here = list({real_path(path): path for path in find_results(paths)}.values()) if paths else []
    with progress_bar("verifying", len(here)) as advance:
        for path in here:
            advance(1)
            try:
                record = read_result_record(path)
            except BadResult as error:
                left_out[str(path)] = str(error).removeprefix(str(path)).lstrip(": ")
                continue
            if record.task.name != task or metric not in record.pairs:
                continue
            label = record.model.label
            if label in seen:
                left_out[str(path)] = f"It is another result of {label}, which is listed by {seen[label]}."
                continue
            recorded = recorded_level(path)
            level, reason = (recorded, "") if recorded in HOLDS else _verified(path)
            if reason:
                left_out[str(path)] = f"{level}. {reason}"
                continue
            seen[label] = str(path)
            of_record += recorded in HOLDS
            found.append(_as_reported(record, _card(path), metric, level))
    return Measured(found, of_record, left_out)


def _verified(path: Path) -> tuple[str, str]:
    """The level of trust of a result, and what is wrong if its scores do not follow from its evidence."""
    from panglot.trust.levels import HOLDS, MEANINGS
    from panglot.trust.verify import verify

    verdict = verify(path)
    if verdict.level in HOLDS:
        return verdict.level, ""
    return verdict.level, verdict.findings[0].removeprefix(f"{path}: ") if verdict.findings else MEANINGS[verdict.level]


def _card(path: Path) -> dict[str, Any]:
    """What the card beside a result states of its model; nothing if there is none, or it is of another model."""
    from panglot.errors import BadResult
    from panglot.results.record import read_record
    from panglot.trust.submission import CARD, SubmissionCard

    try:
        return read_record(path.parent / CARD, SubmissionCard).model_dump()
    except BadResult:
        return {}


def _as_reported(record: ResultRecord, card: dict[str, Any], metric: str, level: str) -> Reported:
    """A result as a reported one; what it says of its model goes before the card beside it."""
    from panglot.interop.field import Reported

    names, model = record.task.languages, record.model
    if (card.get("model"), card.get("revision")) != (model.name, model.revision):
        card = {}
    cells = {
        (query, candidate): cell[0]
        for query, row in zip(names, record.pairs[metric], strict=True)
        for candidate, cell in zip(names, row, strict=True)
        if cell
    }
    facts: dict[str, Any] = {"trust": level, "weights": card.get("weights", "unknown")}
    for name in ("parameters", "dimension", "max_length"):
        facts[name] = getattr(model, name) or card.get(name)
    licence = model.licence if model.licence != "unknown" else card.get("licence", "unknown")
    facts["licence"] = str(licence).lower()
    facts["training"] = card.get("training", {}).get(record.task.name)
    return Reported(model.name, model.state, cells, facts)
