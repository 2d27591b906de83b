"""The sentence-transformers Trainer for hybrid batches, with loss and gradient logged for each kind of batch."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch.utils.data import DataLoader, Dataset
from transformers import get_scheduler

from panglot.data.image import decode
from panglot.encode.checkpoints.loading import one_line
from panglot.encode.checkpoints.precision import computed_precision
from panglot.encode.model import Precision
from panglot.errors import BadData
from panglot.train.batches import BatchSampler
from panglot.train.pairs import NO_INDEX, Pairs
from panglot.train.recipe import Kind, Recipe
from panglot.train.towers import FEATURES
from panglot.train.training_table import Schedule, TrainerArguments
from panglot.train.vision import in_memory

LOGS = 100
"""Points of a loss curve."""
WEIGHTS = "trained.safetensors"


class PairRows(Dataset[dict[str, Any]]):
    """The table of pairs as a torch data set: a row has a query, a passage and the kind of its batch.

    With hard negatives, rows that have a negative include it. Images are represented by their index in `pairs.images`.
    """

    column_names = ("query", "passage", "negative", "label")

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self._pairs, self._hard = pairs, recipe.loss.negatives == "hard"
        self._alone: Kind = "mixed" if recipe.sampler.kind == "mixed" else "mono"
        self._caption_sets = frozenset(pairs.sets.index(data.name) for data in recipe.images)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        """The rows of one batch."""
        pairs = self._pairs
        columns = (pairs.query, pairs.passage, pairs.negative, pairs.has_image)
        found = list(zip(rows, *(column[rows].tolist() for column in columns), strict=True))
        return [
            {
                "query": pairs.texts[query],
                "passage": passage if has_image else pairs.texts[passage],
                **({"negative": pairs.texts[negative]} if self._hard and negative != NO_INDEX else {}),
                "label": self.kind_of(row),
            }
            for row, query, passage, negative, has_image in found
        ]

    def kind_of(self, row: int) -> Kind:
        """The kind of batch of a pair."""
        if self._pairs.has_image[row]:
            return "image"
        if int(self._pairs.origin[row]) in self._caption_sets:
            return "captions"
        return self._alone if self._pairs.query_language[row] == self._pairs.passage_language[row] else "cross"


class Collator:
    """Converts rows to model inputs: tokens of prompt and text, image features, or pixels."""

    def __init__(self, model: Any, recipe: Recipe, images: Sequence[bytes], features: torch.Tensor | None) -> None:
        self._model, self._images, self._features = model, images, features
        self._prompts = {"query": recipe.prompts.query, "passage": recipe.prompts.passage}

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch, labelled with its kind. It may have fewer negatives than rows: they only extend the candidates."""
        batch: dict[str, Any] = {"label": rows[0]["label"]}
        for column in {column for row in rows for column in row} - {"label"}:
            for name, value in self._read(column, [row[column] for row in rows if column in row]).items():
                batch[f"{column}_{name}"] = value
        return dict(sorted(batch.items(), key=lambda item: _place(item[0])))

    def _read(self, column: str, values: list[Any]) -> dict[str, Any]:
        if isinstance(values[0], str):
            prompt = self._prompts["query" if column == "query" else "passage"]
            return self._model.preprocess(values, prompt=prompt or None)
        if self._features is not None:
            return {"sentence_embedding": self._features[values], "task": FEATURES}
        return self._model.preprocess([decode(in_memory(self._images[value])) for value in values])


def _place(name: str) -> int:
    """Sort key: queries, passages, negatives, because the loss identifies columns by their order."""
    return next((place for place, column in enumerate(PairRows.column_names) if name.startswith(f"{column}_")), 3)


class HybridTrainer(SentenceTransformerTrainer):
    """The Trainer with a recipe's sampler and loss; logs loss and gradient of each kind of batch."""

    def __init__(self, sampler: BatchSampler, **settings: Any) -> None:
        self._sampler = sampler
        self._kind = ""
        self._seen: dict[str, list[torch.Tensor]] = defaultdict(list)
        super().__init__(**settings)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the model card to `panglot.train.card`."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write what training changes: trainable weights and buffers; the recipe gives the rest."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: weight.detach() for name, weight in self.model.named_parameters() if weight.requires_grad}
        trained |= dict(self.model.named_buffers())
        save_file({name: tensor.contiguous() for name, tensor in trained.items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        self.model.load_state_dict(load_file(Path(checkpoint_path) / WEIGHTS), strict=False)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches; each of several processes takes its part of every batch."""
        self.accelerator.even_batches = False
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset, batch_sampler=self._sampler, collate_fn=self.data_collator
        )
        self._train_dataloader = self.accelerator.prepare(loader)
        return self._train_dataloader

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **settings: Any) -> Any:
        """The loss of a batch, recorded by kind."""
        loss = super().compute_loss(model, inputs, *args, **settings)
        self._kind = inputs["label"]
        self._seen[f"loss_{self._kind}"].append(loss.detach())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self._seen[f"gradient_{self._kind}"].append(torch.as_tensor(norm).detach())
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the Trainer's values and the means of each kind since the last log."""
        if "loss" in logs:
            logs = logs | {name: float(torch.stack(values).mean()) for name, values in self._seen.items()}
            if self.loss.log_scale[self._kind].requires_grad:
                logs |= {f"scale_{kind}": scale for kind, scale in self.loss.scales().items()}
            self._seen.clear()
        super().log(logs, start_time)


def check_negatives(pairs: Pairs, recipe: Recipe, processes: int) -> None:
    """Check that hard negatives exist if the recipe uses them, and for all rows with several processes.

    :raises BadData: no pair has a negative, or some rows have none and there are several processes.
    """
    if recipe.loss.negatives != "hard":
        return
    has_one = pairs.negative != NO_INDEX
    if not has_one.any():
        raise BadData("loss.negatives is 'hard', but no pair has a negative. Set data.negative to their column.")
    partly = [name for place, name in enumerate(pairs.sets) if len(set(has_one[pairs.origin == place].tolist())) > 1]
    if partly and processes > 1:
        raise BadData(
            f"Some rows of {', '.join(partly)} have no negative, but several processes need one in each row. Add them, "
            "or train in one process."
        )


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
            metric_for_best_model="eval_bitext" if validation.every else None,
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


def kinds_logged(history: Sequence[dict[str, float]], what: str) -> Iterator[str]:
    """Kinds of batches with logged values of `what`, in order of first occurrence."""
    seen = dict.fromkeys(name for entry in history for name in entry if name.startswith(f"{what}_"))
    return (name.removeprefix(f"{what}_") for name in seen)
