"""Tables of tasks, kinds of models, cached vectors and plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from panglot.cli.view.tables import FoldingTable, facts, prose
from panglot.data.image import IMAGES
from panglot.languages import language_label
from panglot.numbers import percent

if TYPE_CHECKING:
    from panglot.data.catalogue import Suite
    from panglot.data.task import Task
    from panglot.encode.registry import Kind
    from panglot.evaluate.plan import Plan
    from panglot.evaluate.shards.plan import StreamPlan
    from panglot.evaluate.speed import Setting

DISK_FORMS = ("fp32", "fp16", "int8")

LEAST_PROSE = 16
"""Minimum readable width of a text column."""


def task_facts(task: Task) -> dict[str, Any]:
    """Return a task as plain data."""
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


def list_tasks(tasks: Sequence[Task], sets: Mapping[str, Sequence[Task]]) -> RenderableType:
    """One line per task; a set with one task per language takes one line, with totals."""
    table = _table("task", "description", "languages,queries,candidates")
    per_language = {name: members for name, members in sets.items() if _share_no_language(members)}
    set_of = {task.name: name for name, members in per_language.items() for task in members}
    for name, group in groupby(tasks, lambda task: set_of.get(task.name, task.name)):
        members = list(group)
        title = members[0].title
        if name in per_language:
            title = f"{title.rpartition(' (')[0]}; one task per language, e.g. {members[0].name}"
        languages = {language for task in members for language in task.languages}
        numbers = (len(languages), sum(task.queries for task in members), sum(task.candidates for task in members))
        table.add_row(name, title, *(f"{number:,}" for number in numbers))
    return table


def _share_no_language(tasks: Sequence[Task]) -> bool:
    texts = [language for task in tasks for language in task.languages if language != IMAGES]
    return len(tasks) > 1 and len(set(texts)) == len(texts)


def list_suites(suites: Mapping[str, Suite]) -> RenderableType:
    """One line per suite."""
    return facts((name, f"{suite.title} (--suite {name}: {len(suite.tasks)} tasks)") for name, suite in suites.items())


def describe(task: Task) -> RenderableType:
    """Describe one task in full."""
    table = _table("language", numbers="queries,candidates")
    for language, size in task.sizes.items():
        table.add_row(language_label(language), *(f"{number:,}" for number in size))
    table.add_row("all", f"{task.queries:,}", f"{task.candidates:,}", style="bold")
    return _about(task.name, task.title, task, table)


def describe_all(name: str, tasks: Sequence[Task]) -> RenderableType:
    """Describe the tasks of a name; a set with one task per language is described once."""
    if not _share_no_language(tasks) or len({task.note for task in tasks}) > 1:
        return Group(*map(describe, tasks))
    table = _table("task,language", numbers="queries,candidates")
    for task in tasks:
        for language, size in task.sizes.items():
            table.add_row(task.name, language_label(language), *(f"{number:,}" for number in size))
    return _about(name, tasks[0].title.rpartition(" (")[0] or tasks[0].title, tasks[0], table)


def _about(name: str, title: str, task: Task, table: RenderableType) -> RenderableType:
    heading = Text(name, style="bold").append(f"  {title}", style="not bold")
    known = {"headline": task.headline, "licence": task.licence, "cite": task.citation, "fingerprint": task.fingerprint}
    stated = facts((name, value) for name, value in known.items() if value)
    return Group(heading, *([prose(task.note, "")] if task.note else []), stated, table)


def list_kinds(kinds: Iterable[Kind]) -> RenderableType:
    """One line per kind of model."""
    table = _table("model", "description")
    for kind in kinds:
        table.add_row(kind.example, kind.sentence)
    return table


def list_shelves(rows: Sequence[Mapping[str, Any]], root: Path) -> RenderableType:
    """One line per model and role in the vector cache."""
    table = _table("model,revision,role,precision", numbers="shards,MB,days old")
    for row in rows:
        facts = (row["name"], row["revision"], row["role"], row["precision"])
        table.add_row(*facts, str(row["shards"]), f"{row['bytes'] / 1e6:,.1f}", f"{row['days']:.0f}")
    if not rows:
        return Text(f"{root} is empty; runs fill it.")
    total = sum(row["bytes"] for row in rows)
    return Group(table, Text(f"{root}: {total / 1e6:,.1f} MB", style="dim"))


def list_plans(plans: Mapping[str, Plan], price: float) -> RenderableType:
    """Estimated cost of each task."""
    table = _table("task,role", numbers="texts,cached,tokens,tokens/s,time,most truncated")
    lines: list[RenderableType] = [table]
    for name, plan in plans.items():
        for role in plan.roles:
            worst = max(role.truncated.items(), key=lambda item: item[1], default=None)
            cut = f"{worst[0]} {percent(worst[1])}" if worst else "–"
            speed = f"{role.tokens_per_second:,.0f}" if role.tokens_per_second else "–"
            numbers = (f"{role.texts:,}", f"{role.cached:,}", f"{role.tokens:,}", speed)
            label = f"{role.role}, {role.model}" if role.model else role.role
            table.add_row(name, label, *numbers, _time(role.seconds), cut)
        table.add_row(name, "ranking", *4 * ["–"], _time(plan.ranking_seconds), "–")
        stored = f"{plan.dimension}-dimensional vectors" if plan.dimension else "the scores of pairs"
        needs = f"{stored} take {plan.disk_bytes / 1e6:,.0f} MB on disk; " if plan.disk_bytes else ""
        needs = f"{name}: {needs}the run needs about {plan.memory_bytes / 1e6:,.0f} MB of memory on top of the model"
        cost = f"; the API costs {plan.tokens / 1e6 * price:,.4f}" if price else ""
        lines.append(prose(f"{needs}{cost}.", ""))
    return Group(*lines)


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def list_stream_plan(name: str, plan: StreamPlan, workers: int, price: float) -> RenderableType:
    """Estimated cost of a streamed corpus by language."""
    table = _table("language", numbers="passages,tokens,hours")
    for language in plan.languages:
        numbers = (f"{language.passages:,}", f"{language.tokens:,}", f"{language.encode_seconds / 3600:,.1f}")
        table.add_row(language_label(language.language), *numbers)
    disk = ", ".join(f"{plan.disk_bytes(form) / 1e9:,.1f} GB as {form}" for form in DISK_FORMS)
    cost = f" The API costs {plan.tokens / 1e6 * price:,.2f}." if price else ""
    machines = "1 worker" if workers == 1 else f"{workers} workers"
    legend = (
        f"{name}: {plan.passages:,} passages, {plan.tokens:,} tokens. On this machine or its GPU, encoding takes "
        f"{plan.encode_seconds / 3600:,.1f} hours and scoring {plan.scoring_seconds / 3600:,.2f} hours. "
        f"Total with {machines}: {plan.seconds(workers) / 3600:,.1f} hours. "
        f"{plan.dimension}-dimensional vectors take {disk}.{cost}"
    )
    return Group(table, prose(legend, ""))


def list_faster(settings: Sequence[Setting] | None, why_none: str = "") -> RenderableType:
    """Settings that encode faster on this machine than the given ones; None if no others could be measured, and why."""
    if settings is None:
        return prose(f"No other precision or backend was measured: {why_none}.", "")
    if not settings:
        return prose("No other precision or backend was faster on this machine.", "")
    lines = [f"{setting.options} encodes {setting.gain:.1f} times as fast on this machine." for setting in settings]
    return Group(*(prose(line, "") for line in lines))


def _table(names: str, prose: str = "", numbers: str = "") -> FoldingTable:
    """A table with columns of names (never wrapped), prose (wrapped) and numbers."""
    table = FoldingTable()
    for heading in filter(None, names.split(",")):
        table.add_column(heading, no_wrap=True)
    for heading in filter(None, prose.split(",")):
        table.add_column(heading, min_width=LEAST_PROSE)
    for heading in filter(None, numbers.split(",")):
        table.add_column(heading, justify="right", no_wrap=True)
    return table
