"""`rrf:A+B`: reciprocal rank fusion of two or more models (Cormack, Clarke and Büttcher, SIGIR 2009)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.encode.model import Model, ScorePairs
from panglot.encode.options import Options
from panglot.encode.registry import find_kind
from panglot.errors import BadEncoder
from panglot.retrieve.similarity import ScoreBlocks

K = 60
"""The constant from the paper."""


def load(names: str, options: Options) -> FusedModel:
    """Load all members, each with its own default settings.

    :raises UnknownName: one of them is unknown; nothing was loaded or contacted.
    :raises BadEncoder: fewer than two models are given, or one of them cannot be loaded.
    """
    parts = [name.strip() for name in names.split("+")]
    if len(parts) < 2 or not all(parts):
        raise BadEncoder(f"'rrf:{names}' needs at least two models. Write rrf:A+B, such as rrf:bm25+use-multilingual.")
    for name in parts:
        find_kind(name)  # a typo in one model is found before another is loaded, or paid for
    return FusedModel([load_model(name) for name in parts])


class FusedModel:
    """Sums 1 / (60 + rank) over its members; ranks are those in the pool of all languages."""

    def __init__(self, members: Sequence[Model]) -> None:
        self.members = members
        cards = [member.card for member in members]
        states = "+".join(card.label for card in cards)
        sizes = [card.parameters for card in cards]
        self.card = ModelCard(
            name=f"rrf:{'+'.join(card.name for card in cards)}",
            revision=hashlib.sha256("\n".join(card.model_dump_json() for card in cards).encode()).hexdigest()[:12],
            library=" + ".join(dict.fromkeys(card.library for card in cards)),
            similarity="none",
            parameters=None if None in sizes else sum(size or 0 for size in sizes),
            trust_remote_code=any(card.trust_remote_code for card in cards),
            licence=" + ".join(dict.fromkeys(card.licence for card in cards)),
            note=f"Reciprocal rank fusion, k = {K}, of {states}. Tied candidates share their worst rank.",
        )

    def fuse(self, scores: Sequence[ScoreBlocks], pool: Pool, score_pairs: ScorePairs) -> ScoreBlocks:
        """Fuse the scores of the members."""
        return FusedScores(scores)


class FusedScores:
    """Sums of reciprocal ranks, computed in float64 so that the order of addition does not affect the result."""

    def __init__(self, members: Sequence[ScoreBlocks]) -> None:
        self._members = members

    def block(self, start: int, stop: int) -> Floats:
        """Return fused scores [stop - start, candidates]."""
        fused = np.zeros((), np.float64)
        for member in self._members:
            fused = fused + reciprocal_ranks(member.block(start, stop))
        return fused.astype(np.float32)


def reciprocal_ranks(scores: Floats) -> Floats:
    """Return 1 / (60 + rank) of every candidate in its row, [queries, candidates]; ties share the worst rank.

    A rank is thus the number of candidates that score at least as high, and a model that scores all candidates equally
    adds the same value to all.
    """
    width = scores.shape[1]
    places = np.arange(width)
    worst = 1 / (K + width - places)
    found = np.empty(scores.shape)
    for row, given in zip(found, scores, strict=True):
        order = np.argsort(given)
        rising = given[order]
        first_of_tie = np.concatenate([[True], rising[1:] > rising[:-1]])
        row[order] = worst[np.maximum.accumulate(np.where(first_of_tie, places, 0))]
    return found
