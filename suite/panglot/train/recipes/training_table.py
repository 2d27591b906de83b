"""The tables `[training]` and `[validation]` of a recipe: optimisation, precision, checkpoints and validation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from panglot.train.recipes.part import Count, Part, Positive, Share

Scheduler: TypeAlias = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "cosine_with_min_lr",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "warmup_stable_decay",
]


class TrainerArguments(Part):
    """Arguments of the sentence-transformers Trainer, by its names; passed on unchanged."""

    learning_rate: Annotated[float, Field(ge=0)] = 3e-5
    """0 leaves the initial model unchanged, to evaluate it."""
    learning_rate_mapping: dict[str, float] = Field(default_factory=dict)
    """Learning rates of the parameters whose names match a regular expression."""
    lr_scheduler_type: Scheduler = "linear"
    lr_scheduler_kwargs: dict[str, Any] = Field(default_factory=dict)
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    optim: str = "adamw_torch"
    adam_beta1: Share = 0.9
    adam_beta2: Share = 0.999
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    gradient_accumulation_steps: Positive = 1
    """Batches per step. Each batch has its own kind and its own negatives; their gradients are averaged."""
    dataloader_num_workers: Count = 0
    torch_compile: bool = False
    report_to: tuple[str, ...] = ("tensorboard",)
    """Where metrics are reported: tensorboard, wandb, mlflow, trackio and others known to transformers."""
    run_name: str | None = None
    save_total_limit: Positive = 2


class Schedule(TrainerArguments):
    """Optimiser steps, batch size, learning rate, precision and checkpoints."""

    steps: Positive = 1000
    batch: Annotated[int, Field(ge=2, strict=True)] = 100
    length: Positive | None = None
    """Maximum length of texts in training, in tokens; that of the text tower by default."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor by which the learning rate falls from each layer of an encoder to the one below."""
    warmup: Share = 0.0
    """Share of the steps over which the learning rate rises before it follows its scheduler."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    """Whether activations are recomputed in the backward pass, which saves memory and takes time."""
    checkpoint_every: Count | None = None
    """Steps between checkpoints, in addition to one at each validation; 0 for none. By default a tenth of the steps, at
    most 500."""

    @property
    def checkpoint_steps(self) -> int:
        """Steps between checkpoints; 0 for none."""
        return min(-(-self.steps // 10), 500) if self.checkpoint_every is None else self.checkpoint_every


NOT_OF_THE_MODEL = {"report_to", "run_name", "save_total_limit", "dataloader_num_workers", "checkpoint_every"}
"""Settings of `training` that do not change the trained model."""


class Validation(Part):
    """Validation on texts of neither training nor evaluation; keeps the best checkpoint.

    FLORES sentences retrieve their translations. With `documents`, NTREX sentences also retrieve the sentences around
    them from a pool of all languages, and the mean of both scores decides.
    """

    every: Positive | None = None
    """Steps between validations; by default none, and the last state is kept."""
    sentences: Positive = 200
    """Number of FLORES sentences."""
    documents: Count = 0
    """Number of NTREX documents that are kept out of training and validated on."""
    patience: Positive | None = None
    """Validations without improvement after which training stops."""
