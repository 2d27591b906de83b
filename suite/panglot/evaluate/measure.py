"""One model on one task of any kind: what `panglot run` and `panglot.run` both call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from panglot.data.corpus import StreamedTask
from panglot.data.task import Task
from panglot.encode.cache import VECTORS, VectorCache
from panglot.encode.model import Model, ModelCard
from panglot.errors import PanglotError, UnknownName
from panglot.evaluate.run import FORMS, run
from panglot.evaluate.shards.run import StreamOptions, run_streamed
from panglot.files import cache_dir
from panglot.progress import Progress, silent
from panglot.remedies.debiased import Debias
from panglot.results.result import Result


@dataclass(frozen=True)
class Measurement:
    """How a model is measured, whatever the task."""

    languages: Sequence[str] = ()
    """All where none is named."""
    data_dir: Path | None = None
    cache: VectorCache | None = None
    curve: Sequence[tuple[int, str]] = ()
    """Dimensions and forms to which vectors are also reduced."""
    skip_damaged: bool = False
    debias: Debias | None = None
    """What is taken out of the vectors."""
    stream_options: Callable[[], StreamOptions] = lambda: StreamOptions(cache_dir(VECTORS, "checkpoints"))
    """How a corpus is divided and counted, asked for when there is one."""

    def card(self, model: Model) -> ModelCard:
        """The card of the model as it is measured: without some of its languages it is another configuration."""
        return self.debias.card(model.card) if self.debias else model.card

    def run(self, task: Task, model: Model, progress: Progress = silent) -> Result:
        """Measure a model on a task that is read whole, or whose corpus is streamed.

        :raises PanglotError: as `panglot.evaluate.run.run` and `panglot.evaluate.shards.run.run_streamed`.
        """
        where = (self.languages, self.data_dir, self.cache)
        if not isinstance(task, StreamedTask):
            return run(task, model, *where, self.curve, self.skip_damaged, progress, self.debias)
        if self.debias:
            raise PanglotError(f"{task.name} streams its passages; --debias needs them all at once.")
        return run_streamed(task, model, self.stream_options(), *where, progress)


def curve_points(dims: Sequence[int], forms: Sequence[str]) -> list[tuple[int, str]]:
    """Every dimension in every form, float32 among them; dimension 0 is the model's own. None if none is asked for.

    :raises UnknownName: vectors cannot be stored in that form.
    :raises PanglotError: a dimension is not positive.
    """
    if any(dimension < 1 for dimension in dims):
        raise PanglotError(f"Dimensions must be positive whole numbers, not {min(dims)}.")
    for form in forms:
        if form not in FORMS[1:]:
            raise UnknownName("form of vectors", form, FORMS[1:])
    if not dims and not forms:
        return []
    return [(dimension, form) for dimension in [*dims, 0] for form in ("float32", *forms)]


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
    """How a corpus is divided and counted; checkpoints are kept beside the vectors.

    :raises PanglotError: there is no Ray, or no cluster at the address.
    """
    cluster = None
    if engine == "ray":
        from panglot.evaluate.shards.cluster import Cluster

        cluster = Cluster(workers, address, gpus)
    return StreamOptions((cache or cache_dir(VECTORS)) / "checkpoints", shards, half, allow_missing, cluster, load)
