"""Results as those of mteb's own tasks, for the cells that are the same (`mteb_cells.toml`); mteb must be installed."""

from __future__ import annotations

from typing import Any

from panglot.data.catalogue import known_tasks
from panglot.errors import PanglotError, require
from panglot.interop.mteb_cells import mteb_cells
from panglot.interop.mteb_export import METRICS, main_score, subset_scores
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.summary import score_evidence


def mteb_own_result(record: ResultRecord, evidence: Evidence) -> dict[str, Any]:
    """A result as the `TaskResult` of the task of mteb that has the same cells, ready for JSON.

    It has the subsets of mteb's task that are cells of the result. Subsets in which mteb merges equal questions are
    left out. mteb orders ties by id; Panglot counts them against the model.

    :raises MissingExtra: mteb is not installed.
    :raises PanglotError: mteb has no such task, this version of mteb reads other data, or there is no common cell.
    """
    task = known_tasks().get(record.task.name)
    name = next((name for name, same in mteb_cells().same.items() if task and same.task == task.name), "")
    if task is None or not name:
        raise PanglotError(
            f"mteb has no task with the cells of {record.task.name}. It has those of "
            f"{', '.join(sorted(same.task for same in mteb_cells().same.values()))}."
        )
    if record.task.languages == task.languages and task.fingerprint not in ("", record.task.fingerprint):
        raise PanglotError(
            f"The result is on other data than {task.name}: its fingerprint is {record.task.fingerprint}."
        )
    require("mteb", "mteb", "--as-mteb-task")
    import mteb

    metadata, same = mteb.get_task(name).metadata, mteb_cells().same[name]
    revision = metadata.dataset["revision"]
    if revision not in same.revisions:
        raise PanglotError(
            f"This version of mteb reads revision {revision} of the data of {name}, whose cells are not known to be "
            f"those of {task.name}. Known: {', '.join(sorted(same.revisions))}."
        )
    headline = record.task.headline
    scores = score_evidence(evidence, headline, sorted({*METRICS, headline}), draws=2)
    cells = dict(subset_scores(scores, record.task.languages))
    rows = []
    for subset in metadata.hf_subsets:
        cell = same.cell(subset, task)
        if cell is None or cell not in cells or cell.query in same.merged:
            continue
        languages = metadata.hf_subsets_to_langscripts[subset]
        rows.append({"hf_subset": subset, "languages": languages, "main_score": cells[cell][main_score(headline)]})
        rows[-1] |= cells[cell]
    if not rows:
        raise PanglotError(f"No subset of mteb's {name} is a cell of this result, which is on {len(cells)} others.")
    return {
        "task_name": name,
        "dataset_revision": revision,
        "mteb_version": None,
        "evaluation_time": sum(record.run.seconds.values()),
        "date": record.run.created,
        "scores": {same.split: rows},
    }
