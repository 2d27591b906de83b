"""What is computed from evidence and is in no file: other pools of languages, ranks, single queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from leaderboard_app.tables.board import BIAS, Row
from panglot.arrays import Floats
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.score.bootstrap import Score
from panglot.score.comparison.contributions import Contributions, contributions
from panglot.score.metrics import parse_metric
from panglot.score.summary import score_evidence

NOT_DRAWN = float("nan")
"""Ends of the interval of a score for which none was drawn."""


class Recomputed(NamedTuple):
    """What one model gives in another pool: the overview's scores without intervals, and what ranks follow from."""

    row: Row
    added: Contributions


def recompute(evidence: Evidence, metric: str, languages: Sequence[str]) -> Recomputed:
    """The overview's scores in the pool of some languages, as `score_evidence` gives them."""
    pool = evidence.only(languages)
    scores = score_evidence(pool, metric, [metric], draws=1, measures=BIAS)
    overall = {setting: by_metric.get(metric) for setting, by_metric in scores.settings.items()}
    overall |= {"balance": scores.balance.get(metric), **{name: scores.bias.get(name) for name in BIAS}}
    row = {name: Score(score.value, NOT_DRAWN, NOT_DRAWN) for name, score in overall.items() if score}
    return Recomputed(row, contributions(pool, metric))


def rank_curve(evidence: Evidence, most: int = 10_000) -> pd.DataFrame:
    """Share of the relevant candidates at a rank or better in the pool of all languages.

    Columns: `rank`, `share` and `relevant`: those in the query's language, those in another.
    """
    ranking = evidence.together
    own = (evidence.language == evidence.query_language[evidence.query])[ranking.pair]
    steps = np.unique(np.geomspace(1, min(most, int(evidence.sizes.sum())), 60).round().astype(int))
    parts = []
    for name, chosen in (("in the query's language", own), ("in another language", ~own)):
        ranks = np.sort(ranking.rank[chosen])
        if len(ranks):
            share = np.searchsorted(ranks, steps, side="right") / len(ranks)
            parts.append(pd.DataFrame({"rank": steps, "share": share, "relevant": name}))
    return pd.concat(parts, ignore_index=True)


def query_table(evidence: Evidence, language: str) -> pd.DataFrame:
    """A row for each query of a language in the pool of all: average precision, best and worst rank, their distance."""
    chosen = np.flatnonzero(evidence.query_language == evidence.languages.index(language))
    ranking = evidence.together
    last = np.cumsum(ranking.relevants) - 1
    best, worst = ranking.rank[last - ranking.relevants + 1], ranking.rank[last]
    return pd.DataFrame(
        {
            "query": [evidence.query_ids[place] for place in chosen],
            "average precision": parse_metric("map").compute(ranking)[chosen],
            "best rank": best[chosen],
            "worst rank": worst[chosen],
            "rank distance": (worst - best)[chosen],
            "relevant candidates": ranking.relevants[chosen],
        }
    )


class Listed(NamedTuple):
    """A candidate of one query: its place in the pool of all languages, and whether it is an answer."""

    rank: int
    candidate: str
    language: str
    relevant: bool


def relevants_of(evidence: Evidence, query: str) -> list[Listed]:
    """The relevant candidates of a query in all languages, best first."""
    place = evidence.query_ids.index(query)
    ranking = evidence.together
    here = slice(*np.searchsorted(ranking.cell, [place, place + 1]))
    return [
        Listed(
            rank, evidence.candidate_ids[evidence.candidate[pair]], evidence.languages[evidence.language[pair]], True
        )
        for rank, pair in zip(ranking.rank[here].tolist(), ranking.pair[here].tolist(), strict=True)
    ]


def best_candidates(evidence: Evidence, query: str, most: int = 10) -> list[Listed]:
    """The candidates that the model put first."""
    place = evidence.query_ids.index(query)
    answers = set(evidence.candidate[evidence.query == place].tolist())
    top = evidence.top[place][:most].tolist()
    languages = evidence.top_language[place][:most].tolist()
    return [
        Listed(rank, evidence.candidate_ids[candidate], evidence.languages[language], candidate in answers)
        for rank, (candidate, language) in enumerate(zip(top, languages, strict=True), 1)
        if candidate != NOBODY
    ]


def query_values(evidence: Evidence, metric: str, setting: str) -> Floats:
    """A metric of each query: in the pool of its own language, or of all, [queries]."""
    compute = parse_metric(metric).compute
    if setting == "multi":
        return compute(evidence.together)
    alone = compute(evidence.within).reshape(evidence.queries, -1)
    own = evidence.query_language
    if setting == "mono":
        return alone[np.arange(evidence.queries), own]
    others = np.where(np.arange(alone.shape[1]) == own[:, None], np.nan, alone)
    count = (~np.isnan(others)).sum(axis=1)
    return np.divide(np.nansum(others, axis=1), count, out=np.full(len(own), np.nan), where=count > 0)
