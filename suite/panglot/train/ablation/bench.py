"""Train and evaluate the models of an ablation; finished ones are reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from panglot.data.task import Task
from panglot.encode.cache import VectorCache
from panglot.encode.card import Precision
from panglot.progress import Progress, silent
from panglot.remedies.debias import parse_method
from panglot.remedies.debiased import Debias
from panglot.remedies.fit_texts import FitTexts
from panglot.train.ablation.grid import Planned
from panglot.train.ablation.summary import Scored
from panglot.train.data.leak import LeakCheck
from panglot.train.data.leak_cache import check_leaks_once
from panglot.train.data.pairs import Pairs
from panglot.train.data.read import data_key, read_pairs
from panglot.train.data.training_sets import sentences
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.record import TrainingRecord, read_training
from panglot.train.run.score import score_folder
from panglot.train.run.train import stored_layers, train

FITTED_ON = 150
"""Sentences of NTREX in each language that debiasing methods are fitted on."""


class Bench:
    """Trains and evaluates the models of an ablation in a folder; consecutive arms with the same data read it once.

    `find_task` returns the task with a name; `tasks` are those that the training data is checked against for leaks.
    """

    def __init__(
        self,
        out: Path,
        find_task: Callable[[str], Task],
        tasks: Iterable[Task],
        progress: Progress = silent,
    ) -> None:
        self._out, self._progress = out, progress
        self._find_task, self._tasks = find_task, tuple(tasks)
        self._inputs: dict[str, tuple[Pairs, LeakCheck]] = {}

    def has(self, planned: Planned) -> bool:
        """Whether the model is finished, and its settings are decided."""
        if not all(self._finished(trial) for trial in planned.trials):
            return False
        return self._finished(self._decided(planned)[0].recipe) is not None

    def make(self, planned: Planned) -> list[Scored]:
        """Train and evaluate a model, or reuse it if it is finished: as it is, and with each debiasing method.

        :raises PanglotError: see `panglot.train.run.train.train` and `panglot.train.run.score.score_folder`.
        """
        planned, trials = self._decided(planned)
        training = self._trained(planned.recipe)
        return [
            Scored(
                planned,
                training.steps,
                training.seconds,
                training.best_validation,
                self._results(planned.recipe, training.precision, method),
                method,
                trials,
            )
            for method in ("", *planned.methods)
        ]

    def _results(self, recipe: Recipe, precision: Precision, method: str) -> list[Path]:
        """The result files of a model; with a method of debiasing, of the tasks without images."""
        tasks = [self._find_task(name) for name in recipe.evaluation]
        if recipe.image is None or method:
            tasks = [task for task in tasks if not task.has_images]
        folder = self._folder(recipe)
        return score_folder(
            folder,
            tasks,
            self._out / "results",
            self._progress,
            self._out / "models" / "features",
            precision,
            stored_layers(recipe, folder),
            VectorCache(self._out / "vectors"),
            self._debias(recipe, method) if method else None,
        )

    def _decided(self, planned: Planned) -> tuple[Planned, list[float]]:
        """The model with the settings whose trial has the best validation score, and all these scores."""
        scores = [self._trained(trial).best_validation or 0.0 for trial in planned.trials]
        if not scores:
            return planned, scores
        return planned._replace(recipe=planned.options[int(np.argmax(scores))]), scores

    def _trained(self, recipe: Recipe) -> TrainingRecord:
        """The record of a model, which is trained unless it is finished."""
        if training := self._finished(recipe):
            return training
        return train(recipe, self._folder(recipe), *self._read(recipe), self._progress).training

    def _finished(self, recipe: Recipe) -> TrainingRecord | None:
        return read_training(recipe, self._folder(recipe))

    def _debias(self, recipe: Recipe, method: str) -> Debias:
        rows = sentences(recipe.languages, recipe.validation.documents, FITTED_ON)
        return Debias(parse_method(method), FitTexts("NTREX", tuple(rows)))

    def _folder(self, recipe: Recipe) -> Path:
        return self._out / "models" / recipe.name

    def _read(self, recipe: Recipe) -> tuple[Pairs, LeakCheck]:
        """The pairs and the leak check of a recipe; those of the last data are kept."""
        key = data_key(recipe)
        if key not in self._inputs:
            pairs = read_pairs(recipe)
            self._inputs = {key: (pairs, check_leaks_once(pairs, self._tasks))}
        return self._inputs[key]
