"""Callbacks of the Trainer: checkpoints, what they keep besides weights, and progress."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import TrainerCallback

from panglot.files import write_whole
from panglot.progress import Progress
from panglot.train.steps.loss import HybridLoss

STATE = "panglot.json"


class KeepState(TrainerCallback):
    """Saves a checkpoint every so many steps, with what the Trainer does not keep: learned scales and seconds spent.

    :param every: steps between checkpoints; 0 for none besides those of validations.
    """

    def __init__(self, loss: HybridLoss, every: int) -> None:
        self._loss, self._every = loss, every
        self._before, self._start = 0.0, perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds spent on the steps up to now, in this and earlier processes."""
        return self._before + perf_counter() - self._start

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Start the clock; a resumed run finds the best checkpoint where the folder is now."""
        self._start = perf_counter()
        if state.best_model_checkpoint:
            state.best_model_checkpoint = str(Path(args.output_dir, Path(state.best_model_checkpoint).name))

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ask for a checkpoint when one is due."""
        if self._every and state.global_step % self._every == 0:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Write scales and seconds to the checkpoint's folder."""
        if state.is_world_process_zero:
            scales = {kind: scale.item() for kind, scale in self._loss.log_scale.items()}
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            content = json.dumps({"scales": scales, "seconds": self.seconds})
            write_whole(folder / STATE, lambda path: path.write_text(content, encoding="utf-8"))

    def restore(self, checkpoint: Path) -> None:
        """Restore scales and seconds of a checkpoint."""
        kept = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        self._before = kept["seconds"]
        with torch.no_grad():
            for kind, scale in kept["scales"].items():
                self._loss.log_scale[kind].fill_(scale)


class ShowProgress(TrainerCallback):
    """Reports steps to a progress bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._stack = progress, ExitStack()

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Open the bar at the current step."""
        self._advance = self._stack.enter_context(self._progress("training", state.max_steps))
        self._advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Advance by one step."""
        self._advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Close the bar."""
        self._stack.close()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    found = [path for path in folder.glob("checkpoint-*") if (path / STATE).is_file()]
    return max(found, key=_step_of, default=None)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
