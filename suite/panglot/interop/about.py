"""What exports say about Panglot, a score and a result, the same in all formats."""

from __future__ import annotations

from functools import cache
from importlib.metadata import metadata

from panglot.numbers import count, interval, short
from panglot.results.result_record import ResultRecord
from panglot.score.bootstrap import Score
from panglot.score.settings import MEANINGS

INTERVAL = "bootstrap over clusters of queries, expanded percentiles (Hesterberg, 2015)"


@cache
def repository() -> str | None:
    """The address of Panglot's repository; None if this package was built elsewhere, and so states none."""
    addresses = dict(line.split(", ", 1) for line in metadata("panglot").get_all("Project-URL") or [])
    return addresses.get("Repository")


def notes(record: ResultRecord, setting: str, metric: str, score: Score) -> str:
    """One line on a score: what it is, its interval, and the content and the state of the model that it is of."""
    task, clusters = record.task, count(record.clusters, "cluster")
    certain = (
        f"95 % interval {interval(score.low, score.high)} over {clusters}" if score.low is not None else "no interval"
    )
    return (
        f"{metric} {short(score.value)} of 1, {certain}. {MEANINGS[setting]} {count(len(task.languages), 'language')}, "
        f"{count(task.queries, 'query', 'queries')}, {count(task.candidates, 'candidate')}; ties count against the "
        f"model. State of the model: {record.model.state}. Task fingerprint: {task.fingerprint}. "
        f"Panglot {record.run.panglot}."
    )
