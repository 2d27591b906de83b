"""An ablation: arms that differ in some settings of one recipe, with several seeds each, compared over clusters.

Finished models and results are reused, so an interrupted ablation resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from panglot.errors import BadData
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.score.bootstrap import draw_clusters, effective, scores_of
from panglot.score.comparison.comparison import Comparison
from panglot.score.comparison.contributions import Contributions, contributions, members_of, with_balance
from panglot.score.comparison.differences import holm
from panglot.score.comparison.paired import compare_contributions
from panglot.score.settings import SCORES, SETTINGS
from panglot.train.ablation.experiment import MEASURES, ArmRow, ArmTitle, Experiment, Interval, RunRow, TestRow
from panglot.train.recipes.part import Share
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import faults, make_recipe, read_content, set_value


class Arm(BaseModel):
    """One variant of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    set: dict[str, Any] = {}
    """Settings by path, such as "sampler.kind" = "mono"."""
    seeds: tuple[int, ...] = ()
    """Seeds of this arm, if they differ from the grid's; one is enough if the arm does not depend on the seed."""
    alpha: Share | None = None
    """Share of monolingual batches, for arms that form a curve because they differ only in it."""


class Ablation(BaseModel):
    """A grid of recipes and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    recipe: str
    """A recipe in the package, or a file in the same folder as the grid."""
    seeds: tuple[int, ...] = (1, 2, 3)
    arms: dict[str, Arm]
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of arms to test; all by default."""

    @model_validator(mode="after")
    def _known(self) -> Ablation:
        unknown = {arm for pair in self.compare for arm in pair} - self.arms.keys()
        if unknown:
            raise ValueError(f"compare has unknown arms: {', '.join(sorted(unknown))}")
        return self


class Planned(NamedTuple):
    """A model of an ablation, before training."""

    arm: str
    seed: int
    recipe: Recipe


class Scored(NamedTuple):
    """A trained model of an ablation, with its result files."""

    planned: Planned
    steps: int
    seconds: float
    validation: float | None
    results: Sequence[Path]


def read_ablation(path: Path) -> Ablation:
    """Read an ablation grid.

    :raises MissingData: there is no such file.
    :raises BadData: it is not a valid ablation grid; the message lists all faults.
    """
    content = read_content(path)
    if "text" in content:
        raise BadData(f"{path} is a single recipe, not an ablation grid. Run: panglot train {path}")
    try:
        return Ablation.model_validate(content)
    except ValidationError as error:
        raise BadData(f"{path} is not a valid ablation grid: {faults(error)}.") from error


def plan(ablation: Ablation, beside: Path, changes: Sequence[str] = ()) -> list[Planned]:
    """All models of a grid, arm by arm and seed by seed; validates every recipe before anything is trained.

    `beside` is the folder of the grid; `changes` are `key=value` settings applied to all recipes.

    :raises MissingData: there is no such recipe.
    :raises BadData: the recipe of an arm is invalid.
    """
    own = beside / ablation.recipe
    content = read_content(own if own.is_file() else Path(ablation.recipe))
    planned = []
    for name, arm in ablation.arms.items():
        for seed in arm.seeds or ablation.seeds:
            settings = dict(content)
            for key, value in {**arm.set, "seed": seed, "name": f"{ablation.name}-{name}-{seed}"}.items():
                settings = set_value(settings, key, value)
            planned.append(Planned(name, seed, make_recipe(settings, changes, f"arm {name}")))
    return planned


def summarise(ablation: Ablation, scored: Sequence[Scored]) -> Experiment:
    """Summarise the results of an ablation's models; arms without a model are omitted.

    :raises BadResult: a result or its evidence cannot be read.
    """
    made = {model.planned.arm for model in scored}
    ablation = ablation.model_copy(
        update={
            "arms": {name: arm for name, arm in ablation.arms.items() if name in made},
            "seeds": tuple(sorted({model.planned.seed for model in scored})),
            "compare": tuple(pair for pair in _pairs(ablation) if made.issuperset(pair)),
        }
    )
    runs = [row for model in scored for row in _run_rows(model)]
    shares: dict[tuple[str, str], list[Contributions]] = {
        (model.planned.arm, task): [] for model in scored for task in _tasks(model)
    }
    for model in scored:
        for path in model.results:
            result = read_result_record(path)
            shares[model.planned.arm, result.task.name].append(contributions(read_evidence(path), result.task.headline))
    means = [_arm_row(arm, task, parts, runs) for (arm, task), parts in shares.items()]
    results = [read_result_record(path) for model in scored for path in model.results]
    return Experiment(
        name=ablation.name,
        title=ablation.title,
        base=Path(scored[0].planned.recipe.text.base or "scratch").name,
        metric={result.task.name: result.task.headline for result in results},
        arms=tuple(ArmTitle(name, arm.title, arm.alpha) for name, arm in ablation.arms.items()),
        seeds=ablation.seeds,
        runs=tuple(runs),
        means=tuple(means),
        tests=tuple(_tests(ablation, shares, runs)),
    )


