"""Pools that hold images: what they offer, and whether they favour captions or images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, divide
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.score.bias.lists import MIX_DEPTH
from panglot.score.bias.pairs import by_pair, mean_over_ties, mean_per_query


class Offers(NamedTuple):
    """What there is among the candidates of a pool."""

    images: bool
    texts: bool


def offers(evidence: Evidence) -> Offers:
    """Whether there are images among the candidates, and whether there are texts."""
    images = np.array(evidence.languages) == IMAGES
    return Offers(bool(evidence.sizes[images].sum()), bool(evidence.sizes[~images].sum()))


def modalities(evidence: Evidence) -> dict[str, Floats]:
    """How far relevant images stand behind relevant captions, and the share of the query's modality in the top.

    Values [queries, 1]; none where the pool lacks one kind.
    """
    if not all(offers(evidence)):
        return {}
    place = evidence.languages.index(IMAGES)
    return {"modality_gap": _gap(evidence, place)[:, None], "own_modality": _own_ratio(evidence, place)[:, None]}


def _gap(evidence: Evidence, place: int) -> Floats:
    """Mean rank of relevant images minus that of captions, [queries]; tied relevants share the mean of their ranks."""
    ranking = evidence.together
    rank = by_pair(ranking, mean_over_ties(ranking, ranking.rank.astype(np.float64)))
    is_image = evidence.language == place
    return mean_per_query(evidence, rank, is_image) - mean_per_query(evidence, rank, ~is_image)


def _own_ratio(evidence: Evidence, place: int) -> Floats:
    """Share of the top that is of the query's modality, over that modality's share of the pool, [queries]."""
    top = evidence.top_language[:, :MIX_DEPTH]
    asks_image = evidence.query_language == place
    listed = top != NOBODY
    own = ((top == place) == asks_image[:, None]) & listed
    images = evidence.sizes[place] / evidence.sizes.sum()
    return divide(own.sum(axis=1), listed.sum(axis=1)) / np.where(asks_image, images, 1 - images)
