"""The peer: mteb's own evaluation of the same language pairs, as one multilingual retrieval task of its kind."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import datasets
import mteb
import numpy as np
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.models_protocols import EncoderProtocol
from mteb.results import TaskResult

from benchmarks.meter import Meter
from suite.arrays import Floats
from suite.encoder import Encoder
from suite.pool import Items, Pool

SPLIT = "test"
LANGUAGES = {
    "ar": "ara-Arab", "de": "deu-Latn", "el": "ell-Grek", "en": "eng-Latn", "es": "spa-Latn", "hi": "hin-Deva",
    "ru": "rus-Cyrl", "th": "tha-Thai", "tr": "tur-Latn", "vi": "vie-Latn", "zh": "zho-Hans",
}  # fmt: skip
"""What mteb calls the languages."""


class MeteredEncoder(AbsEncoder):
    """Panglot's encoder as mteb asks for it: same texts, white space stripped, all of a data loader in one call."""

    def __init__(self, encoder: Encoder) -> None:
        self.mteb_model_meta = ModelMeta.create_empty({"name": f"panglot/{encoder.card.name}", "revision": "1"})
        self.encode_texts = Meter(encoder.encode)
        self.texts = 0

    def encode(self, inputs: Any, **_: Any) -> Floats:
        """Vectors [texts, dimension] of all texts of a data loader."""
        texts = [text.strip() for batch in inputs for text in batch["text"]]
        self.texts += len(texts)
        return self.encode_texts(texts, "passage")


def pair_task(pool: Pool, names: Sequence[str]) -> AbsTaskRetrieval:
    """A task with a subset for every ordered pair of the pool's languages, its data in memory."""
    pairs = [(query, candidate) for query in pool.languages for candidate in pool.languages]

    class Pairs(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="PanglotPairs",
            description="Every query language against every candidate language.",
            type="Retrieval",
            category="t2t",
            dataset={"path": "local", "revision": "local"},
            eval_splits=[SPLIT],
            eval_langs={f"{query}-{candidate}": [LANGUAGES[query], LANGUAGES[candidate]] for query, candidate in pairs},
            main_score="ndcg_at_10",
        )
