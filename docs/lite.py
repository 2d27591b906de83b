"""Choose the languages of `belebele-lite`, and measure how well lite tiers agree with their whole.

    python docs/lite.py choose            the eight languages of belebele-lite, by the models to choose by
    python docs/lite.py belebele          its agreement with the whole on the other models: a table in docs/lite.md
    python docs/lite.py xquad-r FOLDER    agreement of xquad-r-lite with the whole on models with committed results, and
                                          results of `panglot run MODEL --tasks xquad-r-lite --out FOLDER`

Models are those of the shipped field with all cells of Belebele. Organisations, not models, are divided by a hash of
their name: versions of one model score alike, so a model would help to choose for its own sister.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

import panglot
from panglot.arrays import Floats
from panglot.data.catalogue import suite_tasks
from panglot.interop.field import Reported, reported_on, shipped_field
from panglot.results.result import Result
from panglot.score.pivot import Pivot, english_pivot, spearman

LANGUAGES = 8
ENGLISH = "eng_Latn"
METRIC = "ndcg@10"
SUBMISSIONS = Path(__file__).parents[1] / "submissions"
APART = 0.02
"""Models that differ by less in the whole are not expected to keep their order."""


class Agreement(NamedTuple):
    """How well the scores in a part agree with those in the whole."""

    models: int
    spearman: float
    kendall: float
    same_order: float
    """Share of the pairs of models that differ by more than APART in the whole and have the same order in the part."""
    difference: float
    """Mean of part − whole."""
    deviation: float
    """Standard deviation of part − whole: what is left when the difference is known."""


def agreement(part: Floats, whole: Floats) -> Agreement:
    """Compare the scores of models in a part with those in the whole, [models] each."""
    signs = [
        (np.sign(part[a] - part[b]) * np.sign(whole[a] - whole[b]), abs(whole[a] - whole[b]))
        for a, b in combinations(range(len(whole)), 2)
    ]
    clear = [sign > 0 for sign, apart in signs if apart > APART]
    apart = part - whole
    return Agreement(
        len(whole),
        spearman(part, whole),
        float(np.mean([sign for sign, _ in signs])),
        float(np.mean(clear)),
        float(apart.mean()),
        float(apart.std(ddof=1)),
    )


def halves() -> tuple[list[Reported], list[Reported]]:
    """The models to choose by, and those held out."""
    languages = suite_tasks()["belebele"].languages
    models = reported_on(shipped_field(), "belebele", METRIC)
    pivot = english_pivot([model.cells for model in models], languages)
    complete = np.isfinite(pivot.english) & np.isfinite(pivot.mono)
    sides: tuple[list[Reported], list[Reported]] = ([], [])
    for model, whole in zip(models, complete.tolist(), strict=True):
        organisation = model.model.partition("/")[0].lower()
        if whole:
            sides[hashlib.sha256(organisation.encode()).digest()[0] % 2].append(model)
    return sides


def means(models: Sequence[Reported], languages: Sequence[str]) -> Pivot:
    """The means of some models over some languages."""
    return english_pivot([model.cells for model in models], languages)


def choose() -> list[str]:
    """Exchange languages, from a start without chance, as long as both means come nearer to those of the whole."""
    models, _ = halves()
    languages = [name for name in suite_tasks()["belebele"].languages if name != ENGLISH]
    within = np.array([[model.cells[name, name] for name in [ENGLISH, *languages]] for model in models])
    across = np.array(
        [[(model.cells[name, ENGLISH] + model.cells[ENGLISH, name]) / 2 for name in languages] for model in models]
    )

    def error(chosen: Sequence[int]) -> float:
        own = within[:, [0, *(place + 1 for place in chosen)]].mean(axis=1) - within.mean(axis=1)
        pivot = across[:, list(chosen)].mean(axis=1) - across.mean(axis=1)
        return float(np.mean(own**2) + np.mean(pivot**2))

    chosen = list(range(0, len(languages), len(languages) // (LANGUAGES - 1)))[: LANGUAGES - 1]
    best = error(chosen)
    while True:
        trials = [
            [*chosen[:place], other, *chosen[place + 1 :]]
            for place in range(len(chosen))
            for other in range(len(languages))
            if other not in chosen
        ]
        nearest = min(trials, key=error)
        if error(nearest) >= best:
            return sorted([ENGLISH, *(languages[place] for place in chosen)])
        chosen, best = nearest, error(nearest)


def belebele(chosen: Sequence[str]) -> dict[str, Agreement]:
    """Agreement on the held-out models: of mono, and of the English pivot."""
    _, models = halves()
    whole, part = means(models, suite_tasks()["belebele"].languages), means(models, chosen)
    return {"mono": agreement(part.mono, whole.mono), "English pivot": agreement(part.english, whole.english)}


def xquad_r(folder: Path) -> dict[str, Agreement]:
    """Agreement of the settings on models with a result on xquad-r-lite in a folder, and a committed one on xquad-r.

    The evidence of a result has counts by language, not by paragraph, so the lite tier must be run.
    """
    part, whole = _results(folder, "xquad-r-lite"), _results(SUBMISSIONS, "xquad-r")
    pairs = [(part[model].scores, whole[model].scores) for model in sorted(part.keys() & whole.keys())]
    return {
        setting: agreement(
            *(np.array([scores[setting]["map"].value for scores in side]) for side in zip(*pairs, strict=True))
        )
        for setting in ("mono", "cross", "multi", "balance")
    }


def _results(folder: Path, task: str) -> dict[tuple[str, ...], Result]:
    """Results by model: its name, and its settings but for prompts, which can also be part of its files."""
    results = [panglot.read_result(path) for path in folder.glob(f"*/{task}.json")]
    return {
        (result.model.name, *(setting for setting in result.model.settings if "_prompt=" not in setting)): result
        for result in results
    }


def _print(rows: dict[str, Agreement]) -> None:
    write = sys.stdout.write
    write("| mean | models | Spearman | Kendall | same order | difference | deviation |\n")
    write("|---|---|---|---|---|---|---|\n")
    for name, row in rows.items():
        shown = [f"{value:.3f}" for value in row[1:4]]
        write(f"| {name} | {row.models} | {' | '.join(shown)} | {row.difference:+.3f} | {row.deviation:.3f} |\n")


def main(verb: str, *names: str) -> None:
    """Run one of the verbs."""
    if verb == "choose":
        sys.stdout.write(f"{', '.join(choose())}\n")
    elif verb == "belebele":
        _print(belebele(suite_tasks()["belebele-lite"].languages))
    else:
        _print(xquad_r(Path(*names)))


if __name__ == "__main__":
    main(*sys.argv[1:])
