"""The field as tables: what others reported beside what was measured here, on the same cells.

Rows of both kinds stand side by side by the means of `panglot.score.pivot`. Nothing here is a rank made of evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from leaderboard_app.index.entries import Entry
from leaderboard_app.index.score_rows import ALL
from leaderboard_app.tables.board import SEEN
from leaderboard_app.tables.links import model_link, reported_link
from panglot.data.catalogue import suite_tasks
from panglot.data.image import IMAGES
from panglot.interop.field import Reported
from panglot.interop.mteb_cells import mteb_cells
from panglot.score.pivot import Cells, Pivot, english_among, english_asks_better, english_pivot, places, spearman

REPORTED = "reported"
MEANS = ("mono", "English pivot", "from English", "to English")
UNCUT = "map@1000"
"""mteb's name of what is `map` in a pool of at most 1,000 candidates."""
TEXTS = ("organisation", "weights", "licence", "modalities", "released", "link", "revision", "similarity")
ORIGIN = ("mteb_version", "data_revision", "date")


class Scored(NamedTuple):
    """One model on one task, measured here or reported by others."""

    id: str
    name: str
    identity: str
    trust: str
    cells: Cells
    facts: Mapping[str, Any]

    @property
    def is_reported(self) -> bool:
        """Whether others measured it."""
        return self.trust == REPORTED


def scored_by_others(reported: Iterable[Reported]) -> list[Scored]:
    """The models of the field."""
    found = []
    for model in reported:
        organisation, _, name = model.model.rpartition("/")
        facts = {**model.facts, "organisation": organisation, "revision": model.revision}
        found.append(Scored(f"{model.model}@{model.revision}", name, model.model, REPORTED, model.cells, facts))
    return found


def scored_here(entries: Iterable[Entry], scores: pd.DataFrame, metric: str) -> list[Scored]:
    """The models measured here that have cells of the task, from rows of the index; floors are left out."""
    single = scores[(scores["metric"] == metric) & (scores["query"] != ALL) & (scores["candidate"] != ALL)]
    cells = {
        result: dict(zip(zip(rows["query"], rows["candidate"], strict=True), rows["value"], strict=True))
        for result, rows in single.groupby("result", observed=True, sort=False)
    }
    return [
        Scored(entry.id, entry.shown, entry.identity, entry.trust, cells[entry.id], entry.model_dump())
        for entry in entries
        if entry.id in cells and not entry.source and not entry.floor
    ]


def entries_of(entries: Iterable[Entry], task: str) -> list[Entry]:
    """Results on a task in all or some of its languages: a cell does not depend on the other languages."""
    return [entry for entry in entries if entry.task.partition(".")[0] == task]


def metric_here(task: str, metric: str) -> str:
    """The metric by the name that results measured here have it under."""
    sizes = suite_tasks()[task].sizes.values()
    return "map" if metric == UNCUT and max(size.candidates for size in sizes) <= 1000 else metric


def languages_of(models: Iterable[Scored], task: str) -> list[str]:
    """The query languages of any of the models, in the order of the task."""
    asked = {query for model in models for query, _ in model.cells}
    return [language for language in suite_tasks()[task].languages if language in asked]


def shared_languages(models: Sequence[Scored], languages: Sequence[str]) -> list[str]:
    """The languages that every model measured here has, if any was; else all of them."""
    asked = [{query for query, _ in model.cells} for model in models if not model.is_reported]
    return [language for language in languages if all(language in each for each in asked)]


class Standing(NamedTuple):
    """How models stand by their means over some languages."""

    table: pd.DataFrame
    """As `field_table` has it."""
    whole: int
    """Models with both means."""
    correlation: float
    """Spearman's, of the orders by mono and by the English pivot."""
    english_better: float
    """Share of cells in which an English question is better than the language's own."""
    able: int
    """Models that this share is about."""


def standing(models: Sequence[Scored], languages: Sequence[str], task: str) -> Standing:
    """The means of each model over some languages, and how the orders by them agree."""
    images = [IMAGES] if IMAGES in suite_tasks()[task].languages else []
    cells = [model.cells for model in models]
    pivot = english_pivot(cells, [*languages, *images])
    both = np.isfinite(pivot.bridge)
    share, able = english_asks_better([each for each, whole in zip(cells, both, strict=True) if whole], languages)
    return Standing(field_table(models, pivot, task), int(both.sum()), spearman(pivot.mono, pivot.english), share, able)


