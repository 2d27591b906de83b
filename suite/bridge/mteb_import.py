"""Result files of mteb, as rows that their authors report. Nothing of mteb is needed to read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from suite.bridge import SETTINGS, ReportedResult, balance_of
from suite.bridge.mteb_export import METRICS, SPLIT, mteb_name, subset_name
from suite.errors import BadResult
from suite.results.record import read_record
from suite.task import Task

CITATION = "Scored with mteb (Muennighoff et al., 2023, arXiv 2210.07316)"

OTHERS = {
    "XQuADRetrieval": "It ranks whole paragraphs, each language by itself; xquad-r ranks the sentences of the same "
    "paragraphs, within, across and over its languages.",
    "MLQARetrieval": "It ranks whole paragraphs, of which each pair of languages has a pool of its own; mlqa-r ranks "
    "sentences, and every pool is all of a language.",
}
"""Tasks of mteb that sound like ours, and why their scores are none of ours."""

BROKEN = {
    ("MLQARetrieval", "5bef8b6e2601af974fb1a1cca03fd702229be4b6"): "Its subset ara-deu is broken besides: at this "
    "revision of the data every model scores near 0 there.",
}

Values = dict[str, float]


class MtebResult(BaseModel):
    """What is needed of mteb's `TaskResult`."""

    task_name: str
    dataset_revision: str
    mteb_version: str | None = None
    scores: dict[str, list[dict[str, Any]]]


class LeftOut(NamedTuple):
    """What was not taken, and why."""

    what: str
    reason: str


class Imported(NamedTuple):
    """What was taken, and what was not."""

    reported: list[ReportedResult]
    left_out: list[LeftOut]


def read_mteb_results(folder: Path, tasks: Iterable[Task]) -> Imported:
    """Read the results below a folder in the layout of mteb's results, `<model>/<revision>/<task>.json`.

    Taken are results on tasks of ours (`panglot_tasks`, or `panglot export --format mteb`) with the same fingerprint;
    everything else is left out with a reason.

    :raises BadResult: there is no file that could be a result.
    """
    ours = {mteb_name(task.name): task for task in tasks}
    paths = sorted(path for path in folder.rglob("*.json") if path.name != "model_meta.json")
    if not paths:
        raise BadResult(f"There is no result of mteb in {folder}. Name a folder that holds MODEL/REVISION/TASK.json.")
    imported = Imported([], [])
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            record = read_record(path, MtebResult)
        except BadResult as error:
            imported.left_out.append(LeftOut(name, f"No result of mteb 2. {error}"))
            continue
        reason = _mismatch(record, ours)
        if reason:
            imported.left_out.append(LeftOut(name, reason))
            continue
        rows, bad = _rows(record, ours[record.task_name])
        imported.left_out.extend(LeftOut(f"{name}, {subset}", why) for subset, why in bad.items())
        if rows:
            imported.reported.append(_report(path, name, record, ours[record.task_name], rows))
    return imported


def _mismatch(record: MtebResult, ours: Mapping[str, Task]) -> str:
    """Why a file's scores are not comparable with ours; empty where they are."""
    task = ours.get(record.task_name)
    if task is None:
        advice = f"{record.task_name} is no task of this suite. Run mteb on panglot_tasks() for comparable scores."
        known = OTHERS.get(record.task_name, advice)
        return f"{known} {BROKEN.get((record.task_name, record.dataset_revision), '')}".strip()
    if record.dataset_revision != task.fingerprint:
        return f"Other data: its fingerprint is {record.dataset_revision}, that of {task.name} {task.fingerprint}."
    return "" if record.scores.get(SPLIT) else f"It has no scores on the split '{SPLIT}'."


def _rows(record: MtebResult, task: Task) -> tuple[dict[str, Values], dict[str, str]]:
    """The values of each subset by our names of the metrics, and the subsets that are wrong with what is wrong."""
    rows: dict[str, Values] = {}
    bad: dict[str, str] = {}
    pools = _pools(task)
    for row in record.scores[SPLIT]:
        subset = str(row.get("hf_subset"))
        values = {ours: row[theirs] for ours, theirs in METRICS.items() if theirs in row}
        wrong = [name for name, value in values.items() if not _is_share(value)]
        if subset not in pools:
            bad[subset] = f"{task.name} has no such subset."
        elif wrong or not values:
            bad[subset] = (
                f"{wrong[0]} is {values[wrong[0]]!r}, no number from 0 to 1." if wrong else "It has no scores."
            )
        else:
            rows[subset] = values
            if "map@1000" in values and pools[subset] <= 1000:
                values["map"] = values["map@1000"]
    return rows, bad


def _pools(task: Task) -> dict[str, int]:
    """The candidates of each subset."""
    pairs = {
        subset_name((query, candidate)): task.sizes[candidate].candidates
        for query in task.languages
        for candidate in task.languages
    }
    return pairs | {subset_name((query, None)): task.candidates for query in task.languages}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value) and 0 <= value <= 1


def _report(path: Path, name: str, record: MtebResult, task: Task, rows: dict[str, Values]) -> ReportedResult:
    model, revision = _model(path)
    settings, languages = _means(rows, task.languages)
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
        note=f"From {version}, which orders ties by id. map@1000 stands for map where a pool has more candidates.",
    )


def _model(path: Path) -> tuple[str, str]:
    """Name and revision of the model: from `model_meta.json` where it says, from the folders otherwise."""
    name, revision = path.parent.parent.name.replace("__", "/"), path.parent.name
    try:
        meta = json.loads((path.parent / "model_meta.json").read_bytes())
        return str(meta["name"] or name), str(meta["revision"] or revision)
    except (OSError, ValueError, KeyError, TypeError):
        return name, revision


def _means(
    rows: Mapping[str, Values], languages: Sequence[str]
) -> tuple[dict[str, Values], dict[str, dict[str, Values]]]:
    """The settings, and the same for each query language; a mean only where all of its parts are there."""
    parts: dict[str, dict[str, list[str]]] = {
        language: {
            "mono": [subset_name((language, language))],
            "cross": [subset_name((language, other)) for other in languages if other != language],
            "multi": [subset_name((language, None))],
        }
        for language in languages
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
    """The mean of each metric that all of these subsets have; none where one is missing."""
    if not subsets or any(subset not in rows for subset in subsets):
        return {}
    found = [rows[subset] for subset in subsets]
    return {
        name: sum(row[name] for row in found) / len(found) for name in found[0] if all(name in row for row in found)
    }


def _filled(values: dict[str, Values]) -> dict[str, Values]:
    return {name: value for name, value in values.items() if value}
