"""Evaluate a model on a streamed corpus: questions → survey → shards → evidence → result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from panglot.arrays import Floats, read_arrays, write_arrays
from panglot.data.corpus import Corpus, Passage, Questions, StreamedTask, Survey, judged_pool, survey
from panglot.data.pool import Items, Pool
from panglot.encode.cache import PROCESS, VectorCache, forget_at_exit
from panglot.encode.model import Composite, Encoder, Model, Scorer
from panglot.encode.vectors import check_dimensions, encode_items, encode_texts
from panglot.errors import BadData, BadEncoder
from panglot.evaluate.provenance import provenance, timed
from panglot.evaluate.shards.checkpoint import Checkpoint
from panglot.evaluate.shards.counting import ShardCounter
from panglot.evaluate.shards.gathering import together
from panglot.evaluate.shards.streaming import Shard, ShardVectors, shards_of, stream
from panglot.files import write_whole
from panglot.progress import Progress, silent
from panglot.results.naming import stem_of
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord, record_task
from panglot.retrieve.evidence import Evidence
from panglot.score.metrics import parse_metric
from panglot.score.summary import score_evidence

if TYPE_CHECKING:
    from panglot.evaluate.shards.cluster import Cluster


@dataclass(frozen=True)
class EncodedShards:
    """Encodes shards, or reads their vectors from `folder` if a run stored them; `half` stores float16."""

    encoder: Encoder
    folder: Path | None = None
    half: bool = False

    def __call__(self, passages: Sequence[Passage], language: str) -> Floats:
        """Vectors [passages, dim] as float32, rounded the same whether read from the folder or newly encoded."""
        path = self._path(passages)
        vectors = _read(path)
        if vectors is None:
            ids, texts = zip(*passages, strict=True)
            items = Items(ids, texts, np.zeros(len(ids), np.int16))
            vectors = self.rounded(encode_texts(self.encoder, items, language, "passage"))
            _write(path, vectors.astype(np.float16) if self.half else vectors)
        return vectors.astype(np.float32)

    def rounded(self, vectors: Floats) -> Floats:
        """The vectors [items, dim] rounded to the stored precision, as float32."""
        return vectors.astype(np.float16).astype(np.float32) if self.half else vectors

    def _path(self, passages: Sequence[Passage]) -> Path | None:
        if not self.folder:
            return None
        texts = hashlib.blake2b(digest_size=20)
        for passage in passages:
            texts.update(f"{passage.text}\0".encode())
        return self.folder / f"{texts.hexdigest()}.{'fp16' if self.half else 'fp32'}.npz"


def _read(path: Path | None) -> Floats | None:
    """Stored vectors of a shard; None if there is no file or it is damaged."""
    try:
        if path:
            return read_arrays(path.read_bytes(), "vectors")[0]
    except (OSError, ValueError):
        pass
    return None


def _write(path: Path | None, vectors: Floats) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, partial(write_arrays, vectors=vectors))


class StreamOptions(NamedTuple):
    """Options of a streamed evaluation.

    `checkpoints` is the folder of the checkpoint files; `shards` is the number of shards of each language; `half`
    stores vectors as float16; `load` loads the model in each worker of `cluster`; `rank_device` is the device of torch
    that ranks, if it is not the processor.
    """

    checkpoints: Path
    shards: int | None = None
    half: bool = False
    allow_missing: bool = False
    cluster: Cluster | None = None
    load: Callable[[], Any] | None = None
    rank_device: str | None = None


def run_streamed(
    task: StreamedTask,
    model: Model,
    options: StreamOptions,
    languages: Sequence[str] = (),
    cache: VectorCache | None = None,
    progress: Progress = silent,
) -> Result:
    """Evaluate one model on one streamed task, in all or some of its languages.

    :raises UnknownName: the task does not have one of the languages, or its headline metric does not exist.
    :raises BadEncoder: the model does not produce vectors.
    :raises MissingData: the task's data is missing and cannot be downloaded.
    :raises BadData: the data or a checkpoint is damaged, or the checkpoint belongs to another run.
    """
    if isinstance(model, Scorer | Composite):
        raise BadEncoder(f"{model.card.name} does not produce vectors, which the streamed task {task.name} needs.")
    parse_metric(task.headline)  # report an unknown metric before encoding anything
    chosen = task.choose(languages)
    seconds: dict[str, float] = {}
    with timed(seconds, "read"):
        questions = task.questions(task, chosen)
        corpus = task.corpus(task, chosen, progress)
    parts, pools, surveys = [], [], []
    for language in chosen:
        own = _in_language(questions, language)
        with timed(seconds, f"survey {language}"):
            found = survey(corpus, language, {judgement.candidate for judgement in own.judgements}, progress)
        _check_size(task, language, found.size, options.allow_missing)
        pools.append(judged_pool(own, [language], found.found, options.allow_missing))
        surveys.append(found)
        with timed(seconds, f"stream {language}"):
            parts.append(_language(task, model, options, pools[-1], found, corpus, cache, progress))
    evidence = together(parts)
    with timed(seconds, "score"):
        derived = score_evidence(evidence, task.headline)
    size = sum(found.size for found in surveys)
    record = record_task(task, _fingerprint(pools, surveys), chosen, evidence.queries, size)
    stem = stem_of(task, chosen)
    run_record = provenance(model, seconds, rank_device=options.rank_device, close=evidence.close)
    return Result(ResultRecord.of(record, model.card, derived, [], run_record), evidence, stem)


def _check_size(task: StreamedTask, language: str, size: int, allow_missing: bool) -> None:
    expected = task.sizes[language].candidates
    if size != expected and not allow_missing:
        raise BadData(
            f"{task.name}, {language}: the corpus has {size:,} passages instead of {expected:,}. Fetch it again, or "
            "use --allow-missing to score it as it is; such scores are not comparable with other results."
        )


def _in_language(questions: Questions, language: str) -> Questions:
    """The queries in one language and their judgements."""
    queries = [query for query in questions.queries if query.language == language]
    ids = {query.id for query in queries}
    return Questions(queries, [judgement for judgement in questions.judgements if judgement.query in ids])


def _language(
    task: StreamedTask,
    model: Encoder,
    options: StreamOptions,
    pool: Pool,
    found: Survey,
    corpus: Corpus,
    cache: VectorCache | None,
    progress: Progress,
) -> Evidence:
    """The evidence of one language."""
    (language,) = pool.languages
    shelf = cache.shelf(model.card, "passage") if cache else None
    folder = shelf.folder.parent / "streamed" / shelf.folder.name if shelf else None
    if folder and not model.card.pinned:
        forget_at_exit(folder)
    keep = EncodedShards(model, folder, options.half)
    queries = keep.rounded(encode_items(model, pool, "query", cache, progress).vectors)
    judged = keep.rounded(encode_items(model, pool, "passage", cache, progress).vectors)
    check_dimensions(model.card.name, queries=queries, passages=judged)
    counter = ShardCounter(pool, queries, judged, options.rank_device)
    shards = shards_of(language, found.size, options.shards)
    facts = (_fingerprint([pool], [found]), model.card.model_dump_json(), repr(shards), repr(options.half))
    state = model.card.model_dump_json() + ("" if model.card.pinned else PROCESS)
    name = hashlib.sha256("\0".join((task.name, language, state)).encode()).hexdigest()[:16]
    checkpoint = Checkpoint(
        options.checkpoints / f"{task.name}.{language}.{name}.npz",
        hashlib.sha256("\0".join(facts).encode()).hexdigest(),
    )
    evidence = _count(options, counter, corpus, shards, keep, checkpoint, progress)
    checkpoint.path.unlink(missing_ok=True)
    return evidence


def _count(
    options: StreamOptions,
    counter: ShardCounter,
    corpus: Corpus,
    shards: Sequence[Shard],
    keep: EncodedShards,
    checkpoint: Checkpoint,
    progress: Progress,
) -> Evidence:
    if not options.cluster or not options.load:
        return stream(counter, corpus, shards, keep, checkpoint, progress)
    load = partial(_load, options.load, keep.folder, keep.half)
    return options.cluster.stream(counter, corpus, shards, load, checkpoint, progress)


def _load(load: Callable[[], Any], folder: Path | None, half: bool) -> ShardVectors:
    """Load the model in a worker, together with the folder of its vectors."""
    return EncodedShards(load(), folder, half)


def _fingerprint(pools: Sequence[Pool], surveys: Sequence[Survey]) -> str:
    """sha256 of the questions, their relevant passages and every passage of the corpora."""
    parts = [f"{pool.fingerprint} {found.size} {found.fingerprint}" for pool, found in zip(pools, surveys, strict=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