def _pairs(ablation: Ablation) -> tuple[tuple[str, str], ...]:
    return ablation.compare or tuple(combinations(ablation.arms, 2))


def _tasks(model: Scored) -> list[str]:
    return [path.stem for path in model.results]


def _run_rows(model: Scored) -> Iterator[RunRow]:
    for path in model.results:
        result = read_result_record(path)
        yield RunRow(
            arm=model.planned.arm,
            seed=model.planned.seed,
            recipe=model.planned.recipe.digest,
            steps=model.steps,
            seconds=model.seconds,
            validation=model.validation,
            task=result.task.name,
            scores=_measures(result),
        )


def _measures(result: ResultRecord) -> dict[str, float]:
    headline = result.task.headline
    found = {setting: result.settings.get(setting, {}).get(headline) for setting in SETTINGS}
    found["balance"] = result.balance.get(headline)
    found |= {name: result.bias.get(name) for name in MEASURES[len(SCORES) :]}
    return {name: score.value for name, score in found.items() if score is not None}


def _arm_row(arm: str, task: str, parts: Sequence[Contributions], runs: Sequence[RunRow]) -> ArmRow:
    values = [row.scores for row in runs if (row.arm, row.task) == (arm, task)]
    names = [name for name in MEASURES if all(name in scores for scores in values)]
    table = {name: [scores[name] for scores in values] for name in names}
    drawn = np.mean([_drawn(part) for part in parts], axis=0)
    clusters = effective(parts[0].weights(members_of(len(parts[0].languages))[: len(SETTINGS)]))
    intervals = zip(SCORES, scores_of(drawn, np.append(clusters, clusters.min())).tolist(), strict=True)
    return ArmRow(
        arm=arm,
        task=task,
        seeds=len(values),
        means={name: float(np.mean(found)) for name, found in table.items()},
        spread={name: float(np.std(found, ddof=1)) for name, found in table.items() if len(found) > 1},
        intervals={name: Interval(*three) for name, three in intervals if name in names and not np.isnan(three).any()},
    )


def _drawn(part: Contributions) -> np.ndarray:
    """Mono, cross, multi and balance for the data and its bootstrap draws, [1 + draws, 4]."""
    settings = members_of(len(part.languages))[: len(SETTINGS)]
    return with_balance(part.drawn(draw_clusters(len(part.total)), settings))


def _tests(
    ablation: Ablation, shares: Mapping[tuple[str, str], list[Contributions]], runs: Sequence[RunRow]
) -> list[TestRow]:
    """Tests of every pair of arms on every task and setting, Holm-corrected together."""
    rows: list[TestRow] = []
    for task in dict.fromkeys(task for _, task in shares):
        for one, other in ablation.compare:
            parts = shares.get((one, task)), shares.get((other, task))
            if parts[0] and parts[1]:
                comparison = compare_contributions(_mean(parts[0]), _mean(parts[1]), "")
                rows += _test_rows(comparison, one, other, task, runs)
    corrected = holm(np.array([row.p for row in rows]))
    return [row.model_copy(update={"p": float(p)}) for row, p in zip(rows, corrected, strict=True)]


def _test_rows(comparison: Comparison, one: str, other: str, task: str, runs: Sequence[RunRow]) -> Iterator[TestRow]:
    by_seed = {
        arm: {row.seed: row.scores for row in runs if (row.arm, row.task) == (arm, task)} for arm in (one, other)
    }
    cells = comparison.by_setting
    seeds = by_seed[one].keys() & by_seed[other].keys()
    for place, setting in enumerate(SCORES):
        scored = all(setting in by_seed[arm][seed] for arm in (one, other) for seed in seeds)
        if not scored or np.isnan(cells.p[place]):
            continue
        difference = float(cells.difference[place])
        agreeing = [(by_seed[other][s][setting] - by_seed[one][s][setting]) * difference > 0 for s in seeds]
        yield TestRow(
            one=one,
            other=other,
            task=task,
            setting=setting,
            difference=difference,
            low=None if np.isnan(cells.low[place]) else float(cells.low[place]),
            high=None if np.isnan(cells.high[place]) else float(cells.high[place]),
            p=float(cells.p[place]),
            agreeing=sum(agreeing),
        )


def _mean(parts: Sequence[Contributions]) -> Contributions:
    """The seeds of an arm as one model, which scores their mean on each question (scores are linear in these)."""
    return replace(parts[0], total=np.mean([part.total for part in parts], axis=0))
