"""Evaluate a model on a task in memory: pool → scores → evidence → result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast, get_args

from panglot.arrays import Floats
from panglot.data.damage import without_damaged
from panglot.data.image import IMAGES
from panglot.data.load import read_pool
from panglot.data.pool import Items, Pool
from panglot.data.task import Task
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.model import CountsTokens, Model, Scorer, cut_at, sees_images
from panglot.encode.scoring import Scored, reduced, score_pool
from panglot.encode.tokenization import Reading, reading_by_language
from panglot.encode.vectors import Read, read_items
from panglot.errors import BadEncoder
from panglot.evaluate.provenance import provenance, timed
from panglot.plain import is_blank
from panglot.progress import Progress, silent
from panglot.remedies.debiased import Debias
from panglot.results.naming import stem_of
from panglot.results.no_answer import no_answer_record
from panglot.results.result import Result
from panglot.results.result_record import CurvePoint, ResultRecord, VectorForm, record_task
from panglot.results.run_record import EncodingRecord
from panglot.results.shape import CURVE_BIAS
from panglot.retrieve.ranking import best_scores, collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.metrics import parse_metric
from panglot.score.summary import score_evidence

FORMS: tuple[VectorForm, ...] = get_args(VectorForm)


def run(
    task: Task,
    model: Model,
    languages: Sequence[str] = (),
    cache: VectorCache | None = None,
    curve: Sequence[tuple[int, str]] = (),
    skip_damaged: bool = False,
    progress: Progress = silent,
    debias: Debias | None = None,
    rank_device: str | None = None,
) -> Result:
    """Evaluate one model on one task, in all or some of its languages.

    :param curve: (dimension, form) pairs (`FORMS`) to which the vectors are also reduced and scored, without encoding
        again.
    :param skip_damaged: omit damaged images and captions; the result records how many.
    :param debias: remove language from the vectors; the result then belongs to another configuration of the model.
    :param rank_device: the device of torch that compares vectors; None for the processor.
    :raises UnknownName: the task does not have one of the languages, or its headline metric does not exist.
    :raises BadEncoder: the model cannot encode the task's images, or does not return valid vectors.
    :raises MissingData: the task's data is missing and cannot be downloaded.
    :raises BadData: the data is damaged.
    """
    if task.has_images and not sees_images(model):
        raise BadEncoder(f"{model.card.name} encodes only text, but {task.name} has images.")
    parse_metric(task.headline)  # report an unknown metric before encoding anything
    seconds: dict[str, float] = {}
    with timed(seconds, "read"):
        pool, damaged = without_damaged(read_pool(task, languages, progress), skip_damaged)
    sizes = (len(pool.queries), len(pool.candidates))
    record = record_task(task, pool.fingerprint, pool.languages, *sizes)
    with timed(seconds, "encode"):
        score = debias.score_pool if debias else score_pool
        scored = score(model, pool, cache, progress)
    with timed(seconds, "rank"):
        device = rank_device if isinstance(scored.scores, DenseScores) else None
        evidence = collect_evidence(pool, scored.scores, progress=progress, device=device)
    no_answer = None
    if len(pool.unanswered):
        with timed(seconds, "unanswered"):
            asked = pool.of_unanswered()
            best = best_scores(asked, score(model, asked, cache, progress).scores)
        no_answer = no_answer_record(pool, evidence, best)
    with timed(seconds, "score"):
        derived = score_evidence(evidence, task.headline)
    points = _curve(task, pool, scored, model.card.similarity, curve, device)
    stem = stem_of(task, pool.languages)
    encoding = _encoding(model, pool, scored, seconds["encode"])
    run_record = provenance(model, seconds, encoding, damaged, device, evidence.close)
    card = debias.card(model.card) if debias else model.card
    found = ResultRecord.of(record, card, derived, points, run_record)
    return Result(found.model_copy(update={"no_answer": no_answer}), evidence, stem, remarks=tuple(_remarks(pool)))


def _remarks(pool: Pool) -> Iterator[str]:
    """Say how many texts are empty: they are ranked like all others, and mean nothing."""
    for name, items in (("queries", pool.queries), ("candidates", pool.candidates)):
        blank = [place for place, text in enumerate(items.texts) if is_blank(text) and place not in items.images]
        if blank:
            yield f"{name} without text: {len(blank):,} of {len(items):,}, the first '{items.ids[blank[0]]}'."


def _curve(
    task: Task,
    pool: Pool,
    scored: Scored,
    similarity: str,
    curve: Sequence[tuple[int, str]],
    device: str | None,
) -> list[CurvePoint]:
    """The headline scores of the same vectors in fewer dimensions or bits.

    :raises BadEncoder: the model does not make vectors, or they have fewer dimensions.
    """
    if scored.queries is None or scored.candidates is None:
        points_of(curve, 0)
        return []
    whole = [scored.queries.vectors, scored.candidates.vectors]
    points = points_of(curve, whole[0].shape[1])
    return [_curve_point(task, pool, reduced(whole, *point, similarity), *point, device) for point in points]


def points_of(curve: Sequence[tuple[int, str]], available: int) -> list[tuple[int, str]]:
    """The points of a curve for vectors with `available` dimensions, 0 without vectors, each once; 0 means all of them.

    :raises BadEncoder: the model does not make vectors, or they have fewer dimensions.
    """
    points = list(dict.fromkeys((dimension or available, form) for dimension, form in curve))
    if points and not available:
        raise BadEncoder("Only models that make vectors can be scored in fewer dimensions or bits.")
    largest = max((dimension for dimension, _ in points), default=0)
    if largest > available:
        raise BadEncoder(f"The model's vectors have {available} dimensions, fewer than the requested {largest}.")
    return points


def _curve_point(
    task: Task, pool: Pool, vectors: Sequence[Floats], dimension: int, form: str, device: str | None
) -> CurvePoint:
    evidence = collect_evidence(pool, DenseScores(*vectors), device=device)
    scores = score_evidence(evidence, task.headline, [task.headline], draws=2)
    values = {setting: by_metric[task.headline].value for setting, by_metric in scores.settings.items()}
    if CURVE_BIAS in scores.bias:
        values[CURVE_BIAS] = scores.bias[CURVE_BIAS].value
    return CurvePoint(dimension=dimension, form=cast("VectorForm", form), scores=values)


def _encoding(model: Model, pool: Pool, scored: Scored, seconds: float) -> EncodingRecord | None:
    """Tokenization statistics and encoding speed; None for models that encode no texts."""
    queries: Read | None = scored.queries
    candidates: Read | None = scored.candidates
    if isinstance(model, Scorer) and isinstance(model, CountsTokens):
        queries, candidates = read_items(model, pool.queries, "query"), read_items(model, pool.candidates, "passage")
    if queries is None or candidates is None:
        return None
    fresh = queries.fresh + candidates.fresh

    def reading(read: Read, items: Items, role: Role) -> dict[str, dict[Reading, float]]:
        found = reading_by_language(read.tokens, items, pool.languages, cut_at(model, role))
        return {language: facts for language, facts in found.items() if language != IMAGES}

    return EncodingRecord(
        texts=queries.texts + candidates.texts,
        fresh=fresh,
        texts_per_second=round(fresh / seconds, 2) if fresh and seconds else None,
        queries=reading(queries, pool.queries, "query"),
        candidates=reading(candidates, pool.candidates, "query" if pool.has_images else "passage"),
    )
