"""The grid of an ablation: arms that differ in some settings of one recipe, with several seeds each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from panglot.errors import BadData
from panglot.score.settings import SCORES
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
    """Seeds of this arm, if they differ from the grid's; a single one means that the arm does not depend on it."""
    alpha: Share | None = None
    """Share of monolingual batches, for arms that form a curve because they differ only in it."""
    searched: bool = True
    """Whether the grid's `search` applies to this arm."""
    debias: tuple[str, ...] | None = None
    """Debiasing methods of this arm, if they differ from the grid's."""

    @property
    def varies(self) -> bool:
        """Whether the arm depends on the seed."""
        return len(self.seeds) != 1


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
    """Pairs of arms to test; all by default. `ARM+METHOD` is an arm with a debiasing method."""
    tasks: tuple[str, ...] = ()
    """Tasks to test on; all by default."""
    measures: tuple[str, ...] = SCORES
    """Measures to test."""
    search: dict[str, tuple[Any, ...]] = {}
    """Settings with the values to choose from: each arm is trained with every combination and the first seed, and keeps
    the one with the best validation score for all its seeds."""
    debias: tuple[str, ...] = ()
    """Debiasing methods with which every arm is scored once more, fitted on NTREX sentences."""

    @model_validator(mode="after")
    def _known(self) -> Ablation:
        unknown = {arm for pair in self.compare for arm in pair} - {name for name, _, _ in self.variants()}
        if unknown:
            raise ValueError(f"compare has unknown arms: {', '.join(sorted(unknown))}")
        return self

    def variants(self) -> Iterator[tuple[str, str, Arm]]:
        """All arms as they are and with each debiasing method: the name of the variant, the method, the arm."""
        for name, arm in self.arms.items():
            yield name, "", arm
            for method in self.methods(name):
                yield variant(name, method), method, arm

    def methods(self, arm: str) -> tuple[str, ...]:
        """The debiasing methods of an arm."""
        own = self.arms[arm].debias
        return self.debias if own is None else own

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of arms to test."""
        return self.compare or tuple(combinations(self.arms, 2))


def variant(arm: str, method: str) -> str:
    """The name of an arm with a debiasing method; without one, that of the arm."""
    return f"{arm}+{method}" if method else arm


class Planned(NamedTuple):
    """A model of an ablation, before training.

    If the grid has a `search`, `recipe` is not decided yet: it becomes that of `options` whose counterpart in `trials`,
    the models of the first seed, has the best validation score. `settings` are the searched ones of each option.
    """

    arm: str
    seed: int
    recipe: Recipe
    settings: tuple[dict[str, Any], ...] = ()
    trials: tuple[Recipe, ...] = ()
    options: tuple[Recipe, ...] = ()
    methods: tuple[str, ...] = ()


def read_ablation(path: Path) -> Ablation:
    """Read an ablation grid.

    :raises MissingData: there is no such file.
    :raises BadData: it is not a valid ablation grid; the message lists all faults.
    """
    content = read_content(path, grids=True)
    if "text" in content:
        raise BadData(f"{path} is a single recipe, not an ablation grid. Run: panglot train {path}")
    try:
        return Ablation.model_validate(content)
    except ValidationError as error:
        raise BadData(f"{path} is not a valid ablation grid: {faults(error, Ablation)}.") from error


def plan(ablation: Ablation, beside: Path, changes: Sequence[str] = ()) -> list[Planned]:
    """All models of a grid, arm by arm and seed by seed; validates every recipe before anything is trained.

    `beside` is the folder of the grid; `changes` are `key=value` settings applied to all recipes.

    :raises MissingData: there is no such recipe.
    :raises BadData: the recipe of an arm is invalid.
    """
    own = beside / ablation.recipe
    content = read_content(own if own.is_file() else Path(ablation.recipe))

    def made(name: str, seed: int, settings: dict[str, Any], suffix: str) -> Recipe:
        own = {**ablation.arms[name].set, **settings, "seed": seed, "name": f"{ablation.name}-{name}-{seed}{suffix}"}
        changed = dict(content)
        for key, value in own.items():
            changed = set_value(changed, key, value)
        return make_recipe(changed, changes, f"arm {name}")

    planned = []
    for name, arm in ablation.arms.items():
        settings = _combinations(ablation.search) if arm.searched else []
        if len(settings) > len(ascii_lowercase):
            raise BadData(
                f"{ablation.name}: search has {len(settings)} combinations of values, but at most "
                f"{len(ascii_lowercase)} are supported."
            )
        suffixes = [f"-{letter}" for letter in ascii_lowercase[: len(settings)]]
        trials, *others = [
            tuple(made(name, seed, own, suffix) for own, suffix in zip(settings, suffixes, strict=True))
            for seed in (ablation.seeds[0], *(arm.seeds or ablation.seeds))
        ]
        if trials and not trials[0].validation.every:
            raise BadData(f"{ablation.name}: search needs validation.every in the recipe.")
        for seed, options in zip(arm.seeds or ablation.seeds, others, strict=True):
            recipe = options[0] if options else made(name, seed, {}, "")
            planned.append(Planned(name, seed, recipe, tuple(settings), trials, options, ablation.methods(name)))
    return planned


def _combinations(search: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every combination of the values to choose from; none without a search."""
    return [dict(zip(search, values, strict=True)) for values in product(*search.values())] if search else []
