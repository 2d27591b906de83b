"""`panglot run`: score a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panglot.cli.completion import complete_suite
from panglot.cli.interruption import on_interrupt
from panglot.cli.names import DataDir, find_suite, find_tasks, split
from panglot.cli.options import (
    Address,
    AllowMissing,
    Backend,
    BatchTokens,
    Budget,
    Cache,
    Detect,
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
    RankDevice,
    Shards,
    Split,
    TaskNames,
    TextsPerRequest,
    TruncateDim,
    TrustRemoteCode,
    Workers,
)
from panglot.cli.output import AsJson, open_console, print_json
from panglot.cli.runner import Runner, show_results
from panglot.files import check_writable

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.data.task import Task
    from panglot.encode.cache import VectorCache
    from panglot.encode.card import ModelCard
    from panglot.encode.model import Model
    from panglot.remedies.debiased import Debias


KEPT = "Finished results are saved and encoded vectors are cached; run the same command again to resume."

UNPINNED = (
    "later runs will not reuse its vectors, because the revision does not cover everything the encoder reads. "
    "Give the encoder a card with a revision to reuse them (docs/add-an-encoder.md)."
)
"""Note for models without a reliable revision."""


def run(
    model: ModelName,
    tasks: TaskNames = "starter",
    suite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Run a suite instead: murec or m2m.",
            autocompletion=complete_suite,
        ),
    ] = "",
    languages: Languages = "",
    split_: Split = "",
    detect: Detect = "",
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Results folder.")] = Path("submissions"),
    matrix: Annotated[bool, typer.Option("--matrix", help="Also print the language × language grid.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run only tasks that failed last time.")] = False,
    dims: Annotated[str, typer.Option(metavar="N,M", help="Also score vectors truncated to N, M dimensions.")] = "",
    quantise: Annotated[str, typer.Option(metavar="A,B", help="Also score quantised vectors: int8, binary.")] = "",
    debias: Annotated[str, typer.Option(metavar="METHOD", help="Debias: centre, project:R, lir:R or shift:LANG.")] = "",
    debias_fit: Annotated[str, typer.Option(metavar="FILE", help="Texts to fit --debias on.")] = "corpus",
    debias_language: Annotated[
        Literal["data", "detect"],
        typer.Option(metavar="data|detect", help="Query languages of --debias."),
    ] = "data",
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Skip damaged images and captions.")] = False,
    rank_device: RankDevice = None,
    data_dir: DataDir = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    query_prompt: QueryPrompt = None,
    passage_prompt: PassagePrompt = None,
    precision: Precision = None,
    backend: Backend = "torch",
    truncate_dim: TruncateDim = None,
    max_length: MaxLength = None,
    device: Device = None,
    batch_tokens: BatchTokens = None,
    trust_remote_code: TrustRemoteCode = False,
    budget: Budget = None,
    texts_per_request: TextsPerRequest = None,
    shards: Shards = None,
    half: Half = False,
    allow_missing: AllowMissing = False,
    engine: Engine = "here",
    address: Address = None,
    workers: Workers = None,
    gpus: Gpus = 0,
    as_json: AsJson = False,
) -> None:
    """Score a model: mono, cross, multi and language bias from one encoding pass.

    Example: panglot run use-multilingual --tasks starter --matrix

    Example: panglot run intfloat/multilingual-e5-small --suite murec

    Example: panglot run py:my_module:make_encoder --tasks ./pairs.csv --detect de,en
    """
    chosen = find_suite(suite) if suite else find_tasks(tasks, split=split_, detect=detect.replace(",", "+"))
    points = _curve(dims, quantise)
    check_writable(out, "--out")
    remedy = _debias(debias, debias_fit, debias_language)
    console = open_console(aside=as_json)
    _say(console, model, f"on {', '.join(task.name for task in chosen)}")

    from panglot.encode.cache import open_cache
    from panglot.encode.load import load_model
    from panglot.encode.model import find_unpinned
    from panglot.encode.options import Options
    from panglot.evaluate.measure import Measurement, stream_options
    from panglot.results.result_record import read_result_record

    options = Options(
        query_prompt=query_prompt,
        passage_prompt=passage_prompt,
        precision=precision,
        backend=backend,
        truncate_dim=truncate_dim,
        max_length=max_length,
        device=device,
        batch_tokens=batch_tokens,
        trust_remote_code=trust_remote_code,
        budget=budget,
        texts_per_request=texts_per_request,
    )
    loaded = load_model(model, options)
    _say_precision(console, loaded.card, precision)
    for role, prompt in loaded.card.prompts.items():  # prompts change scores, so show which are used
        _say(console, f"{role} prompt:", repr(prompt))
    for card in find_unpinned(loaded):
        _say(console, f"{card.name}:", UNPINNED)
    if suite:
        chosen = _within_reach(console, loaded, chosen)
    opened_cache = open_cache(cache, no_cache)
    on_interrupt(KEPT if opened_cache else "Without the cache, nothing is kept.")
    with _shared_vectors(chosen, opened_cache) as vectors:
        load = partial(load_model, model, options)
        measurement = Measurement(
            languages=split(languages),
            cache=vectors,
            curve=points,
            skip_damaged=skip_damaged,
            debias=remedy,
            rank_device=rank_device,
            stream_options=partial(
                stream_options, load, cache, shards, half, allow_missing, engine, address, workers, gpus
            ),
        )
        runner = Runner(console, loaded, measurement, out)
        code = runner.run(chosen, retry_failed)
    if as_json:
        print_json([read_result_record(path).to_dict() for path in runner.results])
    else:
        show_results(console, runner.results, matrix)
    raise typer.Exit(code)


def _debias(method: str, fit: str, language: str) -> Debias | None:
    """Parse the --debias options before any slow work."""
    if not method:
        if (fit, language) != ("corpus", "data"):
            from panglot.errors import PanglotError

            raise PanglotError("--debias-fit and --debias-language need --debias METHOD.")
        return None
    from panglot.remedies.debiased import Debias

    return Debias.parse(method, fit, language == "detect")


def _say(console: PlainConsole, subject: str, message: str) -> None:
    from rich.text import Text

    console.print(Text(subject, style="bold").append(f" {message}", style="not bold"), soft_wrap=True)


def _say_precision(console: PlainConsole, card: ModelCard, asked: Precision) -> None:
    """Say if the model computes in another precision than requested, or than on a CPU."""
    from panglot.encode.checkpoints.precision import AS_STORED, FELL_BACK

    if asked == "bf16" != card.precision:
        _say(console, "precision:", FELL_BACK)
    elif not asked and f"precision={card.precision}" in card.settings:
        _say(console, "precision:", AS_STORED.format(card.precision))


def _within_reach(console: PlainConsole, model: Model, tasks: list[Task]) -> list[Task]:
    """Return the tasks whose modalities the model supports, and print the names of the others."""
    from panglot.encode.model import sees_images

    if sees_images(model):
        return tasks
    left_out = [task.name for task in tasks if task.has_images]
    if left_out:
        console.print(f"{model.card.name} does not encode images. Skipped: {', '.join(left_out)}", soft_wrap=True)
    return [task for task in tasks if not task.has_images]


@contextmanager
def _shared_vectors(tasks: list[Task], cache: VectorCache | None) -> Iterator[VectorCache | None]:
    """Yield the cache. Without one, image tasks share a temporary cache, so each image is encoded once."""
    if cache or not any(task.has_images for task in tasks):
        yield cache
        return
    from panglot.encode.cache import VectorCache

    with TemporaryDirectory() as folder:
        yield VectorCache(Path(folder))


def _curve(dims: str, quantise: str) -> list[tuple[int, str]]:
    """Parse --dims and --quantise."""
    if not dims and not quantise:
        return []
    from panglot.errors import PanglotError
    from panglot.evaluate.measure import curve_points

    if not all(dim.isascii() and dim.isdigit() and int(dim) for dim in split(dims)):
        raise PanglotError(f"--dims takes comma-separated integers such as 64,128, not '{dims}'.")
    return curve_points([int(dim) for dim in split(dims)], split(quantise))
