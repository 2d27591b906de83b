"""Find training sets in the data folder or in the user's cache, where they are built."""

from __future__ import annotations

from pathlib import Path

from panglot.data.builders.training.training_set import Outcome, TrainingSet
from panglot.files import cache_dir, data_root
from panglot.progress import Progress, silent

FOLDER = "train"
"""The folder of the training sets, in the data folder and in the cache."""


def fetch_training_set(training_set: TrainingSet, progress: Progress = silent) -> tuple[Path, Outcome]:
    """Return the file of a training set and how it compares with the published one; it is built if it is missing.

    The file in the data folder is used if there is one, else that in the user's cache.

    :raises MissingData: a source cannot be reached.
    :raises BadData: a source or the file is damaged.
    """
    root = data_root()
    path = training_set.path(root / FOLDER) if root else None
    if not path or not path.is_file():
        folder = cache_dir(FOLDER)
        path = training_set.path(folder)
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            training_set.build(folder, progress)
    return path, training_set.check(path)
