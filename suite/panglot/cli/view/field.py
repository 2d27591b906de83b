"""The field in the terminal and as JSON: means within languages and across English, and how the two orders agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType

from panglot.cli.view.tables import FoldingTable, prose
from panglot.interop.field import Reported
from panglot.interop.mteb_cells import mteb_cells
from panglot.numbers import NOTHING, count, short
from panglot.score.pivot import BRIDGE, Pivot, english_pivot, spearman

REPORTED = "reported"
LONGEST = 40
"""Characters of a model's name in the table; the JSON has all of it, its organisation and its revision."""


def field_json(task: str, metric: str, models: Sequence[Reported], languages: Sequence[str]) -> dict[str, Any]:
    """The models that have any mean, best by `mono` first."""
    pivot = english_pivot([model.cells for model in models], languages)
    return {
        "task": task,
        "metric": metric,
        "languages": list(languages),
        "spearman": _plain(spearman(pivot.mono, pivot.english)),
        "models": [
            {
                "model": models[place].model,
                "revision": models[place].revision,
                "trust": models[place].facts.get("trust", REPORTED),
                "mono": _plain(pivot.mono[place]),
                "english_pivot": _plain(pivot.english[place]),
                "from_english": _plain(pivot.from_english[place]),
                "to_english": _plain(pivot.to_english[place]),
                "bridge": _plain(pivot.bridge[place]),
            }
            for place in _order(pivot)
        ],
    }


def field_view(task: str, metric: str, models: Sequence[Reported], languages: Sequence[str]) -> RenderableType:
    """The same as a table, with what its columns mean."""
    pivot = english_pivot([model.cells for model in models], languages)
    order, crossing = _order(pivot), bool(np.isfinite(pivot.english).any())
    table = FoldingTable()
    table.add_column("model")
    headings = ["mono", "English pivot", "from English", "to English", "bridge"] if crossing else ["mono"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("trust", no_wrap=True)
    bridge = pivot.bridge
    for place in order:
        means = [pivot.mono, pivot.english, pivot.from_english, pivot.to_english] if crossing else [pivot.mono]
        ends = [_places(bridge[place])] if crossing else []
        name = models[place].model.rpartition("/")[2]
        trust = models[place].facts.get("trust", REPORTED)
        table.add_row(
            name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…",
            *(short(mean[place]) for mean in means),
            *ends,
            trust,
        )
    same = mteb_cells().of(task)
    left = len(models) - len(order)
    about = [
        f"{metric} on {task}, means over {count(len(languages), 'language')}; {count(len(order), 'model')}.",
        f"Not listed, since cells of every mean are missing: {count(left, 'model')}." if left else "",
        f"Spearman's correlation of mono and English pivot: {spearman(pivot.mono, pivot.english):.3f}." * crossing,
        BRIDGE * crossing,
        "Reported rows have no evidence and no rank.",
        same.remark if same else "",
    ]
    return Group(table, prose(" ".join(filter(None, about))))


def _order(pivot: Pivot) -> list[int]:
    """The models with any mean, by `mono`, then by the pivot, best first."""
    keys = [np.nan_to_num(values, nan=-1.0) for values in (pivot.mono, pivot.english)]
    order = sorted(range(len(keys[0])), key=lambda place: (-keys[0][place], -keys[1][place]))
    return [place for place in order if max(keys[0][place], keys[1][place]) >= 0]


def _places(difference: float) -> str:
    return NOTHING if math.isnan(difference) else f"{difference:+.0f}".replace("-", "−") if difference else "0"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 10)
