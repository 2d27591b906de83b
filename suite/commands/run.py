"""`panglot run`: score a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from suite.commands.names import DataDir, find_suite, find_tasks, split
from suite.commands.options import (
    Address,
    AllowMissing,
    Backend,
    Budget,
    Cache,
    Device,
    Engine,
    Gpus,
    Half,
    Languages,
    MaxLength,
    ModelName,
    NoCache,
    PassagePrompt,
    Precision,
    QueryPrompt,
    Shards,
    TaskNames,
    TruncateDim,
    TrustRemoteCode,
    Workers,
    open_cache,
    stream_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from suite.cache import VectorCache
    from suite.encoder import Model
    from suite.result import Result
    from suite.run import Outcome
    from suite.streamed_run import How
    from suite.task import Task


def run(
    model: ModelName,
    tasks: TaskNames = "starter",
    suite: Annotated[
        str,
        typer.Option(help="A named collection instead: murec (all tasks) or m2m; what the model cannot see stays out."),
    ] = "",
    languages: Languages = "",
    out: Annotated[Path, typer.Option(help="Where results are written.")] = Path("submissions"),
    matrix: Annotated[bool, typer.Option("--matrix", help="Print the language × language grid too.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Only tasks whose last run failed.")] = False,
    dims: Annotated[str, typer.Option(help="Also score vectors cut to these dimensions, as in 64,128.")] = "",
    quantise: Annotated[str, typer.Option(help="Also score vectors stored as int8, binary.")] = "",
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave damaged images and empty captions out, and count them.")
    ] = False,
    data_dir: DataDir = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    query_prompt: QueryPrompt = None,
    passage_prompt: PassagePrompt = None,
    precision: Precision = "fp32",
    backend: Backend = "torch",
    truncate_dim: TruncateDim = None,
    max_length: MaxLength = None,
    device: Device = None,
    trust_remote_code: TrustRemoteCode = False,
    budget: Budget = None,
    shards: Shards = None,
    half: Half = False,
    allow_missing: AllowMissing = False,
    engine: Engine = "here",
    address: Address = None,
    workers: Workers = None,
    gpus: Gpus = 0,
) -> None:
    """Score a model: one encoding pass, four answers.

    [dim]panglot run intfloat/multilingual-e5-small --tasks xquad-r,mlqa-r --matrix[/dim]
    """
    chosen = find_suite(suite) if suite else find_tasks(tasks)
    points = _curve(dims, quantise)
    from rich.console import Console

    console = Console()
    console.print(f"[bold]{model}[/] on {', '.join(task.name for task in chosen)}", highlight=False)

    from suite.encoder import Options, load_model

    options = Options(
        query_prompt=query_prompt,
        passage_prompt=passage_prompt,
        precision=precision,
        backend=backend,
        truncate_dim=truncate_dim,
        max_length=max_length,
        device=device,
        trust_remote_code=trust_remote_code,
        budget=budget,
    )
    loaded = load_model(model, options)
    _say_prompts(console, loaded)
    if suite:
        chosen = _within_reach(console, loaded, chosen)
    load = partial(load_model, model, options)
    how = partial(stream_options, load, cache, shards, half, allow_missing, engine, address, workers, gpus)
    with _shared_vectors(chosen, open_cache(cache, no_cache)) as opened:
        runner = _Runner(console, loaded, split(languages), out, matrix, data_dir, opened, points, skip_damaged, how)
        runner.run(chosen, retry_failed)


class _Runner:
    """Runs the tasks one by one; one that fails does not lose the others."""

    def __init__(
        self,
        console: Console,
        model: Model,
        languages: list[str],
        out: Path,
        matrix: bool,
        data_dir: Path | None,
        cache: VectorCache | None,
        curve: list[tuple[int, str]],
        skip_damaged: bool,
        how: Callable[[], How],
    ) -> None:
        self._console, self._model, self._languages, self._out = console, model, languages, out
        self._matrix, self._data_dir, self._cache, self._curve = matrix, data_dir, cache, curve
        self._skip_damaged, self._how = skip_damaged, how
        self._results: list[Result] = []
        self._written: list[Path] = []
        self._failed = 0

    def run(self, tasks: list[Task], retry_failed: bool) -> None:
        """Run, show, and exit with 2 if a person can mend what failed, with 1 if the fault is ours."""
        from suite.errors import PanglotError

        for task in tasks:
            if retry_failed and not self._log(task).exists():
                continue
            try:
                self._run(task)
            except PanglotError as error:
                if len(tasks) == 1:
                    raise
                self._fail(task, error, 2)
            except Exception as error:
                self._fail(task, error, 1)
        self._show()
        if self._failed:
            raise typer.Exit(self._failed)

    def _run(self, task: Task) -> None:
        from suite.result import write_result
        from suite.terminal import pair_matrix

        outcome = self._outcome(task)
        self._written.append(write_result(self._out, outcome.result, outcome.evidence, outcome.stem))
        self._results.append(outcome.result)
        self._log(task).unlink(missing_ok=True)
        if self._matrix:
            self._console.print(pair_matrix(outcome.result))

    def _outcome(self, task: Task) -> Outcome:
        from suite.corpus import StreamedTask
        from suite.run import run
        from suite.streamed_run import run_streamed
        from suite.terminal import progress_bar

        where = (self._languages, self._data_dir, self._cache)
        if isinstance(task, StreamedTask):
            return run_streamed(task, self._model, self._how(), *where, progress_bar)
        return run(task, self._model, *where, self._curve, self._skip_damaged, progress_bar)

    def _fail(self, task: Task, error: Exception, code: int) -> None:
        """Keep the traceback in a log, say one line, go on."""
        import traceback

        from rich.text import Text

        from suite.errors import PanglotError

        log = self._log(task)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        said = str(error) if isinstance(error, PanglotError) else f"{type(error).__name__}: {error}"
        message = Text(f"{task.name} failed: ", style="bold red").append(f"{said} ", "not bold")
        self._console.print(message.append(f"({log}; run it again with --retry-failed)", "dim"), soft_wrap=True)
        self._failed = max(self._failed, code) if self._failed != 1 else 1

    def _log(self, task: Task) -> Path:
        from suite.result import result_folder

        return result_folder(self._out, self._model.card) / f"{task.name}.failed.log"

    def _show(self) -> None:
        from suite.image import IMAGES
        from suite.terminal import curve_table, score_table

        if self._results:
            self._console.print(score_table(self._results))
        for result in self._results:
            if result.curve:
                self._console.print(curve_table(result))
        for path, result in zip(self._written, self._results, strict=True):
            facts = f"{sum(result.run.seconds.values()):.1f} s, {result.run.peak_memory_mib:,} MiB"
            if result.run.encoding:
                noun = "texts and images" if IMAGES in result.task.languages else "texts"
                facts += f", {result.run.encoding.fresh:,} of {result.run.encoding.texts:,} {noun} encoded"
            if result.run.damaged:
                facts += f", {result.run.damaged:,} damaged items left out"
            self._console.print(f"{path}  [dim]{facts}[/]", highlight=False, soft_wrap=True)


def _within_reach(console: Console, model: Model, tasks: list[Task]) -> list[Task]:
    """The tasks whose modalities the model has; the others are named."""
    from suite.encoder import sees_images

    if sees_images(model):
        return tasks
    left_out = [task.name for task in tasks if task.has_images]
    if left_out:
        console.print(f"{model.card.name} reads texts only. Left out: {', '.join(left_out)}", highlight=False)
    return [task for task in tasks if not task.has_images]


@contextmanager
def _shared_vectors(tasks: list[Task], cache: VectorCache | None) -> Iterator[VectorCache | None]:
    """The cache; without one, image tasks share one as long as the run lasts, so that each image is encoded once."""
    if cache or not any(task.has_images for task in tasks):
        yield cache
        return
    from suite.cache import VectorCache

    with TemporaryDirectory() as folder:
        yield VectorCache(Path(folder))


def _curve(dims: str, quantise: str) -> list[tuple[int, str]]:
    """Every asked dimension in every asked form; dimension 0 is the model's own."""
    from suite.errors import PanglotError, UnknownName

    forms = split(quantise)
    for form in forms:
        if form not in ("int8", "binary"):
            raise UnknownName("form of vectors", form, ("int8", "binary"))
    if not all(dim.isascii() and dim.isdigit() and int(dim) for dim in split(dims)):
        raise PanglotError(f"--dims takes whole numbers divided by commas, as in 64,128, not '{dims}'.")
    dimensions = [int(dim) for dim in split(dims)]
    if not dimensions and not forms:
        return []
    return [(dimension, form) for dimension in [*dimensions, 0] for form in ("float32", *forms)]


def _say_prompts(console: Console, model: Model) -> None:
    """Prompts change scores: a person should see which are used."""
    for role, prompt in model.card.prompts.items():
        console.print(f"[dim]{role} prompt:[/] {prompt!r}", highlight=False)
