"""Train and evaluate the models of an ablation; finished ones are reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from panglot.data.task import Task
from panglot.progress import Progress, silent
from panglot.train.ablation.ablate import Planned, Scored
from panglot.train.data.leak import LeakCheck
from panglot.train.data.leak_cache import check_leaks_once
from panglot.train.data.pairs import Pairs
from panglot.train.data.read import data_key, read_pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.record import read_training
from panglot.train.run.score import score_folder
from panglot.train.run.train import stored_layers, train


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
        """Whether the model is finished."""
        return read_training(planned.recipe, self._folder(planned.recipe)) is not None

    def make(self, planned: Planned) -> Scored:
        """Train and evaluate a model, or reuse it if it is finished.

        :raises PanglotError: see `panglot.train.run.train.train` and `panglot.train.run.score.score_folder`.
        """
        recipe = planned.recipe
        folder = self._folder(recipe)
        training = read_training(recipe, folder)
        if training is None:
            pairs, leaks = self._read(recipe)
            training = train(recipe, folder, pairs, leaks, self._progress).training
        tasks = [self._find_task(name) for name in recipe.evaluation]
        if recipe.image is None:
            tasks = [task for task in tasks if not task.has_images]
        results = score_folder(
            folder,
            tasks,
            self._out / "results",
            self._progress,
            self._out / "models" / "features",
            training.precision,
            stored_layers(recipe, folder),
        )
        return Scored(planned, training.steps, training.seconds, training.best_validation, results)

    def _folder(self, recipe: Recipe) -> Path:
        return self._out / "models" / recipe.name

    def _read(self, recipe: Recipe) -> tuple[Pairs, LeakCheck]:
        """The pairs and the leak check of a recipe; those of the last data are kept."""
        key = data_key(recipe)
        if key not in self._inputs:
            pairs = read_pairs(recipe)
            self._inputs = {key: (pairs, check_leaks_once(pairs, self._tasks))}
        return self._inputs[key]
