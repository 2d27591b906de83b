"""Tables of two models side by side, by the tests of `panglot.score.comparison.paired`; no Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from leaderboard_app.formats import signed
from leaderboard_app.recompute import query_values
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.contributions import Contributions, members_of
from panglot.score.comparison.differences import Differences

MARK = "*"


def setting_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each setting with all that is known of the difference."""
    return _cells(comparison.by_setting, [{"setting": name} for name in comparison.settings])


def language_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each query language and setting."""
    named = [
        {"language": language, "setting": setting}
        for language in comparison.query_languages
        for setting in comparison.language_settings
    ]
    return _cells(comparison.by_language.reshape(-1), named)


def pair_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each ordered pair; `value` is the difference × 100, `shown` says it with a star where it was found."""
    named = [{"query": q, "candidate": c} for q in comparison.query_languages for c in comparison.languages]
    table = _cells(comparison.by_pair.reshape(-1), named)
    table["value"] = 100 * table["difference"]
    largest = float(table["value"].abs().max())
    digits = 0 if largest >= 10 else 1 if largest >= 1 else 2
    table["shown"] = [
        signed(value, digits) + (MARK if found else "")
        for value, found in zip(table["value"], table["found"], strict=True)
    ]
    table["note"] = [f"{'found' if found else 'not found'} at 5 %" for found in table["found"]]
    return table


def question_histogram(one: Contributions, other: Contributions, setting: str, bins: int = 30) -> pd.DataFrame:
    """How the difference in a setting is spread over the parallel questions: `start`, `end`, `count`.

    A question's value is the mean of the metric over its own queries; questions without any in the setting are left
    out.
    """
    row = members_of(len(one.languages))[["mono", "cross", "multi"].index(setting)]
    count = one.count[:, row].sum(axis=1)
    there = count > 0
    difference = (other.total[:, row].sum(axis=1) - one.total[:, row].sum(axis=1))[there] / count[there]
    most = max(float(np.abs(difference).max(initial=0)), 1e-9)
    counts, edges = np.histogram(difference, bins, (-most, most))
    return pd.DataFrame({"start": edges[:-1], "end": edges[1:], "count": counts})


def query_differences(one: Evidence, other: Evidence, metric: str, setting: str, language: str | None) -> pd.DataFrame:
    """A row for each query, largest difference first: its value in both models and other − one."""
    first, second = (query_values(evidence, metric, setting) for evidence in (one, other))
    table = pd.DataFrame(
        {
            "query": one.query_ids,
            "language": [one.languages[place] for place in one.query_language],
            "A": first,
            "B": second,
            "B − A": second - first,
        }
    ).dropna()
    if language:
        table = table[table["language"] == language]
    order = table["B − A"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _cells(cells: Differences, named: Sequence[dict[str, str]]) -> pd.DataFrame:
    numbers = {
        "A": cells.one,
        "B": cells.other,
        "difference": cells.difference,
        "low": cells.low,
        "high": cells.high,
        "p (Holm)": cells.adjusted,
        "smallest detectable": cells.detectable,
        "found": cells.found,
    }
    return pd.concat([pd.DataFrame(list(named)), pd.DataFrame(numbers)], axis=1)
