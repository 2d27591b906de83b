"""What is measured in a pool: the measures that mean something there, and the numbers from which they follow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from panglot.arrays import Floats
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import Evidence
from panglot.score.bias.lists import MIX_DEPTH, consistency, hubs, top_hits, top_languages
from panglot.score.bias.measures import MEASURES, TOP_HITS, BiasMeasure
from panglot.score.bias.modality import modalities, offers
from panglot.score.bias.ranks import (
    COMPLETE_DEPTHS,
    ENGLISH_DEPTH,
    alignments,
    distances,
    english_pool,
    first_hits,
    remove_one_target,
    within_query_ranks,
)

_OF_IMAGE_QUERIES = frozenset(
    {
        "rank_distance",
        "normalised_rank_distance",
        *(f"complete@{depth}" for depth in COMPLETE_DEPTHS),
        "max_rank",
        "kendall_w",
        f"language_jsd@{MIX_DEPTH}",
    }
)
_OF_CONSISTENCY = frozenset({f"consistency@{MIX_DEPTH}"})
_OF_MODALITIES = frozenset({"modality_gap", f"same_modality_ratio@{MIX_DEPTH}"})
_NEEDED_BY_FEW: Mapping[Callable[[Evidence], dict[str, Floats]], frozenset[str]] = {
    alignments: frozenset({"strong_alignment", "weak_alignment", "alignment_gap"}),
    first_hits: frozenset({"first_hit_own_language"}),
    remove_one_target: frozenset({"remove_one_target"}),
    consistency: _OF_CONSISTENCY,
    modalities: _OF_MODALITIES,
    top_hits: frozenset(f"top_hit_{name}" for name, *_ in TOP_HITS),
    english_pool: frozenset(
        {"english_pool_max_rank", f"english_pool_complete@{ENGLISH_DEPTH}", "english_pool_own_first"}
    ),
}
"""Statistics that only some measures follow from: they take most of the time, and are left out where none is wanted."""


def statistics(evidence: Evidence, measures: Collection[str]) -> dict[str, Floats]:
    """The numbers per query from which these measures follow, each [queries, width]; NaN where undefined."""
    found = {**distances(evidence), **within_query_ranks(evidence), **top_languages(evidence)}
    for compute, needed_by in _NEEDED_BY_FEW.items():
        if needed_by.intersection(measures):
            found |= compute(evidence)
    return found


def of_the_whole(evidence: Evidence, rows: int) -> dict[str, Floats]:
    """Numbers that are no means of queries, in place of means of `statistics`: [rows], NaN for every draw."""
    return {name: np.append(value, np.full(rows - 1, np.nan)) for name, value in hubs(evidence).items()}


def measures_of(evidence: Evidence) -> tuple[BiasMeasure, ...]:
    """The measures that mean something in the pool of an evidence.

    Texts alone have all of language. Images that ask have no language of their own to prefer: they have those that
    need none. Images that are asked for are in no language that could be pushed up: what remains is the consistency
    of parallel captions, and with captions beside them the measures of modality.
    """
    offered = offers(evidence)
    if offered.images:
        names = _OF_CONSISTENCY | (_OF_MODALITIES if offered.texts else frozenset())
    elif IMAGES in evidence.languages:
        names = _OF_IMAGE_QUERIES
    else:
        names = frozenset(measure.name for measure in MEASURES) - _OF_MODALITIES
    return tuple(measure for measure in MEASURES if measure.name in names)
