"""`late:name` or a folder: late interaction, a vector for each token, compared by MaxSim (ColBERT, 2004.12832)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from panglot.arrays import Floats, lengths
from panglot.data.pool import Items, Pool
from panglot.encode.checkpoints.precision import computed_options
from panglot.encode.checkpoints.tokens import check_length, reader
from panglot.encode.kinds.encoder_classes import BATCH, card, encode_distinct, open_model, stated_kind
from panglot.encode.model import ModelCard, Options
from panglot.errors import BadEncoder, require
from panglot.progress import Progress
from panglot.retrieve.similarity import ScoreBlocks

CHUNK = 256
"""Texts encoded at once."""

TILE = 1_000_000
"""Similarities of a query's token and a candidate's token held at once (4 MB): they stay in the processor's cache."""

GROUP = 64
"""Most queries in a tile."""


def load(name: str, options: Options) -> LateModel:
    """Load from a folder or from the Hub: models that sentence-transformers, PyLate or Stanford's ColBERT saved.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: there is no such model, or it has no trained token vectors.
    """
    require("sentence_transformers", "st", f"The model late:{name}")
    kind, architectures = stated_kind("late", name)
    native = any(one == "HF_ColBERT" or one.endswith("ForRetrieval") for one in architectures)
    if kind not in ("MultiVectorEncoder", "ColBERT") and not native:
        raise BadEncoder(
            f"late:{name} is no late interaction model but a {kind or 'bare encoder'}: its token vectors would come "
            f"from random weights. Expected a MultiVectorEncoder, PyLate or ColBERT model. Try st:{name}."
        )
    options = computed_options(options)
    opened = open_model("MultiVectorEncoder", name, options, None)
    passages = reader(name, opened.model, "passage")
    if options.max_length is not None:
        check_length(name, [passages], options.max_length)
        passages.document_length = options.max_length
    return LateModel(opened.model, card(name, opened, options, "late interaction"))


class LateModel:
    """A scorer with a vector for each token, kept in float32 so that scores are those of the model's own vectors."""

    def __init__(self, model: Any, card: ModelCard) -> None:
        self._model = model
        self.card = card

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Encode both sides.

        :raises BadEncoder: a text without token vectors, or with one that is no number.
        """
        queries = self._encode(pool.queries, self._model.encode_query, "encoding queries", progress)
        candidates = self._encode(pool.candidates, self._model.encode_document, "encoding candidates", progress)
        if self._model.similarity_fn_name == "meanmaxsim":
            queries = [query / np.float32(len(query)) for query in queries]
        return LateScores(queries, candidates, str(self._model.device))

    def _encode(self, items: Items, encode: Callable[..., Any], label: str, progress: Progress) -> list[Floats]:
        """Token vectors [tokens, dimension] of each item, float32."""

        def vectors(texts: list[str]) -> list[Floats]:
            made = encode(texts, batch_size=BATCH, show_progress_bar=False)
            found: list[Floats] = [tokens.float().cpu().numpy() for tokens in made]
            for text, tokens in zip(texts, found, strict=True):
                if not (len(tokens) and np.isfinite(lengths(tokens)).all()):
                    raise BadEncoder(
                        f"{self.card.name} returned no token vectors, or NaN, infinity or too large ones, for {text!r}."
                    )
            return found

        return encode_distinct(items, vectors, CHUNK, label, progress)


class LateScores:
    """MaxSim of `queries` with `candidates`, each a list of token vectors [tokens, dimension].

    The sum over the query's tokens of the largest product with any of the candidate's: exact, float32. Beside the token
    vectors and two copies of its block it holds one tile of at most `tile` similarities, or those of one query and one
    candidate where they are more. Candidates whose vectors are equal to the byte share one column's scores.
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
        """Token vectors [candidates, tokens, dimension], the different candidates of each length together."""

    def block(self, start: int, stop: int) -> Floats:
        """MaxSim of a block of queries with all candidates."""
        longest = max(len(query) for query in self._queries[start:stop])
        pair = longest * self._candidates[-1].shape[1]
        group = min(GROUP, max(1, self._tile // pair))
        scores = np.empty((stop - start, self._different), np.float32)
        for first in range(start, stop, group):
            last = min(first + group, stop)
            scores[first - start : last - start] = self._group(first, last)
        return scores[:, self._row]

    def _group(self, start: int, stop: int) -> Floats:
        """MaxSim [queries, different candidates]; a shorter query is filled up with zeros, which add nothing."""
        import torch

        tokens = max(len(query) for query in self._queries[start:stop])
        filled = np.zeros((stop - start, tokens, self._queries[start].shape[1]), np.float32)
        for row, query in enumerate(self._queries[start:stop]):
            filled[row, : len(query)] = query
        asked = torch.from_numpy(filled.reshape(-1, filled.shape[2])).to(self._device)
        found = torch.empty((stop - start, self._different), device=self._device)
        place = 0
        for alike in self._candidates:
            for offered in alike.split(max(1, self._tile // (len(asked) * alike.shape[1]))):
                products = offered.reshape(-1, offered.shape[2]) @ asked.T
                largest = products.view(len(offered), -1, len(asked)).amax(dim=1)
                found[:, place : place + len(offered)] = largest.view(len(offered), -1, tokens).sum(dim=2).T
                place += len(offered)
        scores: Floats = found.cpu().numpy()
        return scores
