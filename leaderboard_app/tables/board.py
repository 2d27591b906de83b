"""From the index to the tables that pages show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.score_rows import ALL
from leaderboard_app.tables.formats import span
from leaderboard_app.tables.links import model_link
from panglot.data.catalogue import suite_tasks
from panglot.score.bias import MIX_DEPTH
from panglot.score.bootstrap import Score
from panglot.score.comparison.standings import Standing
from panglot.score.settings import SETTINGS

SCORES = ("balance", *SETTINGS)
DISTANCE = "normalised_rank_distance"
OWN_LANGUAGE = f"same_language_ratio@{MIX_DEPTH}"
BIAS = (DISTANCE, OWN_LANGUAGE)

SEEN = {
    "zero-shot": "zero-shot",
    "trained": "trained on it",
    "parent": "trained on its source",
    "unknown": "not stated",
}
"""What a card says about a model and a task's data, in words."""


class View(NamedTuple):
    """Which languages a table is about; ALL stands for the mean over them."""

    query: str = ALL
    candidate: str = ALL

    def cells(self, metric: str) -> dict[str, Key]:
        """The key of the number in each column."""
        if self.query and self.candidate:
            setting = "mono" if self.query == self.candidate else "cross"
            return {setting: (metric, setting, *self)}
        if self.query:
            one = {"mono": (metric, "mono", self.query, self.query), "cross": (metric, "cross", self.query, ALL)}
            pool = {"multi": (metric, "multi", self.query, ALL)}
            return one | pool | {name: (name, "bias", self.query, ALL) for name in BIAS}
        if self.candidate:
            own = (metric, "mono", self.candidate, self.candidate)
            return {"mono": own, "cross": (metric, "cross", ALL, self.candidate)}
        overall = {name: (metric, name, ALL, ALL) for name in SCORES}
        return overall | {name: (name, "bias", ALL, ALL) for name in BIAS}


OVERALL = View()
FLOOR = "floor"
"""What is shown instead of a rank where a model knows nothing about the text."""
NO_SCORE = Score(0.0, 0.0, 0.0)

Row = dict[str, Score]
"""Scores of one result by column."""

Key = tuple[str, str, str, str]
"""What a score is of: metric, setting, query and candidate language."""


def values(scores: pd.DataFrame, metric: str, view: View = OVERALL) -> dict[str, Row]:
    """Of each result, the scores that a view shows, from rows of the index."""
    columns = {key: column for column, key in view.cells(metric).items()}
    queries, candidates = {key[2] for key in columns}, {key[3] for key in columns}
    rows = scores[scores["query"].isin(queries) & scores["candidate"].isin(candidates)]
    found: dict[str, Row] = {}
    for result, key, score in scored(rows):
        if column := columns.get(key):
            found.setdefault(result, {})[column] = score
    return found


def best_first(entries: Iterable[Entry], rows: Mapping[str, Row]) -> list[Entry]:
    """Entries by balance, then by the other settings, those that can have a rank before all others."""

    def order(entry: Entry) -> tuple[int, list[float]]:
        row = rows.get(entry.id, {})
        scores = [-row.get(setting, NO_SCORE).value for setting in ("balance", "multi", "mono")]
        return part_of(entry), scores

    return sorted(entries, key=order)


def bias_values(scores: pd.DataFrame) -> dict[str, Row]:
    """Of each result, its bias measures over all languages, from rows of the index."""
    found: dict[str, Row] = {}
    for result, (name, *_), score in scored(scores[(scores["setting"] == "bias") & (scores["query"] == ALL)]):
        found.setdefault(result, {})[name] = score
    return found


def names_of(entries: Sequence[Entry]) -> list[str]:
    """How models that are shown together are called: by their names, with their settings or by folders if alike."""
    alike = Counter(entry.shown for entry in entries)
    called = [entry.shown if alike[entry.shown] == 1 else _with_settings(entry) for entry in entries]
    still_alike = Counter(called)
    return [name if still_alike[name] == 1 else entry.folder for name, entry in zip(called, entries, strict=True)]


def _with_settings(entry: Entry) -> str:
    """The name of a model with what was changed of its configuration, such as its debiasing."""
    settings = [each for each in entry.revision.split("+")[1:] if each != "debias_fit=corpus"]
    return f"{entry.shown} ({', '.join(settings)})" if settings else entry.shown


def ids_of(entries: Sequence[Entry]) -> dict[str, str]:
    """The whole ids of models that are shown together, with their revisions, by what they are called."""
    ids = (f"{entry.identity}@{entry.revision}" for entry in entries)
    return dict(zip(names_of(entries), ids, strict=True))


def model_scores(entries: Iterable[Entry], rows: Mapping[str, Row], names: Sequence[str]) -> pd.DataFrame:
    """A row for each setting or measure and model that has it: `setting, model, value, low, high`."""
    listed = list(entries)
    table = [
        (name, called, *rows[entry.id][name])
        for name in names
        for entry, called in zip(listed, names_of(listed), strict=True)
        if name in rows.get(entry.id, {})
    ]
    return pd.DataFrame(table, columns=["setting", "model", "value", "low", "high"])


