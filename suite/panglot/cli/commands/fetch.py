"""`panglot fetch`: download task data ahead of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from panglot.cli.completion import complete_tasks
from panglot.cli.names import DataDir, find_tasks, split
from panglot.cli.options import Languages
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import MissingData, PanglotError

if TYPE_CHECKING:
    from panglot.data.builders.training.training_set import TrainingSet
    from panglot.data.pool import Pool
    from panglot.data.task import Task

TRAINING = "training"
"""The name of all training sets."""
TRAINED_TASKS = ("emoji-t2i", "storybooks-t2i")
"""Tasks whose data sets have a training split."""

Fetched: TypeAlias = tuple[dict[str, Any], str]
"""What was found, as data and as a message."""
Job: TypeAlias = Callable[[], Fetched]


def fetch(
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK", help="Tasks or task sets, or training: the training sets.", autocompletion=complete_tasks
        ),
    ],
    languages: Languages = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Download or build task data or training data, and check it.

    Data goes to the cache. Data already there or in the data folder is only checked. A run fetches missing data
    automatically; a training does not. The name `training` stands for all training sets, including emoji and
    storybooks, with their licences; after an interruption, the command resumes at the first missing source.

    Example: panglot fetch emoji storybooks

    Example: panglot fetch training
    """
    console = open_console(aside=as_json)
    jobs = list(_jobs([name for part in tasks for name in split(part)], split(languages)))
    rows, failed = [], []
    for name, job in jobs:
        try:
            facts, message = job()
        except PanglotError as error:
            if len(jobs) == 1:
                raise
            failed.append(name)
            console.print(f"{name}: {error}", soft_wrap=True)
            continue
        rows.append(facts)
        console.print(f"{name}: {message}", soft_wrap=True)
    if as_json:
        print_json(rows)
    if failed:
        raise MissingData(f"Not fetched: {', '.join(failed)}; the reasons are above. Run the command again to resume.")


def _jobs(names: list[str], languages: list[str]) -> Iterator[tuple[str, Job]]:
    """The name of each data set and the function that fetches it: training sets, then tasks."""
    if TRAINING in names:
        from panglot.data.builders.training.catalogue import TRAINING_SETS

        names = [*TRAINED_TASKS, *(name for name in names if name != TRAINING)]
        for training_set in TRAINING_SETS:
            yield training_set.name, partial(_fetch_training_set, training_set)
    for task in find_tasks(",".join(names)) if names else ():
        yield task.name, partial(_fetch, task, languages)


def _fetch_training_set(training_set: TrainingSet) -> Fetched:
    """Fetch one training set and return what was found and compared, as data and as a message."""
    from panglot.cli.view.terminal import progress_bar
    from panglot.data.builders.training.fetch import fetch_training_set

    path, outcome = fetch_training_set(training_set, progress_bar)
    published = "the published table" if outcome.identical else f"the published table of {training_set.rows:,} rows"
    facts = {"training_set": training_set.name, "rows": outcome.rows, "as_published": outcome.identical}
    compared = "identical to" if outcome.identical else "not identical to"
    return facts, f"{outcome.rows:,} rows, {compared} {published}, in {path}"


def _fetch(task: Task, languages: list[str]) -> Fetched:
    """Fetch one task and return what was found and checked, as data and as a message."""
    from panglot.cli.view.terminal import progress_bar
    from panglot.data.corpus import StreamedTask
    from panglot.data.load import read_pool

    if isinstance(task, StreamedTask):
        chosen = task.choose(languages)
        questions = task.questions(task, chosen)
        task.corpus(task, chosen, progress_bar)
        message = (
            f"{len(questions.queries):,} queries and the corpora of {', '.join(chosen)}; a run counts the passages"
        )
        return {"task": task.name, "queries": len(questions.queries), "languages": list(chosen)}, message
    pool = read_pool(task, languages, progress_bar)
    facts = {
        "task": task.name,
        "queries": len(pool.queries),
        "candidates": len(pool.candidates),
        "languages": list(pool.languages),
        "fingerprint": pool.fingerprint,
        "as_published": pool.fingerprint == task.fingerprint if _is_comparable(task, pool) else None,
    }
    return facts, f"{len(pool.queries):,} queries, {len(pool.candidates):,} candidates{_compared(task, pool)}"


def _is_comparable(task: Task, pool: Pool) -> bool:
    """Whether there is a fingerprint of the published data, and the pool is whole."""
    return bool(task.fingerprint) and not _is_just_read(task) and pool.languages == task.languages


def _is_just_read(task: Task) -> bool:
    """Whether the fingerprint is that of what was just read: a set of the Hub, or data of one's own."""
    from panglot.data.catalogue import suite_tasks

    return bool(task.origin) or (bool(task.source.packaged) and task.name not in suite_tasks())


def _compared(task: Task, pool: Pool) -> str:
    if _is_just_read(task):
        return f"; fingerprint {pool.fingerprint}"
    if not task.fingerprint:
        return f"; no reference fingerprint yet; this data has {pool.fingerprint}"
    if pool.languages != task.languages:
        return ", matching the task's counts"
    if pool.fingerprint == task.fingerprint:
        return ", identical to the published data"
    return (
        "; the texts match the task, but the re-encoded images differ from the published ones, "
        "so results have another fingerprint and cannot be compared with others"
    )
