"""From a TOML file and changes to it to a recipe, with every mistake in words."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from panglot.errors import BadData, MissingData
from panglot.train.recipe import Recipe


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key=value` changes to it.

    :raises MissingData: there is no such file.
    :raises BadData: it is no recipe, with everything that is wrong.
    """
    content = read_content(path)
    if "arms" in content:
        raise BadData(f"{path} is no recipe but an ablation, many of them. Run: panglot ablate {path}")
    return make_recipe(content, changes, str(path))


def read_content(path: Path) -> dict[str, Any]:
    """The content of a recipe's or an ablation's file; a name without a file is one of those in the package.

    :raises MissingData: there is no such file.
    :raises BadData: it is no TOML.
    """
    packaged = Path(str(files("panglot.train") / "recipes" / f"{path.name.removesuffix('.toml')}.toml"))
    found = path if path.is_file() else packaged
    if not found.is_file():
        known = ", ".join(sorted(file.stem for file in packaged.parent.glob("*.toml")))
        raise MissingData(f"There is no file {path}. The package has: {known}.")
    try:
        return tomllib.loads(found.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadData(f"{path} is no TOML file. {error}.") from error


def make_recipe(content: Mapping[str, Any], changes: Sequence[str] = (), where: str = "the recipe") -> Recipe:
    """Check a recipe's content after `key=value` changes.

    :raises BadData: with everything that is wrong.
    """
    changed = dict(content)
    for change in changes:
        key, separator, value = change.partition("=")
        if not separator or not key:
            raise BadData(f"A change is written key=value, as in training.steps=50, not '{change}'.")
        changed = set_value(changed, key, _value(value))
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise BadData(f"{where}: {faults(error)}.") from error


def set_value(content: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The content with one setting changed, which its path names, as in `training.steps` or `data.0.name`.

    :raises BadData: the path leads nowhere.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(content))
    *way, last = key.split(".")
    place: Any = changed
    try:
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise BadData(f"'{key}' leads to no setting of the recipe.") from error
    return changed


def _value(text: str) -> Any:
    """What the text means in TOML; text that means nothing there is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def faults(error: ValidationError) -> str:
    """All that is wrong, each with its place."""
    return "; ".join(_said(fault) for fault in error.errors(include_url=False, include_context=False))


def _said(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
