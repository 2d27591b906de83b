"""A task's pool, checked against the task's own counts and fingerprint."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from panglot.data.origins.fetch import fetch_file
from panglot.data.pool import Pool
from panglot.data.task import Size, Task
from panglot.errors import BadData
from panglot.progress import Progress, silent


def read_pool(
    task: Task, languages: Sequence[str] = (), data_dir: Path | None = None, progress: Progress = silent
) -> Pool:
    """Read a task, whole or in some of its languages only.

    Images belong to every choice of languages. A task without a fingerprint is not checked, nor is the fingerprint of
    one whose images were encoded anew where it was made.

    :raises UnknownName: a language that the task lacks.
    :raises BadData: the data has other counts or another fingerprint than the task says, or these languages hold no
        query with a relevant candidate.
    """
    chosen = task.choose(languages)
    read = read_files(task, chosen, data_dir, progress)
    pool = replace(read, task=task.name, is_whole=len(read.languages) == len(task.languages))
    if not task.fingerprint:
        return _part(task, pool, [language for language in pool.languages if language in chosen])
    for language, found in count(pool).items():
        if found != task.sizes.get(language):
            raise BadData(f"{task.name}, {language}: expected {task.sizes.get(language)}, found {found}.")
    if pool.is_whole and pool.fingerprint != task.fingerprint and not task.source.reencoded:
        raise BadData(f"{task.name}: expected fingerprint {task.fingerprint}, found {pool.fingerprint}.")
    return _part(task, pool, chosen)


def read_files(task: Task, chosen: Collection[str], data_dir: Path | None = None, progress: Progress = silent) -> Pool:
    """What the reader of a task makes of the files of these languages; only their sha256 are checked.

    :raises BadData: a file is not the one that the task names, or is not of its format.
    """
    parts = [part for part in task.source.files if part not in task.sizes or part in chosen]
    return task.reader({part: fetch_file(task, part, data_dir, progress) for part in parts})


def count(pool: Pool) -> dict[str, Size]:
    """Queries and candidates of each language of a pool."""
    queries = np.bincount(pool.queries.language, minlength=len(pool.languages)).tolist()
    return {name: Size(*sizes) for name, *sizes in zip(pool.languages, queries, pool.sizes.tolist(), strict=True)}


def _part(task: Task, pool: Pool, languages: Sequence[str]) -> Pool:
    """The pool of these languages."""
    part = pool.only(languages)
    if not len(part.queries):
        raise BadData(
            f"{task.name}: no query in {', '.join(languages)} has a relevant candidate in them, so there is nothing to "
            "score. Name more languages."
        )
    return part
