"""From result files to tables; nothing here knows Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from suite.errors import BadResult
from suite.result import Result, find_results, read_result
from suite.verify import verify

SETTINGS = ("balance", "mono", "cross", "multi")


def read_results(folder: Path) -> tuple[dict[Path, Result], list[str]]:
    """The results below a folder of submissions, and what is said of files that are none."""
    results: dict[Path, Result] = {}
    refused: list[str] = []
    try:
        paths = list(find_results([folder]))
    except BadResult:
        return results, refused
    for path in paths:
        try:
            results[path] = read_result(path)
        except BadResult as error:
            refused.append(str(error))
    return results, refused


def trust_levels(paths: Sequence[Path]) -> dict[Path, str]:
    """How far each result can be trusted, computed from its evidence."""
    return {path: verify(path).level for path in paths}


def overview(results: dict[Path, Result], trust: dict[Path, str], task: str) -> pd.DataFrame:
    """One row a model, best balance first; scores of the headline metric with the ends of their intervals.

    Results on another fingerprint than the first one's are left out: they are not comparable.
    """
    rows = []
    for path, result in results.items():
        if result.task.name != task or len({result.task.fingerprint, _fingerprint(results, task)}) > 1:
            continue
        scores = {name: result.settings.get(name, {}).get(result.task.headline) for name in SETTINGS[1:]}
        scores["balance"] = result.balance.get(result.task.headline)
        row: dict[str, object] = {"model": f"{result.model.name}@{result.model.revision}"}
        for name in SETTINGS:
            score = scores[name]
            row[name] = score.value if score else None
            row[f"{name} 95 %"] = f"{score.low:.3f} – {score.high:.3f}" if score else ""
        for name in ("normalised_rank_distance", "same_language_ratio@10"):
            row[name] = result.bias[name].value if name in result.bias else None
        row |= {"dimension": result.model.dimension, "trust": trust[path], "date": result.run.created[:10]}
        rows.append(row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).astype({"dimension": "Int64"})
    return table.sort_values("balance", ascending=False, ignore_index=True)


def pairs(result: Result) -> pd.DataFrame:
    """The headline metric of every ordered pair, one row each."""
    names, grid = result.task.languages, result.pairs[result.task.headline]
    return pd.DataFrame(
        [
            {"query": query, "candidate": candidate, "score": cell.value if cell else None}
            for query, row in zip(names, grid, strict=True)
            for candidate, cell in zip(names, row, strict=True)
        ]
    )


def _fingerprint(results: dict[Path, Result], task: str) -> str:
    return next(result.task.fingerprint for result in results.values() if result.task.name == task)
