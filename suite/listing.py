"""Tables of what there is to choose from: tasks and kinds of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from suite.encoder import Kind
    from suite.plan import Plan
    from suite.stream_plan import StreamPlan
    from suite.task import Task

DISK_FORMS = ("fp32", "fp16", "int8")

NUMERIC = frozenset(
    {
        "languages",
        "queries",
        "candidates",
        "shards",
        "MB",
        "days old",
        "texts",
        "cached",
        "tokens",
        "time",
        "passages",
        "hours",
    }
)
"""Headings of columns of numbers."""


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


def list_shelves(rows: Sequence[Mapping[str, Any]], root: Path) -> RenderableType:
    """One line for each model and role in the vector cache."""
    table = _table("model", "revision", "role", "precision", "shards", "MB", "days old")
    for row in rows:
        facts = (row["name"], row["revision"], row["role"], row["precision"])
        table.add_row(*facts, str(row["shards"]), f"{row['bytes'] / 1e6:,.1f}", f"{row['days']:.0f}")
    total = sum(row["bytes"] for row in rows)
    return Group(table, Text(f"{root}: {total / 1e6:,.1f} MB", style="dim"))


def list_plans(plans: Mapping[str, Plan | None], price: float) -> RenderableType:
    """What each task would take."""
    table = _table("task", "role", "texts", "cached", "tokens", "time", "most truncated")
    lines: list[RenderableType] = [table]
    for name, plan in plans.items():
        if plan is None:
            lines.append(Text(f"{name}: this model makes no vectors; it takes seconds."))
            continue
        for role in plan.roles:
            worst = max(role.truncated.items(), key=lambda item: item[1], default=None)
            cut = f"{worst[0]} {worst[1]:.1%}" if worst else "–"
            numbers = (f"{role.texts:,}", f"{role.cached:,}", f"{role.tokens:,}")
            table.add_row(name, role.role, *numbers, str(timedelta(seconds=round(role.seconds))), cut)
        needs = f"{name}: vectors of {plan.dimension} take {plan.disk_bytes / 1e6:,.0f} MB on disk, "
        needs += f"the run about {plan.memory_bytes / 1e6:,.0f} MB of memory beside the model"
        cost = f", the API {plan.tokens / 1e6 * price:,.4f}" if price else ""
        lines.append(Text(f"{needs}{cost}."))
    return Group(*lines)


def list_stream_plan(name: str, plan: StreamPlan, workers: int, price: float) -> RenderableType:
    """What a corpus would take, language by language."""
    table = _table("language", "passages", "tokens", "hours")
    for language in plan.languages:
        numbers = (f"{language.passages:,}", f"{language.tokens:,}", f"{language.encode_seconds / 3600:,.1f}")
        table.add_row(language.language, *numbers)
    disk = ", ".join(f"{plan.disk_bytes(form) / 1e9:,.1f} GB as {form}" for form in DISK_FORMS)
    cost = f" An API would cost {plan.tokens / 1e6 * price:,.2f}." if price else ""
    said = (
        f"{name}: {plan.passages:,} passages, {plan.tokens:,} tokens. Encoding takes {plan.encode_seconds / 3600:,.1f} "
        f"hours of this machine or its GPU, and the products {plan.product_seconds / 3600:,.2f}; with "
        f"{workers} like it {plan.seconds(workers) / 3600:,.1f} in all. Vectors of {plan.dimension} take {disk}.{cost}"
    )
    return Group(table, Text(said))


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in headings:
        numeric = heading in NUMERIC
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    return table
