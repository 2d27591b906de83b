"""Make the tables of the pages of `PAGES` anew from the code: python docs/tables.py (or make readme)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from leaderboard_app.tables.definitions import bias_measures
from panglot.data.catalogue import all_tasks, groups, suites
from panglot.data.image import IMAGES
from panglot.data.task import Task
from panglot.encode.registry import KINDS
from panglot.score.metrics import FAMILIES, NAMES
from panglot.trust.levels import MEANINGS

ROOT = Path(__file__).parents[1]


def with_tables(text: str, tables: Mapping[str, Callable[[], list[str]]] | None = None) -> str:
    """The text with what stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->` made again."""
    for name, table in (TABLES if tables is None else tables).items():
        between = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if between.search(text):
            made = "".join(f"{line}\n" for line in ("", *table(), ""))
            text = between.sub(lambda found, made=made: f"{found[1]}{made}{found[2]}", text)
    return text


def tasks() -> list[str]:
    """A row for each task; those on one set of images and captions share a row."""
    sets = {task.name: (name, group) for name, group in groups().items() if name not in suites() for task in group}
    together = dict(sets.get(task.name, (task.name, (task,))) for task in all_tasks())
    rows = (_task_row(name, group) for name, group in together.items())
    return as_table(("task", "languages", "queries", "candidates", "headline", "licence of the data"), rows)


def _task_row(name: str, group: Sequence[Task]) -> tuple[str, ...]:
    task = group[0]
    directions = ", ".join(f"`{other.name.removeprefix(name)}`" for other in group)
    languages = [language for language in task.languages if language != IMAGES]
    asked, offered = f"{task.queries:,}", f"{task.candidates:,}"
    if task.has_images:
        asked, offered = f"{asked} captions", f"{offered} images"
    named = f"`{name}` ({directions})" if task.has_images else f"`{name}`"
    return named, str(len(languages)), asked, offered, f"`{task.headline}`", task.licence


def models() -> list[str]:
    """A row for each way of naming a model, as `panglot models` lists them."""
    return as_table(("model", "what it is"), ((f"`{kind.example}`", kind.sentence) for kind in KINDS.values()))


def metrics() -> list[str]:
    """A row for each family of metrics."""
    return as_table(("metric", "what it is, of one query"), _families())


def _families() -> Iterator[tuple[str, str]]:
    for family, group in groupby(NAMES, lambda name: name.partition("@")[0]):
        names = list(group)
        cuts = [cut for _, _, cut in (name.partition("@") for name in names) if cut]
        cut = "k" if len(names) > 1 else "".join(cuts)
        yield ", ".join(f"`{name}`" for name in names), FAMILIES[family].describe(cut)


def bias() -> list[str]:
    """A row for each measure of language bias."""
    return as_table(("measure", "what it is"), ((f"`{name}`", said) for name, said in bias_measures().items()))


def levels() -> list[str]:
    """A row for each level of trust, in rising order."""
    return as_table(("level", "what it means"), ((name, said) for name, said in MEANINGS.items()))


def tree() -> list[str]:
    """A table for each package, in the order in which rooms and their modules build on each other."""
    order = {name: number for number, name in enumerate(_order())}
    last = len(order)

    def place(path: Path) -> tuple[int, str]:
        dotted = _dotted(path)
        within = (number for name, number in order.items() if name.startswith(f"{dotted}."))
        return order.get(dotted, min(within, default=last)), dotted  # a folder stands where its lowest file does

    lines = []
    for package in _packages(lambda folder: place(folder)):
        paths = [path for path in package.glob("*.py") if not path.stem.startswith("__")]
        rows = as_table(("file", "what it is"), map(_module_row, sorted(paths, key=place)))
        if paths:
            lines += ["", f"## `{package.relative_to(ROOT).as_posix()}/`", "", *rows]
    return lines[1:]


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("suite.")


def _packages(place: Callable[[Path], tuple[int, str]]) -> Iterator[Path]:
    """Folders with code: the rooms of the package from the ground floor up, each followed by what is in it."""
    for top in ("suite/panglot", "leaderboard_app", "examples"):
        folders = {path.parent for path in (ROOT / top).rglob("*.py")}
        yield from sorted(folders, key=lambda folder: (_room(folder, place), place(folder)))


def _room(folder: Path, place: Callable[[Path], tuple[int, str]]) -> tuple[int, str]:
    """Where a folder's room stands among the rooms; the package itself comes first."""
    parts = _dotted(folder).split(".")
    return place(ROOT / "suite" / Path(*parts[:2])) if len(parts) > 1 else (-1, "")


def _order() -> list[str]:
    """Rooms and modules from the ground floor up, as the contracts of import-linter order them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = [layer for contract in contracts if contract["type"] == "layers" for layer in reversed(contract["layers"])]
    return [name for layer in layers for name in layer.split(" : ")]


def _module_row(path: Path) -> tuple[str, str]:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"`{path.name}`", " ".join(said.split("\n\n")[0].split()).replace("|", r"\|")


def as_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A Markdown table, line by line."""
    return [f"| {' | '.join(row)} |" for row in (headings, ("---",) * len(headings), *rows)]


TABLES: Mapping[str, Callable[[], list[str]]] = {
    function.__name__: function for function in (tasks, models, metrics, bias, levels, tree)
}
PAGES = tuple(ROOT / "docs" / f"{name}.md" for name in ("catalogue", "evidence", "tree"))

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
