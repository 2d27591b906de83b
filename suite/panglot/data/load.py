"""A task's pool, checked against the task's own counts and fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
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
    parts = [part for part in task.source.files if part not in task.sizes or part in chosen]
    read = task.reader({part: fetch_file(task, part, data_dir, progress) for part in parts})
    pool = replace(read, task=task.name, is_whole=len(read.languages) == len(task.languages))
    if not task.fingerprint:
        return _part(task, pool, [language for language in pool.languages if language in chosen])
    queries = np.bincount(pool.queries.language, minlength=len(pool.languages))
    for place, language in enumerate(pool.languages):
        found = Size(int(queries[place]), int(pool.sizes[place]))
        if found != task.sizes[language]:
            raise BadData(f"{task.name}, {language}: expected {task.sizes[language]}, found {found}.")
    if pool.is_whole and pool.fingerprint != task.fingerprint and not task.source.reencoded:
        raise BadData(f"{task.name}: expected fingerprint {task.fingerprint}, found {pool.fingerprint}.")
    return _part(task, pool, chosen)


def _part(task: Task, pool: Pool, languages: Sequence[str]) -> Pool:
    """The pool of these languages."""
    part = pool.only(languages)
    if not len(part.queries):
        raise BadData(
            f"{task.name}: no query in {', '.join(languages)} has a relevant candidate in them, so there is nothing to "
            "score. Name more languages."
        )
    return part
