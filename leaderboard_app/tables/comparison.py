"""Tables of two models side by side, by the tests of `panglot.score.comparison.paired`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.formats import signed
from leaderboard_app.tables.recompute import query_values
from panglot.numbers import listed
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.contributions import Contributions, members_of
from panglot.score.comparison.differences import ALPHA, Differences

MARK = "*"

SIZES = ((0.01, "but tiny"), (0.05, "but small"), (0.10, "noticeable"), (float("inf"), "large"))
"""What a significant difference is called, by its share of the lower score, up to which."""
SIZES_HELP = (
    "In words, by the share of the lower score: tiny below 1 %, small below 5 %, noticeable below 10 %, large from "
    "there (Spärck Jones, 1974, calls 5 % noticeable and 10 % material)."
)


def size_in_words(one: float, other: float, found: bool) -> str:
    """How large a difference is: `found, but tiny`; `not found` where it is not significant."""
    if not found:
        return "not found"
    lower = min(abs(one), abs(other))
    share = abs(other - one) / lower if lower else float("inf")
    return f"found, {next(word for most, word in SIZES if share < most or most == float('inf'))}"


def in_words(comparison: Comparison, names: tuple[str, str]) -> str:
    """The result in a sentence or two, the models by their names."""
    cells = comparison.by_setting
    if comparison.least_p > ALPHA or np.isnan(cells.difference).all():
        return comparison.sentence
    better: dict[str, list[str]] = {names[1]: [], names[0]: []}
    open_settings = []
    for place, setting in enumerate(comparison.settings):
        if cells.found[place]:
            size = size_in_words(cells.one[place], cells.other[place], True).removeprefix("found, ")
            better[names[int(cells.difference[place] > 0)]].append(f"{setting} ({size})")
        elif not np.isnan(cells.difference[place]):
            open_settings.append(setting)
    words = [f"{name} is better in {listed(settings)}" for name, settings in better.items() if settings]
    if open_settings:
        words.append(f"{'no' if words else 'No'} difference was found in {listed(open_settings)}")
    return f"{'; '.join(words)}."


def sensible_pair(best_first: Sequence[Entry]) -> list[Entry]:
    """The best model, and the next one that is not the same model in another state."""
    first = best_first[0]
    return [first, next((entry for entry in best_first[1:] if entry.identity != first.identity), best_first[1])]


def setting_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each setting with all that is known about the difference."""
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
    """A row for each ordered pair; `value` is the difference × 100, `shown` says it with a star where it was found.

    Candidate languages without any score, such as those of texts where images are ranked, are left out.
    """
    named = [{"query": q, "candidate": c} for q in comparison.query_languages for c in comparison.languages]
    table = _cells(comparison.by_pair.reshape(-1), named)
    scored = table["difference"].notna().groupby(table["candidate"]).transform("any")
    table = table[scored].reset_index(drop=True)
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
        "in words": [size_in_words(*cell) for cell in zip(cells.one, cells.other, cells.found, strict=True)],
    }
    return pd.concat([pd.DataFrame(list(named)), pd.DataFrame(numbers)], axis=1)
