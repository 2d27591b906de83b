"""The sentence-transformers Trainer for hybrid batches, with loss and gradient logged for each kind of batch."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer
from torch.utils.data import DataLoader
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from panglot.encode.checkpoints.loading import one_line
from panglot.errors import PanglotError
from panglot.train.steps.batches import BatchSampler

WEIGHTS = "trained.safetensors"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Report failures to write a checkpoint or a model; torch and safetensors have no OSError for a full disk.

    :raises PanglotError: a file cannot be written; what is incomplete was deleted.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PanglotError(
            f"{folder} cannot be written. {one_line(error)} If the disk is full, free some space. Run the same command "
            "again to resume at the last checkpoint."
        ) from error


class HybridTrainer(SentenceTransformerTrainer):
    """The Trainer with a recipe's sampler and loss; logs loss and gradient of each kind of batch."""

    def __init__(self, sampler: BatchSampler, **settings: Any) -> None:
        self._sampler = sampler
        self._kind = ""
        self._seen: dict[str, list[torch.Tensor]] = defaultdict(list)
        super().__init__(**settings)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the model card to `panglot.train.run.card`."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write what training changes: trainable weights and buffers; the recipe gives the rest."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: weight.detach() for name, weight in self.model.named_parameters() if weight.requires_grad}
        trained |= dict(self.model.named_buffers())
        save_file({name: tensor.contiguous() for name, tensor in trained.items()}, folder / WEIGHTS)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with writing(Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"):
            super()._save_checkpoint(model, trial)

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
