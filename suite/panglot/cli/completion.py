"""What a shell offers after a press of the tab key: names of tasks, suites and models."""

from __future__ import annotations


def complete_task(incomplete: str) -> list[str]:
    """Names of tasks that begin so."""
    from panglot.data.catalogue import all_tasks

    return [task.name for task in all_tasks() if task.name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    """The same for the last name of a list, sets of tasks among them."""
    from panglot.data.catalogue import all_tasks, groups

    before, comma, last = incomplete.rpartition(",")
    names = dict.fromkeys([*groups(), *(task.name for task in all_tasks())])
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


def complete_suite(incomplete: str) -> list[str]:
    """Names of suites that begin so."""
    from panglot.data.catalogue import suites

    return [name for name in suites() if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Models that are named by one word, and what other names begin with."""
    from panglot.encode.registry import KINDS

    spellings = [name if kind.example == name else f"{name}:" for name, kind in KINDS.items()]
    return [spelling for spelling in spellings if spelling.startswith(incomplete)]
