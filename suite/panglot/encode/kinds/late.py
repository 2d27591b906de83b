"""`late:NAME` or a folder: late interaction, with one vector per token and MaxSim scores (ColBERT, 2004.12832)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from panglot.arrays import Floats, lengths
from panglot.data.pool import Items, Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.card import Role
from panglot.encode.checkpoints.devices import first_budget
from panglot.encode.checkpoints.tokens import check_length, reader
from panglot.encode.kinds.encoder_classes import TextEncoder, card, open_model, stated_kind
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require
from panglot.progress import Progress
from panglot.retrieve.device import product
from panglot.retrieve.similarity import ScoreBlocks

TILE = 1_000_000
"""Token similarities held at a time (4 MB), so that they stay in the CPU cache."""

GROUP = 64
"""Maximum number of queries in a tile."""


def load(name: str, options: Options) -> LateModel:
    """Load a model saved by sentence-transformers, PyLate or Stanford's ColBERT, from a folder or the Hub.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: the model does not exist, or has no trained token vectors.
    """
    require("sentence_transformers", "st", f"The model late:{name}")
    kind, architectures = stated_kind("late", name)
    native = any(one == "HF_ColBERT" or one.endswith("ForRetrieval") for one in architectures)
    if kind not in ("MultiVectorEncoder", "ColBERT") and not native:
        raise BadEncoder(
            f"late:{name} is a {kind or 'bare encoder'}, not a late interaction model; its token vectors would come "
            f"from random weights. Expected a MultiVectorEncoder, PyLate or ColBERT model. Try st:{name}."
        )
    opened = open_model("MultiVectorEncoder", name, options, None)
    passages = reader(name, opened.model, "passage")
    if options.max_length is not None:
        check_length(name, [passages], options.max_length)
        passages.document_length = options.max_length
    budget = TokenBudget(first_budget(opened.model, [str(opened.model.device)]), options.batch_tokens)
    return LateModel(name, opened.model, card(name, opened, "late interaction"), budget)


class LateModel(TextEncoder):
    """A scorer with one float32 vector per token."""

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Encode queries and candidates and return their scores.

        :raises BadEncoder: a text has no token vectors, or one with NaN, infinite or too large values.
        """
        queries = self._encode(pool.queries, "query", "encoding queries", progress)
        candidates = self._encode(pool.candidates, "passage", "encoding candidates", progress)
        if self._model.similarity_fn_name == "meanmaxsim":
            queries = [query / np.float32(len(query)) for query in queries]
        return LateScores(queries, candidates, self.device)

    def _encode(self, items: Items, role: Role, label: str, progress: Progress) -> list[Floats]:
        """Return the token vectors [tokens, dimension] of each item, float32."""
        encode = self._model.encode_query if role == "query" else self._model.encode_document

        def vectors(texts: list[str]) -> list[Floats]:
            made = encode(texts, batch_size=len(texts), show_progress_bar=False)
            found: list[Floats] = [tokens.float().cpu().numpy() for tokens in made]
            for text, tokens in zip(texts, found, strict=True):
                if not (len(tokens) and np.isfinite(lengths(tokens)).all()):
                    raise BadEncoder(
                        f"{self.card.name} returned no token vectors, or NaN, infinite or too large ones, for {text!r}."
                    )
            return found

        return self._encode_items(items, role, vectors, label, progress)


class LateScores:
    """MaxSim of `queries` with `candidates`, each a list of token vectors [tokens, dimension].

    The score is the sum over the query's tokens of the largest dot product with any token of the candidate: exact, in
    float32. Besides the token vectors and two copies of a block, memory holds one tile of at most `tile` similarities,
    or those of one query and one candidate if they are more. Candidates with byte-identical vectors share the scores of
    one column.
    """

    def __init__(
        self, queries: Sequence[Floats], candidates: Sequence[Floats], device: str = "cpu", tile: int = TILE
    ) -> None:
        import torch

        self._queries, self._device, self._tile = queries, device, tile
        seen: dict[bytes, int] = {}
        column = [
            seen.setdefault(hashlib.blake2b(one.tobytes()).digest(), index) for index, one in enumerate(candidates)
        ]
        order = sorted(set(column), key=lambda index: (len(candidates[index]), index))
        place = {index: row for row, index in enumerate(order)}
        self._different = len(order)
        self._row = np.array([place[index] for index in column])
        self._candidates = [
            torch.from_numpy(np.stack([candidates[index] for index in alike])).to(device)
            for _, alike in groupby(order, key=lambda index: len(candidates[index]))
        ]
        """Token vectors [candidates, tokens, dimension] of the distinct candidates, grouped by length."""

    def block(self, start: int, stop: int) -> Floats:
        """Return MaxSim scores [stop - start, candidates]."""
        longest = max(len(query) for query in self._queries[start:stop])
        pair = longest * self._candidates[-1].shape[1]
        group = min(GROUP, max(1, self._tile // pair))
        scores = np.empty((stop - start, self._different), np.float32)
        for first in range(start, stop, group):
            last = min(first + group, stop)
            scores[first - start : last - start] = self._group(first, last)
        return scores[:, self._row]

    def _group(self, start: int, stop: int) -> Floats:
        """Return MaxSim [queries, distinct candidates]; shorter queries are padded with zeros, which add nothing."""
        import torch

        tokens = max(len(query) for query in self._queries[start:stop])
        filled = np.zeros((stop - start, tokens, self._queries[start].shape[1]), np.float32)
        for row, query in enumerate(self._queries[start:stop]):
            filled[row, : len(query)] = query
        query_tokens = torch.from_numpy(filled.reshape(-1, filled.shape[2])).to(self._device)
        found = torch.empty((stop - start, self._different), device=self._device)
        place = 0
        for alike in self._candidates:
            for part in alike.split(max(1, self._tile // (len(query_tokens) * alike.shape[1]))):
                products = product(part.reshape(-1, part.shape[2]), query_tokens)
                largest = products.view(len(part), -1, len(query_tokens)).amax(dim=1)
                found[:, place : place + len(part)] = largest.view(len(part), -1, tokens).sum(dim=2).T
                place += len(part)
        scores: Floats = found.cpu().numpy()
        return scores
