"""Read a recipe from a TOML file, apply changes to it, and report all faults."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from panglot.errors import BadData, MissingData
from panglot.toml import fault_message, read_toml
from panglot.train.recipes.recipe import Recipe

_MEMBER = re.compile(r"constrained-\w+|(?:literal|tuple)\[.*\]")
"""The name of a member of a union, which pydantic puts between the keys of a location."""


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` changes to it.

    :raises MissingData: there is no such file.
    :raises BadData: it is not a valid recipe; the message lists all faults.
    """
    content = read_content(path)
    if "arms" in content:
        raise BadData(f"{path} is an ablation grid, not a single recipe. Run: panglot ablate {path}")
    return make_recipe(content, changes, str(path))


def read_content(path: Path, grids: bool = False) -> dict[str, Any]:
    """The content of a recipe or ablation file, or of one in the package with this name.

    `grids` says which of them a message lists.

    :raises MissingData: there is no such file.
    :raises BadData: it is not valid TOML.
    """
    packaged = Path(str(files("panglot.train.recipes") / f"{path.name.removesuffix('.toml')}.toml"))
    found = path if path.is_file() else packaged
    if not found.is_file():
        there = sorted(packaged.parent.glob("*.toml"))
        known = ", ".join(file.stem for file in there if ("arms" in read_toml(file).content) == grids)
        raise MissingData(f"{path} does not exist. {'Ablations' if grids else 'Recipes'} in the package: {known}.")
    return read_toml(found).content


def make_recipe(content: Mapping[str, Any], changes: Sequence[str] = (), where: str = "the recipe") -> Recipe:
    """Apply `key=value` changes to a recipe's content and validate it; `where` names it in messages.

    :raises BadData: the recipe or a change is invalid; the message lists all faults.
    """
    changed = dict(content)
    for change in changes:
        key, separator, value = change.partition("=")
        if not separator or not key:
            raise BadData(f"'{change}' is not of the form key=value, such as training.steps=50.")
        changed = set_value(changed, key, _value(value))
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise BadData(f"{where}: {faults(error, Recipe)}.") from error


def set_value(content: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of the content with one setting changed, given by its path: `training.steps` or `data.0.name`.

    :raises BadData: the path is not valid.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(content))
    *parents, last = key.split(".")
    place: Any = changed
    try:
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise BadData(f"'{key}' is not a setting of the recipe.") from error
    return changed


def _value(text: str) -> Any:
    """The text as a TOML value, or the text itself if it is not one."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def faults(error: ValidationError, model: type[BaseModel]) -> str:
    """All faults that the validation of a model found, each with its location."""
    found: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"] if not _MEMBER.fullmatch(str(part)))
        found.setdefault(where, []).append(fault_message(fault, model))
    return "; ".join(f"{where}: {' or '.join(said)}" if where else "; ".join(said) for where, said in found.items())
