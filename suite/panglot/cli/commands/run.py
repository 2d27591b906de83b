"""`panglot run`: score a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

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
    SkipDamaged,
    Split,
    TaskNames,
    TextsPerRequest,
    TruncateDim,
    TrustRemoteCode,
    Workers,
)
from panglot.cli.output import AsJson, open_console, print_json
from panglot.cli.runner import Runner, show_results
from panglot.cli.scoring import DebiasFit, DebiasLanguage, DebiasMethod, Dims, Quantise, read_curve, read_debias
from panglot.files import check_writable

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.data.task import Task
    from panglot.encode.cache import VectorCache
    from panglot.encode.card import ModelCard
    from panglot.encode.model import Model


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
    dims: Dims = "",
    quantise: Quantise = "",
    debias: DebiasMethod = "",
    debias_fit: DebiasFit = "corpus",
    debias_language: DebiasLanguage = "data",
    skip_damaged: SkipDamaged = False,
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
    of_corpora = {"shards": shards, "half": half, "allow-missing": allow_missing, "address": address}
    _check_streamed(chosen, of_corpora | {"workers": workers, "gpus": gpus, "engine ray": engine == "ray"})
    points = read_curve(dims, quantise)
    check_writable(out, "--out")
    remedy = read_debias(debias, debias_fit, debias_language)
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


def _check_streamed(tasks: list[Task], given: Mapping[str, object]) -> None:
    """Check that an option of large corpora is given only if one of the tasks has such a corpus.

    :raises PanglotError: none has.
    """
    from panglot.data.corpus import StreamedTask
    from panglot.errors import PanglotError

    option = next((name for name, value in given.items() if value), None)
    if option and not any(isinstance(task, StreamedTask) for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise PanglotError(f"--{option} applies to tasks that stream their passages, such as miracl, not to {names}.")


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
