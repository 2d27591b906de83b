"""Train the model of a recipe: pairs → leak check → towers → batches → model, card and curves."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from transformers import EarlyStoppingCallback
from transformers.trainer_callback import PrinterCallback

from panglot.data.catalogue import load_tasks
from panglot.data.load import read_pool
from panglot.encode.checkpoints.loading import hide_loading_bars, one_line
from panglot.errors import BadData
from panglot.progress import Progress, silent
from panglot.results.record import write_record
from panglot.train.data.leak import NOT_CHECKED, LeakCheck
from panglot.train.data.pairs import Pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.card import write_card
from panglot.train.run.folder import claimed, replace_folder
from panglot.train.run.record import RECIPE, TRAINING, TrainingRecord
from panglot.train.steps.arguments import arguments, check_rates, training_precision
from panglot.train.steps.batches import BatchDrawer, BatchSampler
from panglot.train.steps.callbacks import KeepState, ShowProgress, last_checkpoint
from panglot.train.steps.inputs import Collator, PairRows, check_negatives
from panglot.train.steps.loss import HybridLoss
from panglot.train.steps.trainer import HybridTrainer, writing
from panglot.train.steps.validate import Validator, read_validator
from panglot.train.towers.build import build_model, finished
from panglot.train.towers.frozen_cache import cache_frozen_layers
from panglot.train.towers.layers import checkpoint_activations, layer_rates, text_module

LAYERS = "layers"
"""Folder of stored hidden states, next to the models."""


class Trained(NamedTuple):
    """A finished model and the record of its training."""

    folder: Path
    training: TrainingRecord


def train(
    recipe: Recipe,
    folder: Path,
    pairs: Pairs,
    leaks: LeakCheck = NOT_CHECKED,
    progress: Progress = silent,
) -> Trained:
    """Train the model of a recipe into a folder, or resume an interrupted run of the same recipe.

    Checkpoints and logs are written next to the folder, in `NAME.training`.

    :raises BadData: the folder belongs to another recipe, the data cannot fill the batches or lacks the negatives that
        the recipe needs, or this machine does not support the precision.
    :raises BadEncoder: the base cannot be trained.
    """
    hide_loading_bars()
    training_precision(recipe)
    check_negatives(pairs, recipe, int(os.environ.get("WORLD_SIZE", "1")))
    with claimed(recipe, folder) as work:
        return Trained(folder, _train(recipe, folder, pairs, leaks, work, progress))


def _train(
    recipe: Recipe, folder: Path, pairs: Pairs, leaks: LeakCheck, work: Path, progress: Progress
) -> TrainingRecord:
    """Train into a folder that no other run uses; see `train`."""
    drawer = BatchDrawer(pairs, recipe)
    vision = _vision(recipe)
    validator = read_validator(recipe)
    model = build_model(recipe, pairs.texts, vision, _whole_texts(recipe, validator))
    features = _features(recipe, model, vision, pairs.images, work.parent / "features", progress)
    if stored := stored_layers(recipe, folder):
        cache_frozen_layers(text_module(model), *stored)
    tower = text_module(model)
    if recipe.training.length:
        tower.max_seq_length = recipe.training.length
    trainer, seconds = _fit(recipe, model, pairs, drawer, features, validator, work, progress)
    if recipe.training.length:
        tower.max_seq_length = recipe.text.length
    training = TrainingRecord.of(
        recipe, pairs, drawer, leaks, trainer.state, seconds, training_precision(recipe), trainer.loss.scales()
    )
    if trainer.is_world_process_zero():
        save = partial(_save, recipe, finished(trainer.model, recipe), training)
        replace_folder(folder, save)
        write_record(work / TRAINING, training)
        for checkpoint in work.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    return training


def _whole_texts(recipe: Recipe, validator: Validator | None) -> list[str]:
    """The texts of which the vocabulary keeps all tokens; none unless the recipe names tasks.

    :raises UnknownName: there is no such task.
    :raises MissingData: the data of a task is missing.
    """
    if not recipe.text.whole_tasks:
        return []
    texts = [recipe.prompts.query, recipe.prompts.passage, *(validator.texts if validator else ())]
    for task in (task for name in recipe.text.whole_tasks for task in load_tasks(name)):
        pool = read_pool(task)
        texts += [*pool.queries.texts, *pool.candidates.texts]
    return texts


def _vision(recipe: Recipe) -> Any:
    """The vision modules of a recipe with the dimension of their features."""
    if recipe.image is None:
        return None
    from panglot.train.towers.vision import load_vision

    return load_vision(recipe.image)


def _features(
    recipe: Recipe, model: SentenceTransformer, vision: Any, images: Sequence[bytes], cache: Path, progress: Progress
) -> torch.Tensor | None:
    """The features of all images if the vision model is frozen; a projection on class names is set as well."""
    if recipe.image is None:
        return None
    from panglot.train.towers.class_names import start_from_class_names
    from panglot.train.towers.vision import image_features

    if recipe.image.projection == "class-names":
        start_from_class_names(model, recipe, vision, images, cache, progress)
    return image_features(vision, images, cache, progress) if recipe.image.frozen_layers == "all" else None


def _fit(
    recipe: Recipe,
    model: SentenceTransformer,
    pairs: Pairs,
    drawer: BatchDrawer,
    features: torch.Tensor | None,
    validator: Validator | None,
    work: Path,
    progress: Progress,
) -> tuple[HybridTrainer, float]:
    """Train, and return the trainer and the seconds that it took."""
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)  # says if checkpoints come within a second
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(work / "tensorboard")
    settings = arguments(recipe, work, layer_rates(model, recipe))
    if recipe.training.batch % settings.world_size:
        raise BadData(
            f"training.batch: {recipe.training.batch} is not a multiple of the {settings.world_size} processes."
        )
    if recipe.training.gradient_checkpointing:
        checkpoint_activations(model)
    loss = HybridLoss(model, recipe, settings.world_size)
    check_rates(recipe, [name for name, weight in loss.named_parameters() if weight.requires_grad])
    state = KeepState(loss, recipe.training.checkpoint_steps)
    callbacks = [ShowProgress(progress), state]
    if recipe.validation.every and recipe.validation.patience:
        callbacks.append(EarlyStoppingCallback(recipe.validation.patience))
    batches = recipe.training.steps * recipe.training.gradient_accumulation_steps
    try:
        trainer = HybridTrainer(
            BatchSampler(drawer, batches, recipe.training.batch),
            model=model,
            args=settings,
            train_dataset=PairRows(pairs, recipe),
            data_collator=Collator(model, recipe, pairs.images, features),
            loss=loss,
            evaluator=validator,
            callbacks=callbacks,
        )
    except (ImportError, RuntimeError, ValueError) as error:  # a package for `report_to` or `optim` is missing
        raise BadData(f"training: {one_line(error)}") from error
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_checkpoint(work)
    if checkpoint:
        state.restore(checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer, state.seconds


def _save(recipe: Recipe, model: SentenceTransformer, training: TrainingRecord, folder: Path) -> None:
    """Write the finished model to a new folder, with its card, curves and recipe."""
    from panglot.train.run.curves import draw_curves  # takes a second to import

    with writing(folder):
        model.save_pretrained(str(folder), create_model_card=False)
        write_record(folder / RECIPE, recipe.public)
        draw_curves(training.history, folder / "curves.png")
        write_card(folder, recipe, training)


def stored_layers(recipe: Recipe, folder: Path) -> tuple[int, Path] | None:
    """The number of frozen layers whose output is stored for the model in a folder, and where; None if it is not."""
    count = recipe.text.frozen_layers if recipe.text.cache_frozen else None
    return (count, folder.parent / LAYERS) if count else None
