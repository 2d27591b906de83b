"""Modality bias: whether a pool of images and captions favours one of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, divide
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.pairs import by_pair, mean_over_ties, mean_per_query


class Modalities(NamedTuple):
    """Which kinds of candidate a pool holds."""

    images: bool
    texts: bool


def modalities(evidence: Evidence) -> Modalities:
    """Whether the candidates include images, and whether they include texts."""
    images = np.array(evidence.languages) == IMAGES
    return Modalities(bool(evidence.sizes[images].sum()), bool(evidence.sizes[~images].sum()))


def modality_statistics(evidence: Evidence) -> dict[str, Floats]:
    """Rank gap between relevant images and captions, and share of the query's modality in the top list, [queries, 1].

    Empty if the pool holds only one modality.
    """
    if not all(modalities(evidence)):
        return {}
    place = evidence.languages.index(IMAGES)
    return {"modality_gap": _gap(evidence, place)[:, None], "own_modality": _own_ratio(evidence, place)[:, None]}


def _gap(evidence: Evidence, place: int) -> Floats:
    """Mean rank of relevant images minus that of captions, [queries]; tied candidates get their mean rank."""
    ranking = evidence.together
    rank = by_pair(ranking, mean_over_ties(ranking, ranking.rank.astype(np.float64)))
    is_image = evidence.language == place
    return mean_per_query(evidence, rank, is_image) - mean_per_query(evidence, rank, ~is_image)


def _own_ratio(evidence: Evidence, place: int) -> Floats:
    """Share of the top list in the query's modality, divided by that modality's share of the pool, [queries]."""
    top = evidence.top_language[:, :MIX_DEPTH]
    is_image_query = evidence.query_language == place
    listed = top != NOBODY
    own = ((top == place) == is_image_query[:, None]) & listed
    images = evidence.sizes[place] / evidence.sizes.sum()
    return divide(own.sum(axis=1), listed.sum(axis=1)) / np.where(is_image_query, images, 1 - images)
