"""The record of how a model was trained."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from panglot.encode.card import Precision
from panglot.results.record import Record
from panglot.train.data.leak import LeakCheck
from panglot.train.data.pairs import Pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.steps.batches import BatchDrawer

RECIPE = "recipe.json"
TRAINING = "training.json"


class DataRecord(Record):
    """Number of pairs of a data set, by kind."""

    name: str
    same_language: int
    crossing: int
    with_image: int


class LeakRecord(Record):
    """A `panglot.train.data.leak.Leak` as it is stored."""

    task: str
    language: str
    texts: int
    exact: int
    overlapping: int


class TrainingRecord(Record):
    """How a model was trained."""

    recipe: str
    """The recipe's digest."""
    steps: int
    """Steps taken; fewer than the recipe's after early stopping."""
    best_step: int | None
    best_validation: float | None
    seconds: float
    """Time of the steps, summed over resumed runs."""
    precision: Precision
    """Precision used in training: fp32 if the recipe sets bf16 and the processor does not support it."""
    packages: dict[str, str]
    data: tuple[DataRecord, ...]
    left_out: tuple[str, ...]
    """Data sets that are too small for a batch of some kind."""
    leaks: tuple[LeakRecord, ...]
    compared: tuple[str, ...] = ()
    """Tasks that the training data was compared with."""
    not_compared: tuple[str, ...] = ()
    """Tasks whose data was not available."""
    scales: dict[str, float]
    history: tuple[dict[str, float], ...]

    @property
    def effort(self) -> str:
        """Seconds, steps and steps per second, as shown after training."""
        rate = f", {self.steps / self.seconds:.2g} steps/s" if self.seconds else ""
        return f"{self.seconds:.0f} s, {self.steps} steps{rate}"

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        pairs: Pairs,
        drawer: BatchDrawer,
        check: LeakCheck,
        state: Any,
        seconds: float,
        precision: Precision,
        scales: dict[str, float],
    ) -> TrainingRecord:
        """The record of a run that ended with this Trainer state."""
        best = state.best_metric
        return cls(
            recipe=recipe.digest,
            steps=state.global_step,
            best_step=None if best is None else state.best_global_step,
            best_validation=best,
            seconds=round(seconds, 1),
            precision=precision,
            packages={name: version(name) for name in ("torch", "transformers", "sentence-transformers", "panglot")},
            data=tuple(_data_records(pairs)),
            left_out=tuple(map(str, drawer.thin)),
            leaks=tuple(LeakRecord(**leak._asdict()) for leak in check.leaks),
            compared=check.compared,
            not_compared=check.absent,
            scales=scales,
            history=tuple(state.log_history),
        )


def _data_records(pairs: Pairs) -> Iterator[DataRecord]:
    same = pairs.query_language == pairs.passage_language
    for place, name in enumerate(pairs.sets):
        of_set = pairs.origin == place
        yield DataRecord(
            name=name,
            same_language=int((of_set & same & ~pairs.has_image).sum()),
            crossing=int((of_set & ~same & ~pairs.has_image).sum()),
            with_image=int((of_set & pairs.has_image).sum()),
        )


def work_folder(folder: Path) -> Path:
    """The folder for checkpoints, logs and the record of the run that makes the model in `folder`."""
    return folder.with_name(f"{folder.name}.training")


def read_training(recipe: Recipe, folder: Path) -> TrainingRecord | None:
    """The training record of the model in a folder; None if it is unfinished or of another recipe or version."""
    path = work_folder(folder) / TRAINING
    try:
        training = TrainingRecord.model_validate_json(path.read_bytes()) if path.is_file() else None
    except ValidationError:
        return None
    return training if training and training.recipe == recipe.digest and (folder / RECIPE).is_file() else None
