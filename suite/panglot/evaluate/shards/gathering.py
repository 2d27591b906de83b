"""Turn the tallies of all shards into evidence: of one language, and of several separate languages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import Pool
from panglot.evaluate.shards.checkpoint import State
from panglot.retrieve.evidence import NOBODY, Evidence


def evidence_of(pool: Pool, score: Floats, state: State, size: int) -> Evidence:
    """The evidence of one language with `size` passages; a relevant passage does not count as above itself.

    `score` [pairs] is the score of each relevant passage.
    """
    lists = state.tally.top
    named = lists.ids.ids.tolist()[1:]
    ids = sorted({*pool.candidates.ids, *named})
    place = {id_: index for index, id_ in enumerate(ids)}
    candidate = np.array([place[id_] for id_ in pool.candidates.ids])
    numbered = np.array([NOBODY, *(place[id_] for id_ in named)], np.int32)
    top = numbered[lists.ids.places(lists.number)]
    width = min(lists.depth, size)
    return Evidence(
        query_ids=pool.queries.ids,
        candidate_ids=tuple(ids),
        languages=pool.languages,
        sizes=np.array([size]),
        query_language=pool.queries.language,
        group=pool.group,
        cluster=pool.cluster,
        query=pool.query,
        candidate=candidate[pool.candidate],
        language=pool.candidates.language[pool.candidate],
        gain=pool.gain,
        score=score,
        above=state.tally.above - 1,
        top=top[:, :width],
        top_language=np.where(top == NOBODY, NOBODY, 0)[:, :width],
        top_score=lists.score[:, :width],
        divided=True,
        close=state.tally.close,
    )


def together(parts: Sequence[Evidence]) -> Evidence:
    """Combine the evidence of separate languages into one; nothing is counted across languages."""
    languages = tuple(name for part in parts for name in part.languages)
    queries = np.cumsum([0, *(part.queries for part in parts)])
    candidates = np.cumsum([0, *(len(part.candidate_ids) for part in parts)])
    groups, clusters = (
        np.cumsum([0, *(int(getattr(part, name).max()) + 1 for part in parts)]) for name in ("group", "cluster")
    )
    depth = max(part.top.shape[1] for part in parts)

    def stacked(name: str, offsets: Ints | None = None, fill: float = NOBODY) -> np.ndarray:
        columns = [getattr(part, name) for part in parts]
        if offsets is not None:
            columns = [np.where(own == NOBODY, NOBODY, own + at) for own, at in zip(columns, offsets, strict=False)]
        if columns[0].ndim == 2:
            wide = [(0, 0), (0, 0)]
            columns = [np.pad(own, [wide[0], (0, depth - own.shape[1])], constant_values=fill) for own in columns]
        return np.concatenate(columns)

    above = np.zeros((sum(len(part.query) for part in parts), len(languages)), np.int32)
    language = np.repeat(np.arange(len(parts)), [len(part.query) for part in parts])
    above[np.arange(len(above)), language] = np.concatenate([part.above[:, 0] for part in parts])
    places, close = np.arange(len(parts)), [part.close for part in parts]
    return Evidence(
        query_ids=tuple(id_ for part in parts for id_ in part.query_ids),
        candidate_ids=tuple(id_ for part in parts for id_ in part.candidate_ids),
        languages=languages,
        sizes=np.concatenate([part.sizes for part in parts]),
        query_language=np.repeat(places, [part.queries for part in parts]),
        group=stacked("group", groups),
        cluster=stacked("cluster", clusters),
        query=stacked("query", queries),
        candidate=stacked("candidate", candidates),
        language=language,
        gain=stacked("gain"),
        score=stacked("score"),
        above=above,
        top=stacked("top", candidates),
        top_language=stacked("top_language", places),
        top_score=stacked("top_score", fill=-np.inf),
        divided=True,
        close=None if None in close else sum(filter(None, close)),
    )
