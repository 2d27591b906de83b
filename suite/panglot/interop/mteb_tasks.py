"""The suite's tasks as tasks of mteb: `mteb.evaluate(model, panglot_tasks(panglot.data.catalogue.all_tasks()))`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from panglot.data.load import read_pool
from panglot.data.pool import Items, Pool
from panglot.data.task import Task
from panglot.errors import BadData, require
from panglot.interop.mteb_export import SPLIT, main_score, mteb_name, subset_languages, subset_name


def panglot_tasks(tasks: Iterable[Task], data_dir: Path | None = None) -> list[Any]:
    """Tasks of ours as `AbsTaskRetrieval`s of mteb 2; nothing is asked of the Hub.

    A task has a subset for each pair, `query language-candidate language`, and `multi-query language` for each
    language's queries against the pool of all. mteb encodes every subset by itself, so XQuAD-R takes it 130,000
    queries and 300,000 candidates; its `CachedEmbeddingWrapper` remembers them. Texts come without outer white space,
    as our own encoders get them. mteb breaks ties by id, where we count them against the encoder.

    :raises MissingExtra: mteb is not installed.
    :raises MissingData: the data of a task is not there and cannot be downloaded.
    :raises BadData: it is damaged, or of a kind that mteb has no form for: gains that are not whole numbers, images and
        texts in one pool, a candidate that is not offered to some query.
    """
    require("mteb", "mteb", "The bridge to mteb")
    return [_mteb_task(task, read_pool(task, (), data_dir)) for task in tasks]


def _mteb_task(task: Task, pool: Pool) -> Any:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    relevant = _relevant(task, pool)
    asked, offered = (_modality(task, items) for items in (pool.queries, pool.candidates))
    metadata = TaskMetadata(
        name=mteb_name(task.name),
        description=task.title,
        type="Retrieval",
        category=f"{asked[0]}2{offered[0]}",
        modalities=sorted({asked, offered}, reverse=True),
        dataset={"path": f"panglot/{task.name}", "revision": task.fingerprint},
        eval_splits=[SPLIT],
        eval_langs={subset_name(subset): subset_languages(subset, pool.languages) for subset in relevant},
        main_score=main_score(task.headline),
    )

    def load_data(self: Any, num_proc: int | None = None, **_: Any) -> None:
        """Take the data from the pool."""
        if not self.data_loaded:
            self.dataset = _splits(pool, relevant)
            self.data_loaded = True

    return type(metadata.name, (AbsTaskRetrieval,), {"metadata": metadata, "load_data": load_data})()


def _modality(task: Task, items: Items) -> str:
    if items.images and len(items.images) < len(items):
        raise BadData(f"{task.name} mixes images and texts in one pool. mteb has no tasks of that kind.")
    return "image" if items.images else "text"


def _relevant(task: Task, pool: Pool) -> dict[tuple[str, str | None], dict[str, dict[str, int]]]:
    """The judgements of every subset that has any."""
    if np.any(pool.gain % 1):
        raise BadData(f"{task.name} has gains that are not whole numbers; mteb takes no others.")
    if len(pool.left_out):
        raise BadData(f"{task.name} withholds candidates from some queries; mteb offers all candidates to every query.")
    found: dict[tuple[str, str | None], dict[str, dict[str, int]]] = {}
    for query, candidate, gain in zip(pool.query.tolist(), pool.candidate.tolist(), pool.gain.tolist(), strict=True):
        asked = pool.languages[pool.queries.language[query]]
        for offered in (pool.languages[pool.candidates.language[candidate]], None):
            judged = found.setdefault((asked, offered), defaultdict(dict))
            judged[pool.queries.ids[query]][pool.candidates.ids[candidate]] = int(gain)
    return found


def _splits(pool: Pool, relevant: dict[tuple[str, str | None], dict[str, dict[str, int]]]) -> dict[str, Any]:
    """The data of every subset; subsets share their tables."""
    queries, candidates = (
        {language: _table(items, place) for place, language in [*enumerate(pool.languages), (None, None)]}
        for items in (pool.queries, pool.candidates)
    )
    return {
        subset_name((asked, offered)): {
            SPLIT: {
                "queries": queries[asked],
                "corpus": candidates[offered],
                "relevant_docs": dict(judged),
                "top_ranked": None,
            }
        }
        for (asked, offered), judged in relevant.items()
    }


def _table(items: Items, place: int | None) -> Any:
    """The items of one language, or all: their ids, and a column that is named after their modality."""
    from datasets import Dataset, Image

    chosen = range(len(items)) if place is None else np.flatnonzero(items.language == place).tolist()
    ids = [items.ids[index] for index in chosen]
    if not items.images:
        return Dataset.from_dict({"id": ids, "text": [items.texts[index].strip() for index in chosen]})
    images = [{"bytes": items.images[index].read(), "path": None} for index in chosen]
    return Dataset.from_dict({"id": ids, "image": images}).cast_column("image", Image())
