"""`panglot fetch`: get the data of tasks before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import DataDir, find_tasks, split
from suite.commands.options import Languages

if TYPE_CHECKING:
    from suite.pool import Pool
    from suite.task import Task


def fetch(
    tasks: Annotated[list[str], typer.Argument(help="Names of tasks or of sets of them, as in emoji xquad-r.")],
    languages: Languages = "",
    data_dir: DataDir = None,
) -> None:
    """Download the data of tasks, or make it from its public sources, into the user's cache; and check it.

    What is there already, or in the data folder, is only checked. A run fetches by itself what it lacks.

    [dim]panglot fetch emoji storybooks[/dim]
    """
    from rich.console import Console

    console = Console()
    for task in find_tasks(",".join(tasks)):
        console.print(f"{task.name}: {_fetch(task, split(languages), data_dir)}", highlight=False, soft_wrap=True)


def _fetch(task: Task, languages: list[str], data_dir: Path | None) -> str:
    """What is there now, and how it was checked."""
    from suite.corpus import StreamedTask
    from suite.sources import read_pool
    from suite.terminal import progress_bar

    if isinstance(task, StreamedTask):
        chosen = languages or task.languages
        questions = task.questions(task, chosen, data_dir)
        task.corpus(task, chosen, data_dir, progress_bar)
        return f"{len(questions.queries):,} queries and the corpora of {', '.join(chosen)}; a run counts the passages"
    pool = read_pool(task, languages, data_dir, progress_bar)
    return f"{len(pool.queries):,} queries, {len(pool.candidates):,} candidates{_compared(task, pool)}"


def _compared(task: Task, pool: Pool) -> str:
    if not task.fingerprint:
        return f", not compared with anything: nobody has read this set yet (fingerprint {pool.fingerprint})"
    if pool.languages != task.languages:
        return ", in the number that the task says"
    if pool.fingerprint == task.fingerprint:
        return ", as published"
    return (
        "; the texts are those of the task, but the images were encoded anew here and are not the same to the byte. "
        "Results on them say so by their fingerprint, and do not compare with others"
    )
