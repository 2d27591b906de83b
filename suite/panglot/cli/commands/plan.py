"""`panglot plan`: estimate the cost of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panglot.cli.completion import complete_suite
from panglot.cli.names import DataDir, find_suite, find_tasks, split
from panglot.cli.options import (
    Backend,
    BatchTokens,
    Cache,
    Detect,
    Device,
    Languages,
    MaxLength,
    ModelName,
    NoCache,
    PassagePrompt,
    Precision,
    QueryPrompt,
    RankDevice,
    SkipDamaged,
    Split,
    TaskNames,
    TextsPerRequest,
    TruncateDim,
    TrustRemoteCode,
)
from panglot.cli.output import AsJson, open_console, print_json
from panglot.cli.scoring import DebiasFit, DebiasLanguage, DebiasMethod, Dims, Quantise, read_curve, read_debias

if TYPE_CHECKING:
    from panglot.data.task import Task
    from panglot.evaluate.plan import Plan
    from panglot.evaluate.shards.plan import StreamPlan
    from panglot.progress import Advance


def plan(
    model: ModelName,
    tasks: TaskNames = "starter",
    suite: Annotated[
        str,
        typer.Option(metavar="NAME", help="Plan a suite instead: murec or m2m.", autocompletion=complete_suite),
    ] = "",
    languages: Languages = "",
    split_: Split = "",
    detect: Detect = "",
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
    price: Annotated[float, typer.Option(metavar="MONEY", min=0, help="API price per million tokens.")] = 0.0,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Number of machines or GPUs like this one.")] = 1,
    query_prompt: QueryPrompt = None,
    passage_prompt: PassagePrompt = None,
    precision: Precision = None,
    backend: Backend = "torch",
    truncate_dim: TruncateDim = None,
    max_length: MaxLength = None,
    device: Device = None,
    batch_tokens: BatchTokens = None,
    trust_remote_code: TrustRemoteCode = False,
    texts_per_request: TextsPerRequest = None,
    try_settings: Annotated[
        bool, typer.Option("--try-settings", help="Also measure other precisions and backends on this machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Estimate the time, memory, disk space and cost of a run.

    Encodes a few batches of texts, and ranks generated vectors, with the options of the run; keeps no vectors.

    Example: panglot plan use-multilingual --tasks xquad-r,mlqa-r

    Example: panglot plan use-multilingual --tasks miracl --workers 8
    """
    chosen = find_suite(suite) if suite else find_tasks(tasks, split=split_, detect=detect.replace(",", "+"))
    curve = read_curve(dims, quantise)
    remedy = read_debias(debias, debias_fit, debias_language)
    from rich.text import Text

    from panglot.cli.view.listing import list_faster, list_plans, list_stream_plan
    from panglot.cli.view.terminal import progress_bar
    from panglot.data.corpus import StreamedTask
    from panglot.data.damage import without_damaged
    from panglot.data.load import read_pool
    from panglot.encode.cache import open_cache
    from panglot.encode.load import load_model
    from panglot.encode.model import sees_images
    from panglot.encode.options import Options
    from panglot.evaluate.measure import check_debias, find_rank_device
    from panglot.evaluate.plan import Plan as PoolPlan
    from panglot.evaluate.plan import plan_run
    from panglot.evaluate.shards.plan import plan_stream
    from panglot.evaluate.speed import faster_settings

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
        texts_per_request=texts_per_request,
    )
    loaded = load_model(model, options)
    if suite and not sees_images(loaded):
        chosen = [task for task in chosen if not task.has_images]
    opened, there = open_cache(cache, no_cache), find_rank_device(rank_device, loaded)

    def measure(task: Task) -> Plan | StreamPlan:
        if isinstance(task, StreamedTask):
            check_debias(task, remedy)
            return plan_stream(loaded, task, split(languages), rank_device=there)
        pool, _ = without_damaged(read_pool(task, split(languages)), skip_damaged)
        return plan_run(loaded, pool, opened, remedy, there, curve)

    with progress_bar("measuring", len(chosen) + try_settings) as advance:
        found, failed = _measure_all(chosen, measure, advance)
        plans = {name: plan for name, plan in found.items() if isinstance(plan, PoolPlan)}
        large = {name: plan for name, plan in found.items() if not isinstance(plan, PoolPlan)}
        pools = (read_pool(task, split(languages)) for task in chosen if try_settings and task.name in plans)
        texts = next((some for pool in pools if (some := [text for text in pool.candidates.texts if text])), [])
        faster = faster_settings(model, options, loaded, texts) if try_settings else None
    if as_json:
        records = {**_records(plans, price), **_stream_records(large, workers, price)}
        measured = None if faster is None else [each._asdict() for each in faster]
        errors = {name: {"error": why} for name, why in failed.items()}
        print_json(records | errors | ({"faster_settings": measured} if try_settings else {}))
        raise typer.Exit(1 if failed else 0)
    console = open_console()
    if plans:
        console.print(list_plans(plans, price))
    for name, stream in large.items():
        console.print(list_stream_plan(name, stream, workers, price))
    if try_settings:
        no_texts = "the candidates are images" if plans else "all tasks are streamed"
        console.print(list_faster(faster, "the model supports none" if texts else no_texts))
    for name, why in failed.items():
        console.print(Text(f"{name} failed: ", "bold red").append(why, "not bold"), soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def _measure_all(
    tasks: list[Task], measure: Callable[[Task], Plan | StreamPlan], advance: Advance
) -> tuple[dict[str, Plan | StreamPlan], dict[str, str]]:
    """Return the plan of each task, and why others could not be planned; the only task must be planned."""
    from panglot.errors import PanglotError

    found, failed = dict[str, "Plan | StreamPlan"](), dict[str, str]()
    for task in tasks:
        try:
            found[task.name] = measure(task)
        except PanglotError as error:
            if len(tasks) == 1:
                raise
            failed[task.name] = str(error)
        advance(1)
    return found, failed


def _records(plans: Mapping[str, Plan], price: float) -> dict[str, Any]:
    """Return plans as plain data."""
    return {
        name: {
            "dimension": plan.dimension,
            "seconds": plan.seconds,
            "ranking_seconds": plan.ranking_seconds,
            "tokens": plan.tokens,
            "cost": plan.tokens / 1e6 * price,
            "disk_bytes": plan.disk_bytes,
            "memory_bytes": plan.memory_bytes,
            "roles": [role._asdict() for role in plan.roles],
        }
        for name, plan in plans.items()
    }


def _stream_records(plans: Mapping[str, StreamPlan], workers: int, price: float) -> dict[str, Any]:
    """Return plans for streamed corpora as plain data."""
    from panglot.evaluate.shards.plan import FORMS

    return {
        name: {
            "dimension": plan.dimension,
            "seconds": plan.seconds(workers),
            "tokens": plan.tokens,
            "cost": plan.tokens / 1e6 * price,
            "disk_bytes": {form: plan.disk_bytes(form) for form in FORMS},
            "languages": [language._asdict() for language in plan.languages],
        }
        for name, plan in plans.items()
    }