def overview(
    entries: Iterable[Entry],
    rows: Mapping[str, Row],
    standings: Iterable[Standing] = (),
    image_text: Mapping[str, float] | None = None,
    by: str = "balance",
) -> pd.DataFrame:
    """One row a model with all that the overview can show or filter by, the best in the setting `by` first.

    Models that can have a rank come before those without evidence, these before published rows, and floors come last.
    Intervals have columns of their own (`mono low`, `mono high`); what a result lacks is missing.
    """
    listed = list(entries)
    standing = {model.name: model for model in standings}
    table = [
        {
            "rank": standing[entry.id].place if entry.id in standing else None,
            "rank 95 %": _why_unranked(entry)
            or (span(standing[entry.id].low, standing[entry.id].high) if entry.id in standing else None),
            "group": " ".join(standing[entry.id].letters) if entry.id in standing else None,
            "model": name,
            "organisation": entry.organisation,
            "parameters": entry.parameters,
            "dimension": entry.dimension,
            **_scores(rows.get(entry.id, {})),
            "image-text": (image_text or {}).get(entry.folder),
            "trust": entry.trust,
            "floor": entry.floor,
            "data": SEEN[entry.training],
            "date": entry.date or None,
            "weights": entry.weights,
            "modalities": ", ".join(entry.modalities),
            "licence": entry.licence,
            "texts per second": entry.texts_per_second,
            "revision": entry.revision,
            "id": f"{entry.identity}@{entry.revision}",
            "folder": entry.folder,
            "leads to": model_link(entry.task, entry.folder),
        }
        for entry, name in zip(listed, names_of(listed), strict=True)
    ]
    if not table:
        return pd.DataFrame()
    whole = dict.fromkeys(("rank", "parameters", "dimension"), "Int64")
    frame = pd.DataFrame(table).astype(whole)
    frame["part"] = [part_of(entry) for entry in listed]
    numbers = [name for name in frame if frame[name].isna().all() and name not in whole]
    frame[numbers] = frame[numbers].astype(float)
    keys = [by, *reversed(SCORES)]
    ascending = [True, *([False] * len(keys))]
    return frame.sort_values(["part", *keys], ascending=ascending, ignore_index=True, kind="stable").drop(
        columns="part"
    )


def _why_unranked(entry: Entry) -> str:
    """What is shown instead of a rank where a result can have none; empty where it can."""
    return FLOOR if entry.floor else "" if entry.ranked else entry.trust


def part_of(entry: Entry) -> int:
    """Models that can have a rank come first, then those without evidence, what papers printed, and floors."""
    return 3 if entry.floor else 2 if entry.trust == "published" else 0 if entry.ranked else 1


def language_scores(scores: pd.DataFrame, metric: str, languages: Sequence[str]) -> pd.DataFrame:
    """A row for each language: the metric as query and as candidate language, and the two headlines of bias.

    `scores` are of one result.
    """
    found = {key: score for _, key, score in scored(scores)}
    table = []
    for language in languages:
        row: dict[str, object] = {"language": language}
        for name, key in View(query=language).cells(metric).items():
            row |= _ends(name, found.get(key))
        table.append(row | _ends("cross to it", found.get(View(candidate=language).cells(metric)["cross"])))
    return pd.DataFrame(table)


def long_form(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row for each language and setting that has a value: `language, setting, value, low, high`."""
    parts = [
        pd.DataFrame(
            {
                "language": table["language"],
                "setting": name,
                "value": table[name],
                "low": table[f"{name} low"],
                "high": table[f"{name} high"],
            }
        )
        for name in names
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset=["value"])


def pairs(scores: pd.DataFrame, metric: str, languages: Sequence[str]) -> pd.DataFrame:
    """The metric of every ordered pair of one result, one row each, in the order of the languages.

    Languages that do not ask, or that are not offered, have no row.
    """
    single = (scores["metric"] == metric) & (scores["query"] != ALL) & (scores["candidate"] != ALL)
    found = {key[2:]: score for _, key, score in scored(scores[single])}
    columns = ("query", "candidate", "value", "low", "high")
    asking, offered = ([name for name in languages if any(name == pair[end] for pair in found)] for end in (0, 1))
    rows = [(q, c, *found.get((q, c), (None, None, None))) for q in asking for c in offered]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "low": float, "high": float})


def image_text(scores: pd.DataFrame, entries: Iterable[Entry]) -> dict[str, float]:
    """For each model's folder, the mean of `multi` over the text-to-image tasks that it has; each by its headline."""
    found: dict[str, list[float]] = {}
    overall = scores[(scores["setting"] == "multi") & (scores["query"] == ALL) & (scores["candidate"] == ALL)]
    value = {
        (result, metric): v for result, metric, v in overall[["result", "metric", "value"]].itertuples(index=False)
    }
    for entry in entries:
        score = value.get((entry.id, entry.headline))
        if is_text_to_image(entry.task) and score is not None:
            found.setdefault(entry.folder, []).append(score)
    return {folder: sum(scores) / len(scores) for folder, scores in found.items()}


def is_text_to_image(task: str) -> bool:
    """Whether queries of the task are captions, and its candidates images."""
    known = suite_tasks().get(task)
    return known is not None and known.direction == "t2i"


def scored(rows: pd.DataFrame) -> Iterator[tuple[str, Key, Score]]:
    """The result, the key and the score of each row of the index."""
    keys = zip(*(rows[name].tolist() for name in ("metric", "setting", "query", "candidate")), strict=True)
    ends = (rows[name].tolist() for name in ("value", "low", "high"))
    return zip(rows["result"].tolist(), keys, map(Score, *ends), strict=True)


def _scores(row: Row) -> dict[str, float | None]:
    names = (*SCORES, *BIAS)
    value = {name: row[name].value if name in row else None for name in names}
    ends: dict[str, float | None] = {}
    for name in names:
        ends[f"{name} low"], ends[f"{name} high"] = row[name][1:] if name in row else (None, None)
    return value | ends


def _ends(name: str, score: Score | None) -> dict[str, float | None]:
    value, low, high = score or (None, None, None)
    return {name: value, f"{name} low": low, f"{name} high": high}
