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

from panglot.arrays import Ints
from panglot.data.image import IMAGES
from panglot.data.local import local_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.errors import BadData
from panglot.languages import canonical
from panglot.train.data.pairs import Pairs
from panglot.train.data.words import Known, Units, as_lines, long_runs, normalised

FEW = 5
"""Most unavailable tasks that a message lists; the model card lists all."""

_NONE = np.empty(0, np.int64)


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


class _Compared:
    """One language of a task: hashes of its normalised texts and of their runs, and what training texts share."""

    def __init__(self, task: str, language: str, texts: Sequence[str]) -> None:
        distinct = as_lines(sorted(set(normalised(texts)) - {""}))
        self._task, self._language = task, language
        self._texts, self._runs = (
            Known(_hashes(distinct) if distinct else _NONE),
            Known(long_runs(distinct, language).numbers),
        )
        self._exact = self._overlapping = self._trained = 0

    def add(self, texts: Ints, runs: Units) -> None:
        """Compare some training texts, given by hashes of them and their runs."""
        self._trained += len(texts)
        self._exact += int(self._texts.has(texts).sum())
        shared = runs.text[self._runs.has(runs.numbers)]
        self._overlapping += int(np.count_nonzero(np.diff(shared, prepend=-1)))

    def leak(self) -> Leak:
        """What was found."""
        return Leak(self._task, self._language, self._trained, self._exact, self._overlapping)


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

    Tasks with images are compared only if the training data has images. A lite tier is compared with its whole task.

    :raises BadData: the training data contains a whole text or an image of an evaluation task, or a task's data is
        damaged.
    """
    texts = _texts_of(pairs)
    leaks: list[Leak] = []
    known: dict[str, list[_Compared]] = defaultdict(list)
    compared: list[str] = []
    absent: list[str] = []
    for task in tasks:
        if task.has_images and not pairs.images:
            continue
        if task.whole in compared:
            compared.append(task.name)
            continue
        spoken = [name for name in task.languages if name == IMAGES or canonical(name) in texts]
        pool = _local(task, spoken) if spoken else None
        if pool is not None and task.has_images:
            leaks.append(_shared_pictures(task.name, pool, pairs))
        elif pool is not None:
            for language, own in _texts_by_language(pool):
                known[canonical(language)].append(_Compared(task.name, language, own))
        if spoken:
            (absent if pool is None else compared).append(task.name)
    leaks += _shared_texts(pairs, texts, known)
    found = [leak for leak in leaks if leak.exact]
    if found:
        listed = ", ".join(f"{leak.exact} of {leak.task} in {leak.language}" for leak in found)
        raise BadData(f"The training data contains texts or images of evaluation tasks: {listed}. Remove them.")
    return LeakCheck(tuple(leaks), tuple(compared), tuple(absent))


def _local(task: Task, languages: Sequence[str]) -> Pool | None:
    """The pool of a task in some languages, or whole if it cannot be read in these alone; None if it is not here.

    :raises BadData: its data is damaged.
    """
    try:
        return local_pool(task, languages, checked=False)
    except BadData:
        return local_pool(task)


def _texts_of(pairs: Pairs) -> dict[str, Ints]:
    """The training texts of each language, by its canonical spelling."""
    texts: dict[str, list[Ints]] = defaultdict(list)
    for place, language in enumerate(pairs.languages):
        texts[canonical(language)].append(pairs.texts_of(place))
    return {language: np.concatenate(own) for language, own in texts.items()}


def _shared_texts(pairs: Pairs, texts: Mapping[str, Ints], known: Mapping[str, list[_Compared]]) -> Iterator[Leak]:
    """The overlap in each language that a task and the training data share; training texts are read in chunks."""
    for language in known.keys() & texts.keys():
        for _, trained in pairs.plain.lines(texts[language]):
            hashes, runs = _hashes(trained), long_runs(trained, language)
            for compared in known[language]:
                compared.add(hashes, runs)
    yield from (compared.leak() for language, own in known.items() if language in texts for compared in own)


def _hashes(lines: bytes) -> Ints:
    """The hashes of texts, each a line."""
    return np.array([*map(hash, lines.split(b"\n"))], np.int64)


def _shared_pictures(task: str, pool: Pool, pairs: Pairs) -> Leak:
    known = {image.sha256 for items in (pool.queries, pool.candidates) for image in items.images.values()}
    shared = sum(hashlib.sha256(image).hexdigest() in known for image in pairs.images)
    return Leak(task, IMAGES, len(pairs.images), shared, 0)


def _texts_by_language(pool: Pool) -> Iterator[tuple[str, list[str]]]:
    for place, language in enumerate(pool.languages):
        queries = [pool.queries.texts[item] for item in (pool.queries.language == place).nonzero()[0].tolist()]
        candidates = [pool.candidates.texts[item] for item in (pool.candidates.language == place).nonzero()[0].tolist()]
        yield language, queries + candidates
