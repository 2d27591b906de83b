"""Tables of what there is to choose from: tasks and kinds of models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from suite.encoder import Kind
    from suite.task import Task


def task_facts(task: Task) -> dict[str, Any]:
    """A task as plain data."""
    return {
        "name": task.name,
        "title": task.title,
        "languages": {language: size._asdict() for language, size in task.sizes.items()},
        "queries": task.queries,
        "candidates": task.candidates,
        "headline": task.headline,
        "fingerprint": task.fingerprint,
        "licence": task.licence,
        "citation": task.citation,
        "note": task.note,
    }


def list_tasks(tasks: Sequence[Task]) -> RenderableType:
    """One line a task."""
    table = _table("task", "asks", "languages", "queries", "candidates", "headline")
    for task in tasks:
        numbers = (len(task.languages), task.queries, task.candidates)
        table.add_row(task.name, task.title, *(f"{number:,}" for number in numbers), task.headline)
    return table


def describe(task: Task) -> RenderableType:
    """All about one task."""
    table = _table("language", "queries", "candidates")
    for language, size in task.sizes.items():
        table.add_row(language, *(f"{number:,}" for number in size))
    table.add_row("all", f"{task.queries:,}", f"{task.candidates:,}", style="bold")
    lines = [Text(task.name, style="bold").append(f"  {task.title}", style="not bold"), Text(task.note)]
    facts = {"headline": task.headline, "licence": task.licence, "cite": task.citation, "fingerprint": task.fingerprint}
    lines += [Text(f"{name:<12}", style="dim").append(value, style="not dim") for name, value in facts.items()]
    return Group(*(line for line in lines if line.plain), table)


def list_kinds(kinds: Iterable[Kind]) -> RenderableType:
    """One line for each way of naming a model."""
    table = _table("model", "what it is")
    for kind in kinds:
        table.add_row(kind.example, kind.sentence)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in headings:
        numeric = heading in ("languages", "queries", "candidates")
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    return table
