"""Mutation testing: how many small mistakes in what turns scores into numbers their quick tests notice.

`make mutation`, or `python -m benchmarks.mutation MODULE ...` for some of the modules in pyproject.toml. Which mutants
survive, and why, is in docs/decisions/09-mutation-testing.md.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutation"
LEAST = 0.92
ON_IMPORT = re.compile(r"\.bias\.measures\.x_(_measure|_column|_part|_mean_of|_always)__")
"""Functions that only make the table of bias measures: it is imported before mutmut chooses a mutant of them."""


def undecorated(source: str) -> str:
    """The source with each property made of a plain method after it: mutmut leaves decorated ones alone."""
    lines = source.splitlines(keepends=True)
    properties = [
        (node, node.decorator_list[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    for node, decorator in sorted(properties, key=lambda pair: -pair[0].lineno):
        if isinstance(decorator, ast.Name) and decorator.id in ("property", "cached_property"):
            lines.insert(node.end_lineno or 0, f"    {node.name} = {decorator.id}({node.name})\n")
            del lines[decorator.lineno - 1]
    return "".join(lines)


def copy_tree(modules: list[str]) -> None:
    """Copy what the tests need to a folder of its own; mutmut imports mutated packages from a folder named `src` only.

    The settings are those of the project, for these modules alone.
    """
    shutil.rmtree(COPY, ignore_errors=True)
    for folder, name in (("suite", "src"), ("tasks", "tasks"), ("tests", "tests")):
        shutil.copytree(ROOT / folder, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    settings = re.sub(r"(?m)^only_mutate = \[[^\]]*\]", f"only_mutate = {modules}", settings)
    (COPY / "pyproject.toml").write_text(settings, "utf-8")
    for module in modules:
        path = COPY / module
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")


def verdicts() -> dict[str, str]:
    """What became of each mutant."""
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run"], cwd=COPY, check=True)
    listed = subprocess.run([*mutmut, "results", "--all", "true"], cwd=COPY, check=True, capture_output=True, text=True)
    found = dict(line.strip().split(": ", 1) for line in listed.stdout.splitlines() if ": " in line)
    return {key: verdict for key, verdict in found.items() if not ON_IMPORT.search(key)}


def main() -> int:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]["only_mutate"]
    modules = sys.argv[1:] or listed
    copy_tree(modules)
    found = verdicts()
    enough = True
    print(f"\n{'module':<40}{'mutants':>8}{'noticed':>9}")
    for module in modules:
        name = module.removeprefix("src/").removesuffix(".py").replace("/", ".")
        count = Counter(
            verdict in ("killed", "timeout") for key, verdict in found.items() if key.startswith(f"{name}.")
        )
        share = count[True] / count.total()
        enough &= share >= LEAST
        print(f"{module:<40}{count.total():>8}{count[True]:>9}{share:>7.1%}")
    print(f"\nThe others; see one with: cd {COPY.relative_to(ROOT)} && mutmut show NAME")
    print(*(f"  {key}: {verdict}" for key, verdict in found.items() if verdict not in ("killed", "timeout")), sep="\n")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
