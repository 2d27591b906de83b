"""The Trainer's settings for a recipe, checked before the first step."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformerTrainingArguments
from transformers import get_scheduler

from panglot.encode.card import Precision
from panglot.encode.checkpoints.loading import one_line
from panglot.encode.checkpoints.precision import computed_precision
from panglot.errors import BadData
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.training_table import Schedule, TrainerArguments
from panglot.train.steps.validate import VALIDATION

LOGS = 100
"""Points of a loss curve."""


def training_precision(recipe: Recipe) -> Precision:
    """The precision used on this machine: fp32 instead of bf16 if the processor would only emulate it.

    :raises BadData: the recipe sets fp16 and there is no GPU.
    """
    if recipe.training.precision == "fp16" and not torch.cuda.is_available():
        raise BadData("training.precision: fp16 needs a GPU. Set it to fp32 or bf16.")
    return computed_precision(recipe.training.precision, "cuda" if torch.cuda.is_available() else "cpu")


def arguments(
    recipe: Recipe, folder: Path, rates: Mapping[str, float] | None = None
) -> SentenceTransformerTrainingArguments:
    """The Trainer's settings for a recipe; checkpoints and logs go to `folder`.

    `rates` are learning rates by a regular expression for parameters; those of the recipe take precedence.

    :raises BadData: the recipe sets fp16 and there is no GPU, or the Trainer rejects a setting.
    """
    training, validation = recipe.training, recipe.validation
    precision = training_precision(recipe)
    passed = training.model_dump(include=set(TrainerArguments.model_fields))
    passed["learning_rate_mapping"] = {**(rates or {}), **training.learning_rate_mapping}
    passed["report_to"] = list(training.report_to)
    _check_schedule(training)
    try:
        return SentenceTransformerTrainingArguments(
            **passed,
            output_dir=str(folder),
            max_steps=training.steps,
            per_device_train_batch_size=training.batch,
            warmup_steps=round(training.warmup * training.steps),
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            seed=recipe.seed,
            data_seed=recipe.seed,
            eval_strategy="steps" if validation.every else "no",
            eval_steps=validation.every,
            save_strategy="steps" if validation.every else "no",  # others are asked for by `KeepState`
            save_steps=validation.every or 500,
            load_best_model_at_end=validation.every is not None,
            metric_for_best_model=f"eval_{VALIDATION}" if validation.every else None,
            logging_steps=max(1, training.steps // LOGS),
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
            accelerator_config={"split_batches": True},
            ddp_find_unused_parameters=recipe.image is not None,
            use_cpu=not torch.cuda.is_available(),
            ddp_backend="gloo" if "WORLD_SIZE" in os.environ and not torch.cuda.is_available() else None,
        )
    except ValueError as error:
        raise BadData(f"training: {one_line(error)}") from error


def _check_schedule(training: Schedule) -> None:
    """Check the scheduler's own settings, which the Trainer reads only when it starts.

    :raises BadData: one is missing, unknown or invalid.
    """
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=training.learning_rate)
    try:
        get_scheduler(training.lr_scheduler_type, optimiser, 0, training.steps, training.lr_scheduler_kwargs)
    except (TypeError, ValueError) as error:
        raise BadData(f"training.lr_scheduler_kwargs: {one_line(error)}") from error


def check_rates(recipe: Recipe, names: Sequence[str]) -> None:
    """Check that each pattern of `learning_rate_mapping` matches a trainable weight; `names` are those of all weights.

    :raises BadData: a pattern matches none, or is not a regular expression.
    """
    for pattern in recipe.training.learning_rate_mapping:
        try:
            if any(re.search(pattern, name) for name in names):
                continue
        except re.error as error:
            raise BadData(
                f"training.learning_rate_mapping: '{pattern}' is not a regular expression: {error}"
            ) from error
        raise BadData(f"training.learning_rate_mapping: '{pattern}' matches no weight, such as {names[-1]}.")
