"""Shell completion of task, suite and model names."""

from __future__ import annotations


def complete_task(incomplete: str) -> list[str]:
    """Task names with this prefix."""
    from panglot.data.catalogue import all_tasks

    return [task.name for task in all_tasks() if task.name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    """Completions of the last name in a list, including task sets."""
    from panglot.data.catalogue import all_tasks, groups

    before, comma, last = incomplete.rpartition(",")
    names = dict.fromkeys([*groups(), *(task.name for task in all_tasks())])
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


def complete_suite(incomplete: str) -> list[str]:
    """Suite names with this prefix."""
    from panglot.data.catalogue import suites

    return [name for name in suites() if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Built-in models and the prefixes of the other kinds."""
    from panglot.encode.registry import KINDS

    spellings = [name if kind.example == name else f"{name}:" for name, kind in KINDS.items()]
    return [spelling for spelling in spellings if spelling.startswith(incomplete)]
