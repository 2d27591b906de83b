"""`sparse:NAME` or a folder: learned sparse retrieval, with a weight per vocabulary entry (SPLADE, 2107.05720)."""

from __future__ import annotations

from typing import Any

import numpy as np

from panglot.arrays import Floats, lengths, to_unit_length
from panglot.data.pool import Items, Pool
from panglot.encode.budget import START, TokenBudget
from panglot.encode.card import Role
from panglot.encode.checkpoints.devices import BYTES_PER_UNIT, first_budget
from panglot.encode.kinds.encoder_classes import TextEncoder, card, open_model, stated_kind
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require
from panglot.progress import Progress
from panglot.retrieve.similarity import ScoreBlocks

MOST_TEXTS = 64
"""Texts in a batch: with a vocabulary of 250,000 entries their dense form takes 64 MB."""

MOST_WEIGHTS = 1 << 28
"""Weights of all tokens in a batch on a CPU: 1 GiB, and as much again while they are pooled."""

BYTES_PER_WEIGHT = 16
"""Estimated bytes that each weight of a token takes on a GPU."""

Csr = Any
"""A `scipy.sparse.csr_array`; scipy is a dependency of sentence-transformers, not of Panglot's core."""


def load(name: str, options: Options) -> SparseModel:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: the model does not exist, or is of another kind.
    """
    require("sentence_transformers", "st", f"The model sparse:{name}")
    kind, architectures = stated_kind("sparse", name)
    if kind != "SparseEncoder" and (kind or not any(one.endswith("ForMaskedLM") for one in architectures)):
        raise BadEncoder(
            f"sparse:{name} is a {kind or 'bare encoder'}, not a learned sparse model. Expected a SparseEncoder of "
            f"sentence-transformers, or a masked language model. Try st:{name}."
        )
    opened = open_model("SparseEncoder", name, options, options.max_length)
    model, similarity = opened.model, str(opened.model.similarity_fn_name)
    if similarity not in ("dot", "cosine"):
        raise BadEncoder(f"sparse:{name} uses the similarity {similarity}. Expected dot or cosine.")
    facts = card(name, opened, "cosine" if similarity == "cosine" else "dot")
    words = model.encode_document("a", convert_to_sparse_tensor=False, show_progress_bar=False).shape[-1]
    budget = _budget(model, str(model.device), words, options.batch_tokens)
    return SparseModel(name, model, facts.model_copy(update={"dimension": words}), budget, MOST_TEXTS)


def _budget(model: Any, device: str, words: int, fixed: int | None) -> TokenBudget:
    """Return the budget of a model that gives each token a weight for each word, before it pools them."""
    if device.startswith("cuda"):
        most = first_budget(model, [device], words * BYTES_PER_WEIGHT // BYTES_PER_UNIT)
        return TokenBudget(most, fixed, most)
    most = max(1, MOST_WEIGHTS // words)
    return TokenBudget(min(START, most), fixed, most)


class SparseModel(TextEncoder):
    """A scorer with sparse vectors."""

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Encode queries and candidates and return their scores.

        :raises BadEncoder: a weight is NaN, infinite or too large.
        """
        queries = self._encode(pool.queries, "query", "encoding queries", progress)
        candidates = self._encode(pool.candidates, "passage", "encoding candidates", progress)
        return SparseScores(queries, candidates)

    def _encode(self, items: Items, role: Role, label: str, progress: Progress) -> Csr:
        """Return weights [items, vocabulary], float32; normalised to unit length for cosine similarity."""
        from scipy.sparse import csr_array, vstack

        encode = self._model.encode_query if role == "query" else self._model.encode_document
        settings = {"show_progress_bar": False, "convert_to_sparse_tensor": False, "save_to_cpu": True}

        def rows(texts: list[str]) -> list[Csr]:
            dense = encode(texts, batch_size=len(texts), **settings)
            weights: Floats = dense.float().numpy()
            bad = ~np.isfinite(weights).all(axis=1)
            if self.card.similarity == "dot":
                bad |= ~np.isfinite(lengths(weights))
            if bad.any():
                text = texts[int(np.argmax(bad))]
                raise BadEncoder(f"{self.card.name} returned NaN, infinite or too large weights for {text!r}.")
            if self.card.similarity == "cosine":
                to_unit_length(weights)
            return [csr_array(weight[None]) for weight in weights]

        return vstack(self._encode_items(items, role, rows, label, progress), format="csr")


class SparseScores:
    """Dot products of sparse vectors: `queries` [queries, vocabulary] with `candidates` [candidates, vocabulary], CSR.

    A score is summed in the order of the query's words, so equal candidates score equally at any position.
    """

    def __init__(self, queries: Csr, candidates: Csr) -> None:
        self._queries = queries
        self._candidates = candidates.T.tocsr()

    def block(self, start: int, stop: int) -> Floats:
        """Return dense scores [stop - start, candidates], float32."""
        product: Floats = (self._queries[start:stop] @ self._candidates).toarray()
        return product.astype(np.float32, copy=False)
