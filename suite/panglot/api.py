"""The public functions of `import panglot`.

An error that the user can fix is a `PanglotError`, with the same message as on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol, TypedDict, Unpack

from pydantic import TypeAdapter, ValidationError

from panglot.arrays import Floats
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.encode.cache import VectorCache, open_cache
from panglot.encode.card import Precision, Role
from panglot.encode.kinds.function import as_model
from panglot.encode.load import load_model as load_by_name
from panglot.encode.model import Model, find_unpinned
from panglot.encode.options import OPTIONS, Options
from panglot.errors import BadEncoder, UnknownName
from panglot.evaluate.measure import Measurement, curve_points, stream_options
from panglot.evaluate.resolve import resolve_task
from panglot.files import data_from
from panglot.progress import Progress, silent
from panglot.remedies.debiased import CORPUS, Debias
from panglot.results.compare import compare_results
from panglot.results.record import first_fault
from panglot.results.result import Result, read_result
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.standings import Standings
from panglot.trust.rank import rank_files, rank_results

__all__ = ["compare", "load_model", "load_pool", "load_task", "rank", "read_result", "run"]

Setting = Literal["mono", "cross", "multi"]


class Encodes(Protocol):
    """An object that encodes texts as vectors; optionally with a `card`, `encode_images` and `count_tokens`."""

    def encode(self, texts: list[str], role: Role) -> Floats:
        """Return the vectors of one batch, [texts, dimension], in the order of the texts."""


class ModelOptions(TypedDict, total=False):
    """How a model is loaded, with the names and defaults of the command line; kinds of models support some of them."""

    query_prompt: str | None
    """Text before every query; by default that of the model's own configuration. `passage_prompt` likewise."""
    passage_prompt: str | None
    precision: Precision | None
    """Precision of the weights: by default that of the checkpoint on a GPU, and `fp32` elsewhere."""
    backend: Literal["torch", "openvino"]
    """Library that computes, `torch` by default."""
    truncate_dim: int | None
    """Keep the first so many dimensions of the vectors."""
    max_length: int | None
    """Cut texts after so many tokens, or characters behind an API."""
    device: str | None
    """Device of torch, such as `cuda:1`, or several with commas; by default the fastest there is.

    `auto` spreads a model that is too large for one device over all of them."""
    batch_tokens: int | None
    """Tokens in a batch, including padding; by default the fastest number is found while encoding."""
    trust_remote_code: bool
    """Run code that comes with the model."""
    budget: float | None
    """Maximum cost of API requests, in the currency of the price."""
    texts_per_request: int | None
    """Maximum number of texts per API request."""


def run(
    model: str | Path | Model | Encodes,
    task: str | Path | Task = "starter",
    *,
    languages: str | Sequence[str] = (),
    dims: Sequence[int] = (),
    quantise: Sequence[Literal["int8", "binary"]] = (),
    debias: str = "",
    debias_fit: str | Path = CORPUS,
    debias_language: Literal["data", "detect"] = "data",
    skip_damaged: bool = False,
    rank_device: str | None = None,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    no_cache: bool = False,
    shards: int | None = None,
    half: bool = False,
    allow_missing: bool = False,
    engine: Literal["here", "ray"] = "here",
    address: str | None = None,
    workers: int | None = None,
    gpus: float = 0,
    progress: Progress = silent,
    **options: Unpack[ModelOptions],
) -> Result:
    """Measure a model on a task, as `panglot run` does; nothing is written until the result is saved.

    The options have the names and defaults of the command line. Vectors are cached and reused, except those of an
    object whose card does not pin a revision.

    :param model: a name as `panglot models` lists them, or any object with `encode(texts, role) -> vectors [texts,
        dimension]`; `role` is `query` or `passage`. Its `card`, a `ModelCard`, is recorded if present.
    :param task: a name as `panglot tasks` lists them, the path of a folder or a TOML file, or a `Task`.
    :param languages: codes such as `["de", "en"]`; all languages by default.
    :param dims: also score vectors truncated to these dimensions; `quantise`: also score quantised vectors.
    :param debias: `centre`, `project:R`, `lir:R` or `shift:LANG`: remove language information from the vectors.
    :param rank_device: the device that compares vectors, such as `cuda:0`; by default the model's GPU, else `cpu`.
    :param data_dir: the folder of data sets; by default PANGLOT_DATA, else a download.
    :param progress: called with a label and a total for each stage; see `panglot.progress.Progress`.
    :param options: how the model is loaded, as in `load_model`; see `panglot.api.ModelOptions`.
    :raises UnknownName: unknown model, task, language, method or option.
    :raises MissingData: the data is not on this machine and cannot be fetched.
    :raises BadData: the data is damaged or does not match the task.
    :raises BadEncoder: the model cannot be loaded, does not support an option, or returns invalid vectors.
    :raises MissingExtra: a required library is not installed.
    """
    checked = _options(options)
    found = load_task(task)
    points = curve_points(dims, quantise)
    remedy = Debias.parse(debias, str(debias_fit), debias_language == "detect") if debias else None
    loaded = _as_model(model, checked)
    with TemporaryDirectory() as own:
        forget = not isinstance(model, str | Path) and bool(find_unpinned(loaded))
        folder = Path(own) if forget else _path(cache)
        divided = (shards, half, allow_missing, engine, address, workers, gpus)
        measurement = Measurement(
            languages=_listed(languages),
            cache=VectorCache(Path(own)) if forget else open_cache(folder, no_cache),
            curve=points,
            skip_damaged=skip_damaged,
            debias=remedy,
            rank_device=rank_device,
            stream_options=partial(stream_options, partial(_as_model, model, checked), folder, *divided),
        )
        with data_from(_path(data_dir)):
            return measurement.run(found, loaded, progress)


