"""Import mteb result files as self-reported results. mteb need not be installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from panglot.data.task import Task
from panglot.errors import BadResult
from panglot.interop.mteb_export import METRICS, SPLIT, mteb_name, subset_name
from panglot.results.reported import ReportedResult, balance_of
from panglot.score.settings import SETTINGS

CITATION = "Scored with mteb (Muennighoff et al., 2023, arXiv 2210.07316)"

OTHERS = {
    "XQuADRetrieval": "It ranks whole paragraphs, separately for each language; xquad-r ranks the sentences of the "
    "same paragraphs, within, across and over its languages.",
    "MLQARetrieval": "It ranks whole paragraphs in a separate pool for each pair of languages; mlqa-r ranks sentences "
    "in pools of all sentences of a language.",
}
"""mteb tasks with names similar to Panglot's, and why their scores are not comparable."""

BROKEN = {
    ("MLQARetrieval", "5bef8b6e2601af974fb1a1cca03fd702229be4b6"): "Its subset ara-deu is also broken: at this "
    "revision of the data every model scores near 0 on it.",
}
"""Faults of mteb tasks at certain revisions."""

OLD = "Written by mteb before 1.11."

LARGEST_MIB = 16

Values = dict[str, float]


class MtebResult(BaseModel):
    """The fields of mteb's `TaskResult` that are used."""

    task_name: str
    dataset_revision: str | None = None
    mteb_version: str | int | float | None = None
    scores: dict[str, list[dict[str, Any]]]
    is_old: bool = False
    """Whether mteb before 1.11 wrote it, in an older form."""


class LeftOut(NamedTuple):
    """A file or subset that was not imported, and the reason."""

    what: str
    reason: str


class Imported(NamedTuple):
    """The imported results, and what was not imported."""

    reported: list[ReportedResult]
    left_out: list[LeftOut]


def read_mteb_results(folder: Path, tasks: Iterable[Task]) -> Imported:
    """Read all mteb results in a folder with the layout `<model>/<revision>/<task>.json`.

    Only results on Panglot tasks (`panglot_tasks`, or `panglot export --format mteb`) with the same fingerprint are
    imported; all others are returned with the reason.

    :raises BadResult: the path is a file, or the folder has no JSON files.
    """
    if folder.is_file():
        raise BadResult(f"{folder} is a file. Choose the folder that contains MODEL/REVISION/TASK.json.")
    ours = {mteb_name(task.name): task for task in tasks}
    paths = sorted(path for path in folder.rglob("*.json") if path.name != "model_meta.json")
    if not paths:
        raise BadResult(f"{folder} has no mteb results. Choose a folder that contains MODEL/REVISION/TASK.json.")
    taken: dict[tuple[str, str, str], ReportedResult] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            record = _read(path)
            task = _task_of(record, ours)
        except BadResult as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        rows, bad = _rows(record, task)
        left_out.extend(LeftOut(f"{name}, {subset}", why) for subset, why in bad.items())
        if not rows:
            continue
        row = _report(path, name, record, task, rows)
        first = taken.setdefault((row.model, row.revision, row.task), row)
        if first is not row:
            left_out.append(LeftOut(name, f"{first.source} is already a result of {row.model} on {row.task}."))
    return Imported(list(taken.values()), left_out)


def _read(path: Path) -> MtebResult:
    """Read one file; error messages do not repeat the file's name.

    :raises BadResult: the file cannot be read, or is not an mteb result.
    """
    try:
        if path.stat().st_size > LARGEST_MIB << 20:
            raise BadResult(f"It is larger than {LARGEST_MIB} MiB, too large for an mteb result.")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BadResult(f"It cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadResult(f"It is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadResult("It is not an mteb result: not a JSON object.")
    try:
        return MtebResult.model_validate(_of_before_1_11(content) if "mteb_dataset_name" in content else content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise BadResult(f"It is not an mteb result: {where}: {first['msg']}.") from error


def _of_before_1_11(content: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the old form, in which each split is a top-level key that holds subsets by name or metrics directly."""
    splits = {split: values for split, values in content.items() if isinstance(values, dict)}
    return {
        "task_name": content["mteb_dataset_name"],
        "dataset_revision": content.get("dataset_revision"),
        "mteb_version": content.get("mteb_version"),
        "scores": {split: _subset_rows(values) for split, values in splits.items()},
        "is_old": True,
    }


def _subset_rows(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    subsets = {subset: row for subset, row in values.items() if isinstance(row, dict)} or {"default": dict(values)}
    return [{**row, "hf_subset": subset} for subset, row in subsets.items()]


def _task_of(record: MtebResult, ours: Mapping[str, Task]) -> Task:
    """The Panglot task of a file with comparable scores.

    :raises BadResult: the scores are not comparable; the message gives the reason.
    """
    reasons = [OLD] if record.is_old else []
    task = ours.get(record.task_name)
    if task is None:
        unknown = f"{record.task_name} is not a Panglot task. Run mteb on panglot_tasks() to get comparable scores."
        reasons.append(OTHERS.get(record.task_name, unknown))
        reasons.append(BROKEN.get((record.task_name, record.dataset_revision or ""), ""))
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
        wrong = [name for name, value in values.items() if not _is_share(value)]
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


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _report(path: Path, name: str, record: MtebResult, task: Task, rows: dict[str, Values]) -> ReportedResult:
    model, revision = _model(path)
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
        source=name,
        citation=CITATION,
        note=f"From {version}, which orders ties by id. map@1000 replaces map in pools of over 1,000 candidates.",
    )


def _model(path: Path) -> tuple[str, str]:
    """Name and revision of the model, from `model_meta.json` or else from the folder names."""
    try:
        meta = json.loads((path.parent / "model_meta.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        meta = None
    stated = [meta.get(field) if isinstance(meta, dict) else None for field in ("name", "revision")]
    name, revision = (value if isinstance(value, str) else "" for value in stated)
    return name or path.parent.parent.name.replace("__", "/"), revision or path.parent.name


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
