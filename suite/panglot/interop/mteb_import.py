"""Import mteb results: those on Panglot's tasks as self-reported, those on mteb's own as rows of the field.

mteb need not be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.interop.field import Field, field_of
from panglot.interop.mteb_cells import mteb_cells
from panglot.interop.mteb_export import METRICS, SPLIT, mteb_name, subset_name
from panglot.interop.mteb_field import FieldRows, Measured, is_share
from panglot.interop.mteb_files import LeftOut, MtebFile, MtebResult, model_of, read_files, read_meta
from panglot.interop.mteb_parquet import read_parquets
from panglot.results.record import first_fault
from panglot.results.reported import ReportedResult, balance_of
from panglot.score.settings import SETTINGS

CITATION = "Scored with mteb (Muennighoff et al., 2023, arXiv 2210.07316)"

OLD = "Written by mteb before 1.11."

Values = dict[str, float]


class Imported(NamedTuple):
    """The imported results on Panglot's tasks, the rows on mteb's own, and what was not imported."""

    reported: list[ReportedResult]
    field: Field
    left_out: list[LeftOut]


def read_mteb(path: Path, tasks: Iterable[Task], source: str = "") -> Imported:
    """Read mteb results: a folder with `<model>/<revision>/<task>.json`, or Parquet files with `mteb_parquet.RESULTS`.

    Results on mteb's own tasks become rows of the field where their cells are the same as Panglot's
    (`mteb_cells.toml`). Results on Panglot's tasks (`panglot_tasks`, or `panglot export --format mteb`) are imported if
    they have the same fingerprint. All others are returned with the reason. `source` is where the results are from.

    :raises BadResult: there are no results, or a Parquet file is not valid.
    """
    known = {task.name: task for task in tasks}
    left_out: list[LeftOut] = []
    rows = FieldRows(known, left_out.append)
    reported: dict[tuple[str, str, str], ReportedResult] = {}
    if path.is_file() and path.suffix != ".parquet":
        raise BadResult(
            f"{path} is a file. Choose the folder that contains MODEL/REVISION/TASK.json, or a Parquet file."
        )
    if path.is_file() or any(path.glob("*.parquet")):
        measured, models = read_parquets(path)
        for each in measured:
            rows.add(each, models.get((each.model, each.revision), {}))
    else:
        _read_folder(path, known, rows, reported, left_out)
    return Imported(list(reported.values()), field_of(rows.rows, source), left_out)


def _read_folder(
    folder: Path,
    tasks: Mapping[str, Task],
    rows: FieldRows,
    reported: dict[tuple[str, str, str], ReportedResult],
    left_out: list[LeftOut],
) -> None:
    """Read a folder of JSON files, those of mteb's tasks into `rows` and those of Panglot's into `reported`."""
    ours = {mteb_name(name): task for name, task in tasks.items()}
    theirs = mteb_cells().same
    wanted = {*ours, *theirs, *mteb_cells().different}
    for file in read_files(folder, wanted.__contains__, left_out.append):
        if file.result.task_name in theirs:
            meta = read_meta(file.path.parent)
            for measured in _splits(file, *model_of(file.path.parent, meta)):
                rows.add(measured, meta)
        elif row := _own(file, ours, left_out):
            first = reported.setdefault((row.model, row.revision, row.task), row)
            if first is not row:
                left_out.append(LeftOut(file.name, f"{first.source} is already a result of {row.model} on {row.task}."))


def _splits(file: MtebFile, model: str, revision: str) -> Iterable[Measured]:
    result = file.result
    revision_of_data, version, date = (
        str(t or "") for t in (result.dataset_revision, result.mteb_version, result.date)
    )
    for split, rows in result.scores.items():
        yield Measured(file.name, model, revision, result.task_name, split, revision_of_data, version, date, rows)


def _own(file: MtebFile, ours: Mapping[str, Task], left_out: list[LeftOut]) -> ReportedResult | None:
    """A result on one of Panglot's tasks."""
    try:
        task = _task_of(file.result, ours)
        rows, bad = _rows(file.result, task)
        left_out.extend(LeftOut(f"{file.name}, {subset}", why) for subset, why in bad.items())
        return _report(file, task, rows) if rows else None
    except BadResult as error:
        left_out.append(LeftOut(file.name, str(error)))
    except ValidationError as error:
        left_out.append(LeftOut(file.name, f"{first_fault(error)}."))
    return None


