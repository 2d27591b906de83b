"""Mutation testing: how many small mistakes in the counting, the metrics and the means their quick tests notice.

`make mutation`; which mutants survive, and why, is in docs/decisions/09-mutation-testing.md.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutation"
LEAST = 0.90


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
    """Put what the tests need where nobody else reads it."""
    shutil.rmtree(COPY, ignore_errors=True)
    for folder in ("suite", "tasks", "tests"):
        shutil.copytree(ROOT / folder, COPY / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", COPY)
    for module in modules:
        path = COPY / module
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")


def verdicts() -> dict[str, str]:
    """What became of each mutant."""
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run"], cwd=COPY, check=True)
    listed = subprocess.run([*mutmut, "results", "--all", "true"], cwd=COPY, check=True, capture_output=True, text=True)
    return dict(line.strip().split(": ", 1) for line in listed.stdout.splitlines() if ": " in line)


def main() -> int:
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]["only_mutate"]
    copy_tree(modules)
    found = verdicts()
    enough = True
    print(f"\n{'module':<24}{'mutants':>8}{'noticed':>9}")
    for module in modules:
        name = module.removesuffix(".py").replace("/", ".")
        count = Counter(
            verdict in ("killed", "timeout") for key, verdict in found.items() if key.startswith(f"{name}.")
        )
        share = count[True] / count.total()
        enough &= share >= LEAST
        print(f"{module:<24}{count.total():>8}{count[True]:>9}{share:>7.1%}")
    print(f"\nThe others; see one with: cd {COPY.relative_to(ROOT)} && mutmut show NAME")
    print(*(f"  {key}: {verdict}" for key, verdict in found.items() if verdict not in ("killed", "timeout")), sep="\n")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