def link_of(model: Scored, task: str) -> str:
    """Where all that is known about a model on a task is shown."""
    if model.is_reported:
        return reported_link(task, model.identity, str(model.facts["revision"]))
    return model_link(model.facts["task"], model.facts["folder"])


def field_table(models: Sequence[Scored], pivot: Pivot, task: str) -> pd.DataFrame:
    """One row a model with its means and facts, the best by `mono` first; means that a model lacks are missing."""
    both = np.isfinite(pivot.mono) & np.isfinite(pivot.english)
    within, across = (places(np.where(both, values, np.nan)) for values in (pivot.mono, pivot.english))
    numbers = {
        "mono": pivot.mono,
        "English pivot": pivot.english,
        "from English": pivot.from_english,
        "to English": pivot.to_english,
        "place within": within,
        "place across": across,
        "bridge": within - across,
    }
    facts = [
        {
            "model": model.name,
            "trust": model.trust,
            "data": SEEN[model.facts.get("training") or "unknown"],
            **{name: model.facts.get(name) or None for name in ("parameters", "dimension", "max_length")},
            **{name: model.facts.get(name) or "" for name in (*TEXTS, *ORIGIN)},
            "languages": len({query for query, _ in model.cells}),
            "folder": model.id,
            "id": f"{model.identity}@{model.facts.get('revision') or ''}",
            "leads to": link_of(model, task),
            "floor": False,
        }
        for model in models
    ]
    table = pd.DataFrame(facts).assign(**numbers)
    table = table.astype(dict.fromkeys(("parameters", "dimension", "max_length"), "Int64"))
    table["modalities"] = [", ".join(each) if isinstance(each, tuple) else each for each in table["modalities"]]
    return table.sort_values(["mono", "English pivot"], ascending=False, ignore_index=True, kind="stable")


def origin_table(model: Scored) -> pd.DataFrame:
    """What is stated about a model and about how it was measured, one fact a row."""
    names = ("revision", "weights", "licence", "released", "similarity", "link", "data_revision", "date")
    version = model.facts.get("mteb_version") or "(version not stated)"
    facts = {
        "model": model.identity,
        "measured with": f"mteb {version}" if model.is_reported else "Panglot",
        **{name.replace("_", " "): model.facts.get(name) for name in names},
    }
    return pd.DataFrame([(fact, str(value)) for fact, value in facts.items() if value], columns=["fact", "value"])


def language_means(model: Scored, languages: Sequence[str], task: str) -> pd.DataFrame:
    """The cells of one model that its means are made of, a row for each language."""
    images = IMAGES in suite_tasks()[task].languages
    english = english_among(languages)
    rows = []
    for language in languages:
        row: dict[str, object] = {"language": language}
        row["mono"] = model.cells.get((language, IMAGES if images else language))
        if english and english != language and not images:
            row["from English"] = model.cells.get((english, language))
            row["to English"] = model.cells.get((language, english))
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(list(table)[1:], float))


def differences(models: Sequence[Scored], task: str) -> pd.DataFrame:
    """Each cell of a model that was measured here and reported by others under the same name: `measured − reported`.

    Cells whose questions mteb merges are not the same, and left out.
    """
    same = mteb_cells().of(task)
    merged = same.merged if same else {}
    others: dict[str, list[Scored]] = {}
    for model in models:
        if model.is_reported:
            others.setdefault(model.identity, []).append(model)
    rows = [
        {
            "model": model.identity,
            "revision": model.facts["revision"],
            "reported revision": other.facts["revision"],
            "query": query,
            "candidate": candidate,
            "measured": value,
            "reported": other.cells[query, candidate],
            "difference": value - other.cells[query, candidate],
        }
        for model in models
        if not model.is_reported
        for other in others.get(model.identity, [])
        for (query, candidate), value in model.cells.items()
        if (query, candidate) in other.cells and query not in merged
    ]
    names = ["model", "revision", "reported revision", "query", "candidate", "measured", "reported", "difference"]
    return pd.DataFrame(rows, columns=names)


def difference_summary(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a model that was measured here and reported by others: the number of cells, means and differences."""
    groups = cells.groupby(["model", "revision", "reported revision"], sort=False, as_index=False)
    table: pd.DataFrame = groups.agg(
        cells=("difference", "size"),
        measured=("measured", "mean"),
        reported=("reported", "mean"),
        difference=("difference", "mean"),
        largest=("difference", lambda values: values.loc[values.abs().idxmax()]),
    )
    return table.rename(columns={"largest": "largest difference"})
