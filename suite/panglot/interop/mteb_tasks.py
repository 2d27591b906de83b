"""Panglot's tasks as mteb tasks: `mteb.evaluate(model, panglot_tasks(panglot.data.catalogue.all_tasks()))`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from panglot.data.load import read_pool
from panglot.data.pool import Items, Pool
from panglot.data.task import Task
from panglot.errors import BadData, require
from panglot.interop.mteb_export import SPLIT, main_score, mteb_name, subset_languages, subset_name


def panglot_tasks(tasks: Iterable[Task]) -> list[Any]:
    """Panglot tasks as mteb 2 `AbsTaskRetrieval` objects, without access to the Hub.

    A task has a subset `QUERY-CANDIDATE` for each ordered pair of languages, and `multi-QUERY` for each language's
    queries against the pool of all. mteb encodes every subset separately: for XQuAD-R that is 130,000 queries and
    300,000 candidates. Its `CachedEmbeddingWrapper` avoids encoding a text twice. Texts are stripped of surrounding
    white space, as for Panglot's own encoders. mteb breaks ties by id; Panglot counts them against the encoder.

    :raises MissingExtra: mteb is not installed.
    :raises MissingData: the data of a task is missing and cannot be downloaded.
    :raises BadData: the data is damaged, or mteb cannot represent it: fractional gains, images and texts in one pool,
        or candidates that are excluded for some queries.
    """
    require("mteb", "mteb", "The bridge to mteb")
    return [_mteb_task(task, read_pool(task)) for task in tasks]


def _mteb_task(task: Task, pool: Pool) -> Any:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    relevant = _relevant(task, pool)
    query_kind, candidate_kind = (_modality(task, items) for items in (pool.queries, pool.candidates))
    metadata = TaskMetadata(
        name=mteb_name(task.name),
        description=task.title,
        type="Retrieval",
        category=f"{query_kind[0]}2{candidate_kind[0]}",
        modalities=sorted({query_kind, candidate_kind}, reverse=True),
        dataset={"path": f"panglot/{task.name}", "revision": task.fingerprint},
        eval_splits=[SPLIT],
        eval_langs={subset_name(subset): subset_languages(subset, pool.languages) for subset in relevant},
        main_score=main_score(task.headline),
    )

    def load_data(self: Any, num_proc: int | None = None, **_: Any) -> None:
        """Fill the dataset from the pool."""
        if not self.data_loaded:
            self.dataset = _splits(pool, relevant)
            self.data_loaded = True

    return type(metadata.name, (AbsTaskRetrieval,), {"metadata": metadata, "load_data": load_data})()


def _modality(task: Task, items: Items) -> str:
    if items.images and len(items.images) < len(items):
        raise BadData(f"{task.name} mixes images and texts in one pool, which mteb does not support.")
    return "image" if items.images else "text"


def _relevant(task: Task, pool: Pool) -> dict[tuple[str, str | None], dict[str, dict[str, int]]]:
    """The judgements of every subset that has any."""
    if np.any(pool.gain % 1):
        raise BadData(f"{task.name} has fractional gains, which mteb does not support.")
    if len(pool.excluded):
        raise BadData(f"{task.name} excludes candidates for some queries, which mteb does not support.")
    found: dict[tuple[str, str | None], dict[str, dict[str, int]]] = {}
    for query, candidate, gain in zip(pool.query.tolist(), pool.candidate.tolist(), pool.gain.tolist(), strict=True):
        query_language = pool.languages[pool.queries.language[query]]
        for candidate_language in (pool.languages[pool.candidates.language[candidate]], None):
            judged = found.setdefault((query_language, candidate_language), defaultdict(dict))
            judged[pool.queries.ids[query]][pool.candidates.ids[candidate]] = int(gain)
    return found


def _splits(pool: Pool, relevant: dict[tuple[str, str | None], dict[str, dict[str, int]]]) -> dict[str, Any]:
    """The data of every subset; subsets share their tables."""
    queries, candidates = (
        {language: _table(items, place) for place, language in [*enumerate(pool.languages), (None, None)]}
        for items in (pool.queries, pool.candidates)
    )
    return {
        subset_name((query_language, candidate_language)): {
            SPLIT: {
                "queries": queries[query_language],
                "corpus": candidates[candidate_language],
                "relevant_docs": dict(judged),
                "top_ranked": None,
            }
        }
        for (query_language, candidate_language), judged in relevant.items()
    }


def _table(items: Items, place: int | None) -> Any:
    """The items of one language or of all: their ids, and a `text` or `image` column."""
    from datasets import Dataset, Image

    chosen = range(len(items)) if place is None else np.flatnonzero(items.language == place).tolist()
    ids = [items.ids[index] for index in chosen]
    if not items.images:
        return Dataset.from_dict({"id": ids, "text": [items.texts[index].strip() for index in chosen]})
    images = [{"bytes": items.images[index].read(), "path": None} for index in chosen]
    return Dataset.from_dict({"id": ids, "image": images}).cast_column("image", Image())
