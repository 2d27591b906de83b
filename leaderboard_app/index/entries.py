"""From one submission's folder to what the index holds of it: facts of each result, beside its scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
from pydantic import Field

from leaderboard_app.index.score_rows import Row, reported_rows, result_rows, table_of
from leaderboard_app.index.strangers import check_named, check_regular, contained, is_regular
from panglot.encode.registry import FLOORS
from panglot.errors import BadResult
from panglot.fields import LONGEST_LINE, Amount, Dimension, Label, Line, Parameters, Tokens
from panglot.interop.published import is_published, published_results
from panglot.results.evidence_file import NEEDED, evidence_file
from panglot.results.naming import CARD, REPORTED, is_result_name
from panglot.results.record import Record, read_record
from panglot.results.reported import ReportedResult, read_reported
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.trust.levels import COMPARED, HOLDS, Shown
from panglot.trust.submission import SubmissionCard

IN_BOTH = ("licence", "parameters", "dimension", "max_length")
"""Facts that a card and a result can both state."""


class Entry(Record):
    """Facts of one result: one model in one state on one task.

    `id` is its path below the submissions without `.json`. `task` is what it can be compared on: the task's name, with
    the languages behind it where it is not whole (`xquad-r.de-en`).
    """

    id: str
    folder: str
    task: str
    trust: Shown
    recorded: bool = False
    """Whether the maintainers of the folder found that level, and not this machine."""
    name: Label
    """The name for people."""
    identity: Label
    """The name it was measured under."""
    revision: Line
    """With the changed settings."""
    headline: str
    languages: tuple[str, ...]
    fingerprint: str | None = None
    organisation: str = ""
    licence: str = "unknown"
    weights: str = "unknown"
    parameters: Parameters | None = None
    dimension: Dimension | None = None
    max_length: Tokens | None = None
    modalities: tuple[str, ...] = ("text",)
    made_for: tuple[str, ...] = ()
    training: str = "unknown"
    link: str = ""
    date: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = ""
    texts_per_second: Annotated[Amount, Field(gt=0)] | None = None
    evidence: bool = False
    source: str = ""
    """Where the numbers of a reported result are from."""
    imitates: str = ""
    """Another model on the board that its name could be confused with."""

    @property
    def shown(self) -> str:
        """The name, and before it the name that the model was measured under, unless the name begins with that.

        Text after a comma or in brackets only describes the same model further: "bm25, centred on the corpus". A model
        whose name could be taken for another's is shown by what it was measured under alone, and marked. So is a floor,
        since single cells of a table cannot be greyed.
        """
        if self.floor:
            return f"{self.identity} (floor)"
        if self.imitates:
            return f"{self.identity} (named like {self.imitates})"
        identity, name = self.identity.replace(" ", "-"), self.name.replace(" ", "-")
        own = (identity, identity.removeprefix(f"{self.organisation}/"))
        if name in own or name.startswith(tuple(f"{each}{more}" for each in own for more in (",-", "-("))):
            return self.name
        return f"{self.identity} ({self.name})"

    @property
    def verified(self) -> bool:
        """Whether its evidence was verified; it is in the store then."""
        return self.trust in HOLDS

    @property
    def compared(self) -> bool:
        """Whether its evidence was compared with the task's data."""
        return self.trust in COMPARED

    @property
    def floor(self) -> bool:
        """Whether it knows nothing about the text, and is shown for reference only."""
        return self.identity in FLOORS

    @property
    def ranked(self) -> bool:
        """Whether it has a place among the models of its task."""
        return self.verified and not self.floor


class Found(NamedTuple):
    """What one folder holds; `refused` says why files are not shown."""

    entries: list[Entry]
    rows: list[pa.Table]
    refused: dict[str, str]


def read_folder(folder: Path) -> Found:
    """The results in the folder of one model, measured here or reported by others."""
    found = Found([], [], {})
    card = None
    if (folder / CARD).exists():
        with contained(f"{folder.name}/{CARD}", found.refused):
            check_regular(folder / CARD)
            card = read_record(folder / CARD, SubmissionCard)
    for path in sorted(folder.glob("*.json")):
        with contained(f"{folder.name}/{path.name}", found.refused):
            if path.name.endswith(REPORTED):
                check_named(path)
                check_regular(path)
                reported = read_reported(path)
                if reported.level == "published" and not is_published(reported):
                    raise BadResult(
                        "It calls itself published, but it is not one of the rows that panglot import published "
                        'writes. Set its level to "self-reported".'
                    )
                _add(found, _reported(reported, folder.name, path.stem), reported_rows(reported))
            elif is_result_name(path.name):
                check_named(path)
                check_regular(path)
                result = read_result_record(path)
                if card and not _is_about(card, result):
                    why = f"It describes {card.model}@{card.revision}, but the results are of another model."
                    found.refused[f"{folder.name}/{CARD}"] = why
                    card = None
                _add(found, _measured(path, result, card), result_rows(result))
    return found


def published() -> Found:
    """The results published in papers."""
    found = Found([], [], {})
    for reported in published_results():
        folder = f"{reported.model.replace('/', '__')}@{reported.revision}"
        _add(found, _reported(reported, folder, f"{reported.task}.reported"), reported_rows(reported))
    return found


def _add(found: Found, entry: Entry, rows: Iterator[Row]) -> None:
    found.entries.append(entry)
    found.rows.append(table_of(entry.id, entry.task, rows))


def _is_about(card: SubmissionCard, result: ResultRecord) -> bool:
    return (card.model, card.revision) == (result.model.name, result.model.revision)


def _measured(path: Path, result: ResultRecord, card: SubmissionCard | None) -> Entry:
    """Facts of a result; what the result itself says about its model goes before its card."""
    model, encoding = result.model, result.run.encoding
    facts = _card_facts(card, result) | _model_facts(result)
    return Entry(
        id=f"{path.parent.name}/{path.stem}",
        folder=path.parent.name,
        task=path.stem,
        trust="not checked",
        identity=model.name,
        revision=model.state[:LONGEST_LINE].strip(),  # it has whole prompts
        headline=result.task.headline,
        languages=result.task.languages,
        fingerprint=result.task.fingerprint,
        date=result.run.created[:10],
        texts_per_second=encoding.texts_per_second if encoding else None,
        evidence=all(is_regular(evidence_file(path, name)) for name in NEEDED),
        **facts,
    )


def _card_facts(card: SubmissionCard | None, result: ResultRecord) -> dict[str, Any]:
    if card is None:
        return {"name": result.model.name}
    names = ("name", "organisation", "weights", "modalities", "link", *IN_BOTH)
    facts = {name: getattr(card, name) for name in names}
    return {**facts, "made_for": card.languages, "training": card.training.get(result.task.name, "unknown")}


def _model_facts(result: ResultRecord) -> dict[str, Any]:
    facts = {name: getattr(result.model, name) for name in IN_BOTH}
    return {name: value for name, value in facts.items() if value not in (None, "unknown")}


def _reported(reported: ReportedResult, folder: str, stem: str) -> Entry:
    organisation, _, name = reported.model.rpartition("/")
    return Entry(
        id=f"{folder}/{stem}",
        folder=folder,
        task=reported.task,
        trust=reported.level,
        name=name,
        organisation=organisation,
        identity=reported.model,
        revision=reported.revision,
        headline=next(iter(next(iter(reported.settings.values()), {"map": 0.0}))),
        languages=tuple(reported.languages),
        fingerprint=reported.fingerprint,
        source=f"{reported.citation}. {reported.source}. {reported.note}".strip(),
    )
