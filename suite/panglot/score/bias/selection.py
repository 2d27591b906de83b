"""Which bias measures apply to a pool, and the per-query statistics they need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from panglot.arrays import Floats, joined_up
from panglot.data.image import IMAGES
from panglot.retrieve.evidence import Evidence
from panglot.score.bias.lists import MIX_DEPTH, consistency, hubs, pool_mix, top_hits, top_languages
from panglot.score.bias.measures import MEASURES, TOP_HITS, BiasMeasure
from panglot.score.bias.modality import modalities, modality_statistics
from panglot.score.bias.ranks import (
    COMPLETE_DEPTHS,
    ENGLISH_DEPTH,
    alignments,
    blind_agreement,
    distances,
    english_pool,
    first_hits,
    remove_one_target,
    within_query_ranks,
)

_IMAGE_QUERY_MEASURES = frozenset(
    {
        "rank_distance",
        "normalised_rank_distance",
        *(f"complete@{depth}" for depth in COMPLETE_DEPTHS),
        "max_rank",
        "kendall_w",
        f"language_jsd@{MIX_DEPTH}",
    }
)
_CONSISTENCY_MEASURES = frozenset({f"consistency@{MIX_DEPTH}"})
_HUB_MEASURES = frozenset({f"hubness@{MIX_DEPTH}", f"hub_share@{MIX_DEPTH}"})
_MODALITY_MEASURES = frozenset({"modality_gap", f"same_modality_ratio@{MIX_DEPTH}"})
Statistic: TypeAlias = Callable[[Evidence], dict[str, Floats]]

_OPTIONAL_STATISTICS: Mapping[Statistic, frozenset[str]] = {
    alignments: frozenset({"strong_alignment", "weak_alignment", "alignment_gap"}),
    first_hits: frozenset({"first_hit_own_language"}),
    remove_one_target: frozenset({"remove_one_target"}),
    modality_statistics: _MODALITY_MEASURES,
    top_hits: frozenset(f"top_hit_{name}" for name, *_ in TOP_HITS),
    english_pool: frozenset(
        {"english_pool_max_rank", f"english_pool_complete@{ENGLISH_DEPTH}", "english_pool_own_first"}
    ),
}
"""Costly statistics and the measures that need them; they are computed only if one of these measures is requested."""


def statistics(evidence: Evidence, parts: list[Evidence], measures: Collection[str]) -> dict[str, Floats]:
    """The per-query statistics that these measures need, each [queries, width]; NaN where undefined.

    `parts` are those of the evidence: most statistics of a query depend on no other query. The list is emptied on the
    way, so that the rankings of a part are freed when its statistics are known.
    """
    wanted = [compute for compute, needed_by in _OPTIONAL_STATISTICS.items() if needed_by.intersection(measures)]
    found = []
    while parts:
        found.append(_of_part(parts.pop(0), wanted))
    joined = {name: joined_up([part.pop(name) for part in found]) for name in [*found[0]]}
    joined["blind_w"] = blind_agreement(evidence, joined["rank_count"])[:, None]
    joined["pool"] = pool_mix(evidence)
    return joined | (consistency(evidence) if _CONSISTENCY_MEASURES.intersection(measures) else {})


def _of_part(evidence: Evidence, wanted: Sequence[Statistic]) -> dict[str, Floats]:
    found = {**distances(evidence), **within_query_ranks(evidence), **top_languages(evidence)}
    for compute in wanted:
        found |= compute(evidence)
    return found


def of_the_whole(evidence: Evidence, rows: int) -> dict[str, Floats]:
    """Statistics of the whole pool that are not means over queries, [rows]: the value in row 0, NaN for each draw."""
    return {name: np.append(value, np.full(rows - 1, np.nan)) for name, value in hubs(evidence).items()}


def measures_of(evidence: Evidence) -> tuple[BiasMeasure, ...]:
    """The measures that apply to the evidence's pool.

    - Texts only: all language measures.
    - Image queries have no language to prefer, so only the measures that need no query language apply.
    - Image candidates have no language to be preferred, so only the consistency of parallel captions and hubness apply,
      and the modality measures if the pool also holds captions.
    """
    pool = modalities(evidence)
    if pool.images:
        names = _CONSISTENCY_MEASURES | _HUB_MEASURES | (_MODALITY_MEASURES if pool.texts else frozenset())
    elif IMAGES in evidence.languages:
        names = _IMAGE_QUERY_MEASURES | _HUB_MEASURES
    else:
        names = frozenset(measure.name for measure in MEASURES) - _MODALITY_MEASURES
    return tuple(measure for measure in MEASURES if measure.name in names)
