"""Read a task's pool and check it against the task's counts and fingerprint."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from panglot.data.origins.fetch import fetch_file
from panglot.data.pool import Pool
from panglot.data.task import Size, Task
from panglot.errors import BadData
from panglot.progress import Progress, silent


def read_pool(task: Task, languages: Sequence[str] = (), progress: Progress = silent) -> Pool:
    """Read a task, whole or in some of its languages.

    Images are always included. A task without a fingerprint is not checked; nor is the fingerprint of a task whose
    images were re-encoded when it was built.

    :raises UnknownName: the task does not have a language.
    :raises BadData: the counts or the fingerprint of the data differ from the task's, or no query in these languages
        has a relevant candidate.
    """
    chosen = task.choose(languages)
    read = read_files(task, chosen, progress)
    pool = replace(read, task=task.name, is_whole=len(read.languages) == len(task.languages))
    if not task.fingerprint:
        return _part(task, pool, [language for language in pool.languages if language in chosen])
    for language, found in count(pool).items():
        if found != task.sizes.get(language):
            expected = task.sizes.get(language, Size(0, 0))
            raise BadData(f"{task.name}, {language}: expected {expected}, found {found}.")
    if pool.is_whole and pool.fingerprint != task.fingerprint and not task.source.reencoded:
        raise BadData(f"{task.name}: expected fingerprint {task.fingerprint}, found {pool.fingerprint}.")
    return _part(task, pool, chosen)


def read_files(task: Task, chosen: Collection[str], progress: Progress = silent) -> Pool:
    """Read the files of these languages with the task's reader; only their SHA-256 is checked.

    :raises BadData: the SHA-256 of a file differs from the task's, or the file is not in its format.
    """
    parts = task.source.files_in(task.sizes, chosen)
    return task.reader({part: fetch_file(task, part, progress) for part in parts})


def count(pool: Pool) -> dict[str, Size]:
    """Count the queries and candidates of each language of a pool."""
    queries = np.bincount(pool.queries.language, minlength=len(pool.languages)).tolist()
    return {name: Size(*sizes) for name, *sizes in zip(pool.languages, queries, pool.sizes.tolist(), strict=True)}


def _part(task: Task, pool: Pool, languages: Sequence[str]) -> Pool:
    """Return the pool of these languages."""
    part = pool.only(languages)
    if not len(part.queries):
        raise BadData(
            f"{task.name}: no query in {', '.join(languages)} has a relevant candidate in these languages, so there is "
            "nothing to score. Choose more languages."
        )
    return part
