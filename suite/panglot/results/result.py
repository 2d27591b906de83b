"""A result: one model on one task, with the evidence that every score follows from.

`<model>@<revision>/<task>.json` holds the scores, the `ResultRecord`; the Parquet files of `evidence_file.py` beside it
are the evidence. The JSON follows from the Parquet files: `score_evidence(read_evidence(path))` gives every number
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from panglot.data.catalogue import known_tasks
from panglot.encode.card import ModelCard
from panglot.numbers import short
from panglot.results.evidence_file import hash_evidence, write_evidence
from panglot.results.facts import read_evidence_of
from panglot.results.naming import result_folder
from panglot.results.record import write_record
from panglot.results.result_record import ByMetric, ResultRecord, read_result_record
from panglot.retrieve.evidence import Evidence

if TYPE_CHECKING:
    import pandas


class Result:
    """One model on one task: its scores, and the evidence that they follow from.

    `record` is all that the result file says: the task and its fingerprint, the model's card, scores by language and
    pair, how the run was made. `stem` is the name of that file without its suffix, and `path` says where it was read.
    `remarks` are warnings about the data of a run that just ended. A notebook shows a result as tables and a heat map.
    """

    def __init__(
        self,
        record: ResultRecord,
        evidence: Evidence | Callable[[], Evidence],
        stem: str,
        path: Path | None = None,
        remarks: tuple[str, ...] = (),
    ) -> None:
        self.record, self.stem, self.path, self.remarks = record, stem, path, remarks
        self._evidence = evidence

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.record.task.name

    @property
    def model(self) -> ModelCard:
        """What the model is, and how it was configured."""
        return self.record.model

    @property
    def place(self) -> str:
        """How messages name it: where it was read, else the model."""
        return str(self.path or self.model.label)

    @property
    def scores(self) -> Mapping[str, ByMetric]:
        """`mono`, `cross`, `multi` and `balance` by metric, as far as the task has them: values from 0 to 1."""
        balance = {"balance": self.record.balance} if self.record.balance else {}
        return {**self.record.settings, **balance}

    @property
    def bias(self) -> ByMetric:
        """The measures of language bias; `record.blind` has what a language-blind ranker gets."""
        return self.record.bias

    @cached_property
    def evidence(self) -> Evidence:
        """The counts that every score follows from, whatever the languages; read when it is first asked for.

        :raises BadResult: the files beside the result are missing, damaged, or about something else.
        """
        return self.read_evidence()

    def read_evidence(self) -> Evidence:
        """The same, not kept in memory: for many results, one after the other.

        :raises BadResult: as `evidence`.
        """
        return self._evidence() if callable(self._evidence) else self._evidence

    def save(self, folder: Path | str = "submissions") -> Path:
        """Write the result and its evidence below a folder, as `<model>@<revision>/<task>.json`, and say where.

        :raises BadResult: as `evidence`.
        """
        home = result_folder(Path(folder), self.model)
        home.mkdir(parents=True, exist_ok=True)
        target = home / f"{self.stem}.json"
        write_evidence(target, self.evidence)  # the JSON comes last and whole: where it stands, the others do
        write_record(target, self.record.model_copy(update={"evidence": hash_evidence(target)}))
        return target

    def to_frame(self) -> pandas.DataFrame:
        """All scores as a tidy data frame: setting, query, candidate, metric, value, low, high.

        `query` and `candidate` are languages; `*` stands for all of them, in `cross` for all others. `low` and `high`
        are the ends of the 95 % interval, NaN where there are too few clusters for one.

        :raises MissingExtra: pandas is not installed.
        """
        from panglot.results.frame import to_frame

        return to_frame(self.record)

    def __repr__(self) -> str:
        headline = self.record.task.headline
        scores = {name: by_metric[headline] for name, by_metric in self.scores.items() if headline in by_metric}
        said = ", ".join(f"{name} {short(score.value)}" for name, score in scores.items())
        return f"<Result of {self.model.label} on {self.task}: {headline} {said}>"

    def _repr_html_(self) -> str:
        from panglot.results.notebook import result_html

        return result_html(self.record)


def read_result(path: Path | str) -> Result:
    """Read a result file; its evidence is read, and held against the record and the task, when it is asked for.

    :raises BadResult: the file is not there, too large, not JSON, or not of this form.
    """
    file = Path(path)
    record = read_result_record(file)
    return Result(
        record, lambda: read_evidence_of(file, record, known_tasks().get(record.task.name)), file.stem, path=file
    )
