"""From mteb's results on its own tasks to rows of the field; what is left out is returned with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.fields import check_line, check_name
from panglot.interop.field import METRICS, SCALE, UNKNOWN
from panglot.interop.mteb_cells import SameTask, mteb_cells
from panglot.interop.mteb_facts import facts_of, training_of
from panglot.interop.mteb_files import LeftOut


class Measured(NamedTuple):
    """What mteb measured of one model on one split of a task; `what` names it in messages.

    Each of `rows` has the name of a subset and its metrics.
    """

    what: str
    model: str
    revision: str
    task: str
    split: str
    data_revision: str
    mteb_version: str
    date: str
    rows: Sequence[Mapping[str, Any]]


class FieldRows:
    """Collects rows of the field from results on mteb's tasks."""

    def __init__(self, tasks: Mapping[str, Task], left_out: Callable[[LeftOut], object]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._tasks = tasks
        self._left_out = left_out
        self._seen: dict[tuple[str, str, str], str] = {}

    def add(self, measured: Measured, meta: Mapping[str, Any]) -> None:
        """Add the rows of one split that are cells of a Panglot task; `meta` is what mteb says about the model."""
        try:
            same, task = self._comparable(measured)
            head = {
                "task": task.name,
                "model": _checked(check_name, "name of the model", measured.model),
                "revision": _checked(check_name, "revision of the model", measured.revision),
                "data_revision": measured.data_revision,
                "mteb_version": _checked(check_line, "mteb version", measured.mteb_version),
                "date": _day(measured.date),
            }
            first = self._seen.setdefault((task.name, measured.model, measured.revision), measured.what)
            if first != measured.what:
                raise BadResult("The same model revision and task were read from another file.")
        except BadResult as error:
            self._left_out(LeftOut(measured.what, str(error)))
            return
        rest = {**head, **facts_of(meta)._asdict(), "training": training_of(meta, same.trained)}
        self.rows.extend({**rest, **row} for row in self._cells(measured, same, task))

    def _comparable(self, measured: Measured) -> tuple[SameTask, Task]:
        """The task with the same cells.

        :raises BadResult: there is none, or the split or the data differ.
        """
        same = mteb_cells().same.get(measured.task)
        if same is None or same.task not in self._tasks:
            why = mteb_cells().why_different(measured.task, measured.data_revision)
            raise BadResult(f"{measured.task}: {why or 'Panglot has no task with the same cells.'}")
        if measured.split != same.split:
            raise BadResult(f"{measured.task}: its split is {measured.split[:40]!a}; {same.task} is on {same.split!a}.")
        if measured.data_revision not in same.revisions:
            revision = (
                f"data revision {measured.data_revision[:40]!a}" if measured.data_revision else "no data revision"
            )
            raise BadResult(f"{measured.task}: with {revision}, its cells are not known to be those of {same.task}.")
        return same, self._tasks[same.task]

    def _cells(self, measured: Measured, same: SameTask, task: Task) -> Iterator[dict[str, Any]]:
        seen = set()
        for row in measured.rows:
            subset = str(row.get("hf_subset", "?"))[:80]
            cell = same.cell(subset, task)
            values = {ours: row.get(theirs) for ours, theirs in METRICS.items()}
            wrong = next((name for name, value in values.items() if not (value is None or is_share(value))), None)
            why = ""
            if cell is None:
                why = f"{task.name} has no such cell."
            elif cell in seen:
                why = f"{measured.task}: the subset is listed more than once."
            elif values["ndcg@10"] is None or wrong:
                why = f"{measured.task}: {METRICS[wrong or 'ndcg@10']} is not a number from 0 to 1."
            if why or cell is None:
                self._left_out(LeftOut(f"{measured.what}, {subset}", why))
                continue
            seen.add(cell)
            yield cell._asdict() | {
                name: UNKNOWN if value is None else round(value * SCALE) for name, value in values.items()
            }


def is_share(value: object) -> bool:
    """Whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _checked(check: Callable[[str], str], what: str, text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise BadResult(f"The {what} {error}.") from error


def _day(date: str) -> str:
    """The day of a date that mteb writes, in seconds since 1970 or in ISO 8601; empty if it is neither."""
    try:
        moment = datetime.fromtimestamp(float(date), UTC)
    except (ValueError, OverflowError, OSError):
        try:
            moment = datetime.fromisoformat(date)
        except ValueError:
            return ""
    return moment.date().isoformat()
