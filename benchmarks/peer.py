"""The peer: mteb's own evaluation of the same language pairs, as one multilingual retrieval task.

Nothing is made dearer for it: its data is in memory before the clock starts, it gets all texts of a data loader in one
call of the encoder, and it shows no progress bars and writes no results.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import datasets
import mteb
import numpy as np
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol, ModelMeta
from mteb.models.abs_encoder import AbsEncoder

from benchmarks.meter import Meter
from panglot.arrays import Floats
from panglot.data.pool import Items, Pool
from panglot.encode.model import Encoder
from panglot.languages import alpha3_with_script

SPLIT = "test"

datasets.disable_progress_bars()


class MeteredEncoder(AbsEncoder):
    """An encoder of ours as mteb asks for it; outer white space is stripped, as we do."""

    def __init__(self, encoder: Encoder) -> None:
        self.mteb_model_meta = ModelMeta.create_empty({"name": f"panglot/{encoder.card.name}", "revision": "local"})
        self.texts = 0
        self.encoding = Meter(encoder.encode)

    def encode(self, inputs: Any, **_: Any) -> Floats:
        """Vectors [texts, dimension] of all texts of a data loader."""
        texts = [text.strip() for batch in inputs for text in batch["text"]]
        self.texts += len(texts)
        return self.encoding(texts, "passage")


def pairs_task(pool: Pool) -> AbsTaskRetrieval:
    """A task with one subset for every ordered pair of the pool's languages."""
    queries, candidates = _by_language(pool, pool.queries), _by_language(pool, pool.candidates)
    names = {f"{one}-{other}": (one, other) for one in pool.languages for other in pool.languages}
    relevant: dict[str, dict[str, dict[str, int]]] = {name: defaultdict(dict) for name in names}
    for query, candidate in zip(pool.query.tolist(), pool.candidate.tolist(), strict=True):
        one, other = pool.queries.language[query], pool.candidates.language[candidate]
        name = f"{pool.languages[one]}-{pool.languages[other]}"
        relevant[name][pool.queries.ids[query]][pool.candidates.ids[candidate]] = 1

    class Pairs(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="PanglotPairs",
            description="Every query language against every candidate language.",
            type="Retrieval",
            category="t2t",
            dataset={"path": "local", "revision": "local"},
            eval_splits=[SPLIT],
            eval_langs={name: [alpha3_with_script(language) for language in pair] for name, pair in names.items()},
            main_score="ndcg_at_10",
        )

    task = Pairs()
    task.dataset = {
        name: {
            SPLIT: RetrievalSplitData(
                queries=queries[one], corpus=candidates[other], relevant_docs=dict(relevant[name]), top_ranked=None
            )
        }
        for name, (one, other) in names.items()
    }
    task.data_loaded = True
    return task


def evaluate(model: EncoderProtocol, task: AbsTaskRetrieval) -> dict[str, dict[str, float]]:
    """All numbers that mteb gives for each pair, by the name of the subset; `main_score` repeats one of them."""
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    return {
        row["hf_subset"]: {
            name: value for name, value in row.items() if isinstance(value, int | float) and name != "main_score"
        }
        for row in result.task_results[0].scores[SPLIT]
    }


def _by_language(pool: Pool, items: Items) -> dict[str, datasets.Dataset]:
    parts = {}
    for place, language in enumerate(pool.languages):
        chosen = np.flatnonzero(items.language == place).tolist()
        parts[language] = datasets.Dataset.from_dict(
            {"id": [items.ids[index] for index in chosen], "text": [items.texts[index] for index in chosen]}
        )
    return parts
