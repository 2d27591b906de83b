"""Check training data for evaluation data: whole texts, runs of eight words, and images.

Texts are compared after the normalisation of `panglot.train.data.words`. Different codes of a language, such as `th`
and `tha_Thai`, are treated as the same. For tasks with images only the images are compared, because their captions are
names that occur in any text.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from panglot.data.image import IMAGES
from panglot.data.local import local_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.errors import BadData
from panglot.languages import canonical
from panglot.train.data.pairs import Pairs
from panglot.train.data.words import Units, long_runs, normalised, occurs_in

FEW = 5
"""Most unavailable tasks that a message lists; the model card lists all."""


class Leak(NamedTuple):
    """Overlap of one language of the training data, or of its images (`zxx`), with an evaluation task."""

    task: str
    language: str
    texts: int
    """Training texts or images that were compared."""
    exact: int
    """How many of them are queries or candidates of the task."""
    overlapping: int
    """How many of them share a run of eight words with a query or candidate."""


class TrainedTexts(NamedTuple):
    """The normalised training texts of one language, and their runs of eight words."""

    texts: list[str]
    runs: Units


class LeakCheck(NamedTuple):
    """The result of a leak check."""

    leaks: tuple[Leak, ...] = ()
    compared: tuple[str, ...] = ()
    """Tasks that were compared."""
    absent: tuple[str, ...] = ()
    """Tasks that were not compared because their data is not available."""

    def __str__(self) -> str:
        if len(self.absent) > FEW:
            absent = f" Not compared: {len(self.absent)} tasks whose data is not available."
        else:
            absent = f" Not compared, data not available: {', '.join(self.absent)}." if self.absent else ""
        return f"Leak check: compared with {', '.join(self.compared) or 'no task'}.{absent}"


NOT_CHECKED = LeakCheck()


def check_leaks(pairs: Pairs, tasks: Iterable[Task]) -> LeakCheck:
    """Compare the training data with every task whose data is available locally; nothing is downloaded.

    Tasks with images are compared only if the training data has images.

    :raises BadData: the training data contains a whole text or an image of an evaluation task, or a task's data is
        damaged.
    """
    trained = _trained(pairs)
    leaks: list[Leak] = []
    compared: list[str] = []
    absent: list[str] = []
    for task in tasks:
        if task.has_images and not pairs.images:
            continue
        spoken = [name for name in task.languages if name == IMAGES or canonical(name) in trained]
        pool = local_pool(task, spoken) if spoken else None
        if pool is not None:
            leaks += _shared_pictures(task.name, pool, pairs) if task.has_images else _shared(task.name, pool, trained)
        if spoken:
            (absent if pool is None else compared).append(task.name)
    found = [leak for leak in leaks if leak.exact]
    if found:
        listed = ", ".join(f"{leak.exact} of {leak.task} in {leak.language}" for leak in found)
        raise BadData(f"The training data contains texts or images of evaluation tasks: {listed}. Remove them.")
    return LeakCheck(tuple(leaks), tuple(compared), tuple(absent))


def _trained(pairs: Pairs) -> dict[str, TrainedTexts]:
    """The normalised training texts of each language, by its canonical spelling."""
    texts: dict[str, list[str]] = defaultdict(list)
    for place, language in enumerate(pairs.languages):
        texts[canonical(language)] += normalised(pairs.texts_of(place))
    return {language: TrainedTexts(own, long_runs(own, language)) for language, own in texts.items()}


def _shared(task: str, pool: Pool, trained: Mapping[str, TrainedTexts]) -> Iterator[Leak]:
    """The overlap in each language that the task and the training data share."""
    for language, texts in _texts_by_language(pool):
        if canonical(language) in trained:
            yield _leak(task, language, trained[canonical(language)], texts)


def _leak(task: str, language: str, trained: TrainedTexts, texts: Sequence[str]) -> Leak:
    compared = set(normalised(texts))
    shared = occurs_in(trained.runs.numbers, long_runs(list(compared), language).numbers)
    overlapping = len(np.unique(trained.runs.text[shared]))
    return Leak(task, language, len(trained.texts), sum(text in compared for text in trained.texts), overlapping)


def _shared_pictures(task: str, pool: Pool, pairs: Pairs) -> Iterator[Leak]:
    known = {image.sha256 for items in (pool.queries, pool.candidates) for image in items.images.values()}
    shared = sum(hashlib.sha256(image).hexdigest() in known for image in pairs.images)
    yield Leak(task, IMAGES, len(pairs.images), shared, 0)


def _texts_by_language(pool: Pool) -> Iterator[tuple[str, list[str]]]:
    for place, language in enumerate(pool.languages):
        queries = [pool.queries.texts[item] for item in (pool.queries.language == place).nonzero()[0].tolist()]
        candidates = [pool.candidates.texts[item] for item in (pool.candidates.language == place).nonzero()[0].tolist()]
        yield language, queries + candidates