def _task_of(record: MtebResult, ours: Mapping[str, Task]) -> Task:
    """The Panglot task of a file with comparable scores.

    :raises BadResult: the scores are not comparable; the message gives the reason.
    """
    reasons = [OLD] if record.is_old else []
    task = ours.get(record.task_name)
    if task is None:
        unknown = f"{record.task_name} is not a Panglot task. Run mteb on panglot_tasks() to get comparable scores."
        why = mteb_cells().why_different(record.task_name, record.dataset_revision or "")
        reasons.append(f"{record.task_name}: {why}" if why else unknown)
    elif not record.dataset_revision:
        reasons.append(f"It has no dataset_revision, so it cannot be matched with the fingerprint of {task.name}.")
    elif record.dataset_revision != task.fingerprint:
        expected = f"that of {task.name} is {task.fingerprint}" if task.fingerprint else f"{task.name} has none yet"
        reasons.append(f"It was scored on other data: its fingerprint is {record.dataset_revision}, {expected}.")
    elif not record.scores.get(SPLIT):
        reasons.append(f"It has no scores on the split '{SPLIT}'.")
    else:
        return task
    raise BadResult(" ".join(reason for reason in reasons if reason))


def _rows(record: MtebResult, task: Task) -> tuple[dict[str, Values], dict[str, str]]:
    """The values of each subset by Panglot's metric names, and the invalid subsets with their faults."""
    rows: dict[str, Values] = {}
    bad: dict[str, str] = {}
    pools = _pools(task)
    for row in record.scores[SPLIT]:
        subset = str(row.get("hf_subset", "a subset without a name"))
        values = {ours: row[theirs] for ours, theirs in METRICS.items() if theirs in row}
        wrong = [name for name, value in values.items() if not is_share(value)]
        if subset not in pools:
            bad[subset] = f"{task.name} has no such subset."
        elif subset in rows or subset in bad:
            rows.pop(subset, None)
            bad[subset] = "The file has this subset more than once."
        elif not values:
            bad[subset] = "It has no scores."
        elif wrong:
            bad[subset] = f"{wrong[0]} is {str(values[wrong[0]])[:40]}, not a number from 0 to 1."
        else:
            rows[subset] = values
            if "map@1000" in values and pools[subset] <= 1000:
                values["map"] = values["map@1000"]
    return rows, bad


def _pools(task: Task) -> dict[str, int]:
    """The number of candidates of each subset."""
    query_languages = [language for language, size in task.sizes.items() if size.queries]
    pairs = {
        subset_name((query, candidate)): size.candidates
        for query in query_languages
        for candidate, size in task.sizes.items()
        if size.candidates
    }
    return pairs | {subset_name((query, None)): task.candidates for query in query_languages}


def _report(file: MtebFile, task: Task, rows: dict[str, Values]) -> ReportedResult:
    record = file.result
    model, revision = model_of(file.path.parent, read_meta(file.path.parent))
    settings, languages = _means(rows, task)
    version = f"mteb {record.mteb_version}" if record.mteb_version else "a file in mteb's form"
    return ReportedResult(
        task=task.name,
        fingerprint=task.fingerprint,
        model=model,
        revision=revision,
        level="self-reported",
        settings=settings,
        balance=balance_of(settings),
        languages=languages,
        pairs={subset: values for subset, values in rows.items() if not subset.startswith("multi-")},
        source=file.name,
        citation=CITATION,
        note=f"From {version}, which orders ties by id. map@1000 replaces map in pools of over 1,000 candidates.",
    )


def _means(rows: Mapping[str, Values], task: Task) -> tuple[dict[str, Values], dict[str, dict[str, Values]]]:
    """The settings, overall and for each query language; a mean is computed only if all its parts are present."""
    pools = _pools(task)

    def in_task(*subsets: tuple[str, str | None]) -> list[str]:
        return [name for name in map(subset_name, subsets) if name in pools]

    parts = {
        language: {
            "mono": in_task((language, language)),
            "cross": in_task(*((language, other) for other in task.languages if other != language)),
            "multi": in_task((language, None)),
        }
        for language in task.languages
    }
    settings = {
        setting: _mean(rows, [subset for part in parts.values() for subset in part[setting]]) for setting in SETTINGS
    }
    by_language = {
        language: _filled({setting: _mean(rows, subsets) for setting, subsets in part.items()})
        for language, part in parts.items()
    }
    return _filled(settings), {language: values for language, values in by_language.items() if values}


def _mean(rows: Mapping[str, Values], subsets: Sequence[str]) -> Values:
    """The mean of each metric that all of these subsets have; empty if a subset is missing."""
    if not subsets or any(subset not in rows for subset in subsets):
        return {}
    found = [rows[subset] for subset in subsets]
    return {
        name: sum(row[name] for row in found) / len(found) for name in found[0] if all(name in row for row in found)
    }


def _filled(values: dict[str, Values]) -> dict[str, Values]:
    return {name: value for name, value in values.items() if value}
