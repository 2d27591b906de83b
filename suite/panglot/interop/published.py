"""Published results of arXiv 2408.10536 and arXiv 2004.05484, for comparison with measured ones.

`published.json` holds the printed numbers in the order of each task's languages, followed by their mean. For each pool
it also holds the rank distance of a perfect and of a random ranker, used to normalise the printed rank distance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from panglot.results.reported import ReportedResult, balance_of
from panglot.score.settings import SETTINGS

DATA = Path(__file__).with_name("published.json")
DISTANCE, NORMALISED = "rank_distance", "normalised_rank_distance"


def published_results() -> list[ReportedResult]:
    """One result for each model, training method and task in the papers."""
    data = json.loads(DATA.read_bytes())
    return [_reported(row, data["papers"][row["paper"]], data["pools"][row["task"]]) for row in data["rows"]]


def is_published(reported: ReportedResult) -> bool:
    """Whether a result is one of `published_results`; no other may claim to be published."""
    return reported in published_results()


def _reported(row: Mapping[str, Any], paper: Mapping[str, str], pool: Mapping[str, Any]) -> ReportedResult:
    """One result; `balance` and the normalised rank distance are computed from the printed means."""
    languages = pool["languages"]
    settings = {setting: {"map": row[setting][-1]} for setting in SETTINGS if setting in row}
    distances = _distances(row[DISTANCE], pool["perfect"], pool["random"]) if DISTANCE in row else []
    by_language: dict[str, dict[str, dict[str, float]]] = {}
    for place, language in enumerate(languages if DISTANCE in row else []):
        by_language[language] = {setting: {"map": row[setting][place]} for setting in settings}
        by_language[language]["bias"] = distances[place]
    return ReportedResult(
        task=row["task"],
        fingerprint=None,
        model=f"arxiv-{row['paper']}/{row['model']}",
        revision="published",
        level="published",
        settings=settings,
        balance=balance_of(settings),
        bias=distances[-1] if distances else {},
        languages=by_language,
        source=paper["source"],
        citation=paper["citation"],
        note=paper["note"],
    )


def _distances(printed: Sequence[float], perfect: Sequence[float], random: Sequence[float]) -> list[dict[str, float]]:
    """The printed rank distances of each language and of their mean, plain and normalised (0 perfect, 1 random)."""
    bounds = zip([*perfect, fmean(perfect)], [*random, fmean(random)], strict=True)
    return [
        {DISTANCE: distance, NORMALISED: (distance - least) / (most - least)}
        for distance, (least, most) in zip(printed, bounds, strict=True)
    ]
