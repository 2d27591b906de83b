"""Evaluate one model on one task of any kind; shared by `panglot run` and `panglot.run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from panglot.data.corpus import StreamedTask
from panglot.data.task import Task
from panglot.encode.cache import VECTORS, VectorCache
from panglot.encode.card import ModelCard
from panglot.encode.model import Model, OnDevice
from panglot.errors import PanglotError, UnknownName
from panglot.evaluate.run import FORMS, run
from panglot.evaluate.shards.run import StreamOptions, run_streamed
from panglot.files import cache_dir
from panglot.progress import Progress, silent
from panglot.remedies.debiased import Debias
from panglot.results.result import Result
from panglot.results.shape import MOST_POINTS
from panglot.retrieve.device import find_device


@dataclass(frozen=True)
class Measurement:
    """Options of an evaluation that apply to any task."""

    languages: Sequence[str] = ()
    """Languages to evaluate; empty for all."""
    cache: VectorCache | None = None
    curve: Sequence[tuple[int, str]] = ()
    """Additional (dimension, form) pairs to which the vectors are reduced and scored."""
    skip_damaged: bool = False
    debias: Debias | None = None
    """Debiasing applied to the vectors."""
    rank_device: str | None = None
    """Device that ranks, `cpu` or a name of torch; None for the model's own."""
    stream_options: Callable[[], StreamOptions] = lambda: StreamOptions(cache_dir(VECTORS, "checkpoints"))
    """Makes the options of a streamed corpus; called only if the task has one."""

    def card(self, model: Model) -> ModelCard:
        """The card of the model as evaluated: debiasing makes it a different configuration."""
        return self.debias.card(model.card) if self.debias else model.card

    def run(self, task: Task, model: Model, progress: Progress = silent) -> Result:
        """Evaluate a model on a task, in memory or with a streamed corpus.

        :raises PanglotError: see `panglot.evaluate.run.run` and `panglot.evaluate.shards.run.run_streamed`; also if
            debiasing is requested for a streamed task.
        """
        where = (self.languages, self.cache)
        device = find_rank_device(self.rank_device, model)
        if not isinstance(task, StreamedTask):
            return run(task, model, *where, self.curve, self.skip_damaged, progress, self.debias, device)
        check_debias(task, self.debias)
        return run_streamed(task, model, self.stream_options()._replace(rank_device=device), *where, progress)


def check_debias(task: StreamedTask, debias: Debias | None) -> None:
    """Check that nothing is to be debiased that is not in memory as a whole.

    :raises PanglotError: debiasing is requested.
    """
    if debias:
        raise PanglotError(f"{task.name} streams its passages, but --debias needs all of them in memory.")


def find_rank_device(asked: str | None, model: Model) -> str | None:
    """Return the device of torch that ranks: the requested one, else the model's if it is a GPU; None for no device.

    :raises MissingExtra: a device is requested and torch is not installed.
    :raises PanglotError: the requested device is not available.
    """
    if asked:
        return find_device(asked)
    return model.device if isinstance(model, OnDevice) and model.device.startswith("cuda") else None


def curve_points(dims: Sequence[int], forms: Sequence[str]) -> list[tuple[int, str]]:
    """All combinations of the dimensions and the forms, float32 included; dimension 0 means the model's own.

    Empty if neither dimensions nor forms are given.

    :raises UnknownName: there is no such form.
    :raises PanglotError: a dimension is not positive, or there are more points than a result can hold.
    """
    if any(dimension < 1 for dimension in dims):
        raise PanglotError(f"Dimensions must be positive whole numbers, not {min(dims)}.")
    for form in forms:
        if form not in FORMS[1:]:
            raise UnknownName("form of vectors", form, FORMS[1:])
    if not dims and not forms:
        return []
    points = [(dimension, form) for dimension in [*dims, 0] for form in ("float32", *forms)]
    if len(points) > MOST_POINTS:
        raise PanglotError(f"A curve has at most {MOST_POINTS} points, not {len(points)}. Name fewer dimensions.")
    return points


def stream_options(
    load: Callable[[], Any] | None,
    cache: Path | None = None,
    shards: int | None = None,
    half: bool = False,
    allow_missing: bool = False,
    engine: Literal["here", "ray"] = "here",
    address: str | None = None,
    workers: int | None = None,
    gpus: float = 0,
) -> StreamOptions:
    """Options for a streamed corpus; the checkpoints are kept next to the vector cache.

    :raises MissingExtra: `engine` is `ray` and ray is not installed.
    :raises PanglotError: there is no Ray cluster at the address.
    """
    cluster = None
    if engine == "ray":
        from panglot.evaluate.shards.cluster import Cluster

        cluster = Cluster(workers, address, gpus)
    return StreamOptions((cache or cache_dir(VECTORS)) / "checkpoints", shards, half, allow_missing, cluster, load)