def load_model(name: str | Path, **options: Unpack[ModelOptions]) -> Model:
    """Load a model by name, with the options of the command line. It has a `card`, and most models have `encode`.

    :param name: as `panglot models` lists them, or the path of a folder.
    :param options: `query_prompt`, `passage_prompt`, `precision`, `backend`, `truncate_dim`, `max_length`, `device`,
        `batch_tokens`, `trust_remote_code`, `budget`, `texts_per_request`; see `panglot.api.ModelOptions`.
    :raises UnknownName: unknown model or option.
    :raises BadEncoder: the model cannot be loaded or does not support an option.
    :raises MissingExtra: a required library is not installed.
    """
    return load_by_name(str(name), _options(options))


def load_task(task: str | Path | Task) -> Task:
    """Load a task by name, or from a folder or TOML file; its data is not read yet.

    Warnings about your own data are in the task's `remarks`.

    :raises UnknownName: unknown task; the message suggests similar names.
    :raises BadData: the file or folder is not a valid task.
    :raises PanglotError: the name matches several tasks.
    """
    if isinstance(task, Task):
        return task
    return resolve_task(str(task))


def load_pool(
    task: str | Path | Task, *, languages: str | Sequence[str] = (), data_dir: str | Path | None = None
) -> Pool:
    """Read the queries, candidates and judgements of a task, in all or some languages; fetch them if necessary.

    :raises UnknownName: unknown task or language.
    :raises MissingData: the data is not on this machine and cannot be fetched.
    :raises BadData: the data is damaged or does not match the task.
    """
    with data_from(_path(data_dir)):
        return read_pool(load_task(task), _listed(languages))


def compare(
    one: Result | str | Path,
    other: Result | str | Path,
    *,
    metric: str | None = None,
    setting: Setting | None = None,
    language: str | None = None,
) -> Comparison:
    """Test whether and where two models differ on a task, by paired permutation tests over clusters of questions.

    Differences are B − A, the second minus the first, in the units of the metric.

    :param one: a result, or the path of a result file.
    :param metric: such as `ndcg@10`; the task's headline metric by default.
    :param setting: test this setting only; `language`: queries in this language only. Holm's correction covers what is
        tested.
    :raises UnknownName: unknown metric, setting or language.
    :raises BadResult: the results are on different content, or evidence is missing or does not match its result.
    """
    return compare_results(_as_result(one), _as_result(other), metric).only(setting, language)


def rank(
    results: Iterable[Result] | Iterable[str | Path] | str | Path,
    *,
    task: str | None = None,
    setting: Setting | Literal["balance"] | None = None,
    metric: str | None = None,
) -> Standings:
    """Rank models on one task, best first, with 95 % intervals of their ranks and letters.

    Two models share a letter if and only if they do not differ significantly.

    :param results: results, or paths of result files or of folders that hold them, such as `submissions`.
    :param setting: `multi` by default, or `mono` for a task without a pool of all languages.
    :raises UnknownName: no result on that task, or unknown setting or metric.
    :raises BadResult: the results are on several tasks and `task` is not given, or no result can be ranked.
    """
    listed = [results] if isinstance(results, str | Path) else list(results)
    paths = [Path(each) for each in listed if not isinstance(each, Result)]
    if paths and len(paths) == len(listed):
        return rank_files(paths, task, setting, metric)
    return rank_results([_as_result(each) for each in listed], task, setting, metric)


def _as_model(model: str | Path | Model | Encodes, options: Options) -> Model:
    """Load the named model, or adapt an object.

    :raises BadEncoder: options are given with an object, or the object has no `encode`.
    """
    if isinstance(model, str | Path):
        return load_by_name(str(model), options)
    if changed := options.changed():
        raise BadEncoder(
            f"{changed[0]} applies to models that are loaded by name. "
            f"Set it on the {type(model).__name__} object instead."
        )
    return as_model(model)


def _options(given: ModelOptions) -> Options:
    """Check the options of a model.

    :raises UnknownName: there is no such option; the message suggests the nearest.
    :raises BadEncoder: an option has an invalid type or value.
    """
    for name in given:
        if name not in OPTIONS:
            raise UnknownName("option", name, OPTIONS)
    try:
        return TypeAdapter(Options).validate_python(given)
    except ValidationError as error:
        raise BadEncoder(f"Invalid model option. {first_fault(error)}.") from error


def _as_result(result: Result | str | Path) -> Result:
    return result if isinstance(result, Result) else read_result(result)


def _listed(names: str | Sequence[str]) -> list[str]:
    """Names from a list, or from a comma-separated string as on the command line."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
