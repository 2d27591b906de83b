"""Imports that import-linter cannot see: modules loaded by name. They keep the order of the rooms too."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from panglot.encode.registry import KINDS
from tests.helpers.layout import ROOT

SOURCE = ROOT / "suite"
FILES = sorted((SOURCE / "panglot").rglob("*.py"))
DOTTED = re.compile(r"panglot(?:\.\w+)+(?::\w+)?")
"""What names a module or something in it: `panglot.encode.kinds.use:load`."""

DOORS = {
    "panglot/__init__.py": "the public names, when they are first used",
    "panglot/data/catalogue.py": "tasks of installed packages",
    "panglot/data/readers/registry.py": "readers of installed packages",
    "panglot/encode/registry.py": "kinds of models: the suite's own, whose names are checked below, and others",
    "panglot/encode/kinds/function.py": "a module that the user names after py:",
    "panglot/score/metrics.py": "metrics of installed packages",
}
"""The only files that load a module by its name, and what for."""


class Named(NamedTuple):
    """A string that names something of the package, and the file in which it stands."""

    file: Path
    name: str

    @property
    def target(self) -> Path | None:
        """The file of the module that is named; none if there is no such module."""
        path = SOURCE.joinpath(*self.name.partition(":")[0].split("."))
        return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def rooms() -> dict[str, int]:
    """The floor of each room, the lowest 0, as import-linter's contract has it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in settings["tool"]["importlinter"]["contracts"] if c["name"].startswith("Rooms"))
    floors = [*reversed(contract["layers"]), "panglot.__init__ : panglot.__main__"]
    return {room.strip(): floor for floor, layer in enumerate(floors) for room in layer.split(":")}


def room_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts[:2])


def loads_by_name(source: str) -> bool:
    """Whether it calls something that imports a module by a name that is only known when it runs."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("import_module", "__import__", "resolve_name", "exec_module", "run_module", "EntryPoint"):
            return True
        if isinstance(call.func, ast.Attribute) and name == "load" and not call.args:  # of an entry point
            return True
    return False


def names_in(file: Path) -> Iterator[Named]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield Named(file, node.value)


def is_there(named: Named) -> bool:
    """Whether the module exists and defines what the name asks of it."""
    attribute = named.name.partition(":")[2]
    if named.target is None:
        return False
    tree = ast.parse(named.target.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return not attribute or attribute in defined


def goes_down(named: Named) -> bool:
    """Whether the order of the rooms allows the file to import what it names."""
    floors, own, other = rooms(), room_of(named.file), room_of(named.target or named.file)
    return own == other or floors[own] > floors[other]


@pytest.fixture(scope="module")
def named() -> list[Named]:
    """Every string of the code that names a module of the package; entry points' groups, as `panglot.tasks`, do not."""
    return [name for file in FILES for name in names_in(file) if ":" in name.name or name.target]


def test_every_room_has_its_floor() -> None:
    known = rooms()
    assert {room_of(file) for file in FILES} <= set(known)


def test_modules_are_loaded_by_name_only_in_known_files() -> None:
    found = {str(file.relative_to(SOURCE)) for file in FILES if loads_by_name(file.read_text(encoding="utf-8"))}
    assert found == set(DOORS)


@pytest.mark.parametrize(
    "line", ['import_module("panglot.cli")', '__import__("json")', "entry.load()", 'importlib.import_module("a")']
)
def test_loading_by_name_is_found_however_it_is_written(line: str) -> None:
    assert loads_by_name(line)


def test_every_name_of_a_module_is_there(named: list[Named]) -> None:
    assert [name for name in named if not is_there(name)] == []
    assert {kind.load for kind in KINDS.values()} <= {name.name for name in named}


def test_no_name_of_a_module_goes_up(named: list[Named]) -> None:
    assert [name for name in named if not goes_down(name)] == []


def test_a_name_that_goes_up_or_nowhere_is_found() -> None:
    file = SOURCE / "panglot" / "encode" / "registry.py"
    assert not goes_down(Named(file, "panglot.train.run.train:train"))
    assert not is_there(Named(file, "panglot.encode.kinds.use:gone"))
    assert not is_there(Named(file, "panglot.encode.kinds.gone:load"))


def test_the_command_is_there() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for target in settings["project"]["scripts"].values():
        assert is_there(Named(ROOT / "pyproject.toml", target))
