"""`panglot fetch`: download task data ahead of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from panglot.cli.completion import complete_tasks
from panglot.cli.names import DataDir, find_tasks, split
from panglot.cli.options import Languages
from panglot.cli.output import AsJson, open_console, print_json

if TYPE_CHECKING:
    from panglot.data.pool import Pool
    from panglot.data.task import Task


def fetch(
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="TASK", help="Tasks or task sets.", autocompletion=complete_tasks),
    ],
    languages: Languages = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Download or build task data, and check it.

    Data goes to the cache. Data already there or in the data folder is only checked. A run fetches missing data
    automatically.

    Example: panglot fetch emoji storybooks
    """
    console = open_console(aside=as_json)
    rows = []
    for task in find_tasks(",".join(tasks)):
        facts, message = _fetch(task, split(languages))
        rows.append({"task": task.name, **facts})
        console.print(f"{task.name}: {message}", soft_wrap=True)
    if as_json:
        print_json(rows)


def _fetch(task: Task, languages: list[str]) -> tuple[dict[str, Any], str]:
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
        return {"queries": len(questions.queries), "languages": list(chosen)}, message
    pool = read_pool(task, languages, progress_bar)
    facts = {
        "queries": len(pool.queries),
        "candidates": len(pool.candidates),
        "languages": list(pool.languages),
        "fingerprint": pool.fingerprint,
        "as_published": pool.fingerprint == task.fingerprint if pool.languages == task.languages else None,
    }
    return facts, f"{len(pool.queries):,} queries, {len(pool.candidates):,} candidates{_compared(task, pool)}"


def _compared(task: Task, pool: Pool) -> str:
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
