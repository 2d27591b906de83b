"""Results measured here, in the form of reported ones, so that both stand in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panglot.interop.field import Reported


def measured(paths: Sequence[Path], task: str, metric: str) -> list[Reported]:
    """The results among the paths that have cells of the task."""
    from panglot.interop.field import Reported
    from panglot.results.result_record import find_results, read_result_record
    from panglot.trust.recorded import recorded_level

    found = []
    for path in find_results(paths):
        record = read_result_record(path)
        if record.task.name == task and metric in record.pairs:
            names = record.task.languages
            cells = {
                (query, candidate): cell[0]
                for query, row in zip(names, record.pairs[metric], strict=True)
                for candidate, cell in zip(names, row, strict=True)
                if cell
            }
            card = record.model
            facts = {
                "trust": recorded_level(path) or "not checked",
                "parameters": card.parameters,
                "dimension": card.dimension,
                "max_length": card.max_length,
                "licence": card.licence.lower(),
            }
            found.append(Reported(card.name, card.state, cells, facts))
    return found
