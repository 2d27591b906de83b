"""The first page's tables: models and tasks, one headline each.

Models are ordered by what they have in common: each is set beside every other on the tasks that both have, so a mean is
never taken over different tasks.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.board import SCORES, Row, names_of
from leaderboard_app.tables.formats import number_of_parameters, plus_minus, span
from leaderboard_app.tables.links import address_of, model_link, reported_link
from panglot.arrays import Floats
from panglot.data.catalogue import suite_tasks
from panglot.data.image import IMAGES
from panglot.interop.field import Field, values_of
from panglot.numbers import NOTHING
from panglot.score.bootstrap import Score
from panglot.score.comparison.standings import Standing

ORDER = (
    "A model beats another if its mean rank over the tasks that both have is better. Models are ordered by how many "
    "others they beat, less how many beat them."
)
REPORTED_BY = "ndcg@10"
"""The metric of reported rows."""


class Task(NamedTuple):
    """A column: a task, what its numbers are, and where all of it is shown."""

    name: str
    about: str
    link: str


class Cell(NamedTuple):
    """A model's score on a task, and how it stands there if it has verified evidence."""

    score: Score
    standing: Standing | None = None


class Line(NamedTuple):
    """A model with its cells by task; `link` leads to all that is known about it."""

    name: str
    note: str
    link: str
    cells: Mapping[str, Cell]


class Front(NamedTuple):
    """Models, best first, on tasks."""

    tasks: tuple[Task, ...]
    lines: tuple[Line, ...]
    best: Mapping[str, float]
    """The best score on each task."""
    ahead: tuple[tuple[float, int], ...]
    """Of each model the number of others that it is ahead of, and of those that it shares a task with."""


def usual_setting(rows: Iterable[Row]) -> str:
    """The setting that models of a task are ranked by unless a reader chooses another."""
    there = {name for row in rows for name in row}
    return next((name for name in SCORES if name in there), SCORES[0])


def ahead_of(ranks: Floats) -> tuple[Floats, Floats]:
    """Of each model the number of others that it is ahead of, ties counting half, and of those it shares a task with.

    :param ranks: [models, tasks], NaN where a model lacks a task
    """
    there = np.isfinite(ranks)
    known = np.where(there, ranks, 0.0)
    theirs = known @ there.T.astype(float)  # the sum of each model's ranks over the tasks that another has, too
    shared = there.astype(float) @ there.T.astype(float) > 0
    np.fill_diagonal(shared, False)
    better = np.where(shared, (theirs < theirs.T) + 0.5 * (theirs == theirs.T), 0.0)
    return better.sum(axis=1), shared.sum(axis=1).astype(float)


def ordered(tasks: Sequence[Task], lines: Sequence[Line]) -> Front:
    """The models in the order of `ORDER`; tasks that no model has are left out."""
    kept = tuple(task for task in tasks if any(task.name in line.cells for line in lines))
    values = np.array(
        [[line.cells[task.name].score.value if task.name in line.cells else np.nan for task in kept] for line in lines]
    ).reshape(len(lines), len(kept))
    ranks = np.where(np.isfinite(values), 1.0 + (values[None] > values[:, None]).sum(axis=1), np.nan)
    wins, others = ahead_of(ranks)
    lead = 2 * wins - others
    order = sorted(range(len(lines)), key=lambda place: (-lead[place], -len(lines[place].cells), lines[place].name))
    ahead = [(float(wins[place]), int(others[place])) for place in order]
    best = dict(zip((task.name for task in kept), np.nanmax(values, axis=0).tolist(), strict=True)) if lines else {}
    return Front(kept, tuple(lines[place] for place in order), best, tuple(ahead))


def front_of_entries(
    entries: Sequence[Entry], scores: Mapping[str, Mapping[str, Row]], standings: Mapping[str, Iterable[Standing]]
) -> Front:
    """Results measured here or printed in papers, by task their rows and how they stand."""
    models: dict[str, dict[str, Cell]] = {}
    firsts: dict[str, Entry] = {}
    tasks = []
    for task, rows in scores.items():
        here = [entry for entry in entries if entry.task == task and entry.id in rows]
        setting = usual_setting(rows[entry.id] for entry in here)
        placed = {each.name: each for each in standings.get(task, ())}
        for entry in here:
            if setting in rows[entry.id]:
                firsts.setdefault(entry.folder, entry)
                cell = Cell(rows[entry.id][setting], placed.get(entry.id))
                models.setdefault(entry.folder, {})[task] = cell
        if here:
            tasks.append(Task(task, f"{here[0].headline}, {setting}", address_of("overview", task=task)))
    names = dict(zip(firsts, names_of(list(firsts.values())), strict=True))
    lines = [
        Line(
            names[folder],
            _note(firsts[folder].organisation, firsts[folder].parameters),
            model_link(firsts[folder].task, folder),
            cells,
        )
        for folder, cells in models.items()
    ]
    return ordered(tasks, lines)


def front_of_field(field: Field) -> Front:
    """Models that others reported, by their means within languages."""
    lines: dict[str, Line] = {}
    tasks = []
    for task in (name for name in suite_tasks() if name in field.models()):
        tasks.append(Task(task, f"{REPORTED_BY}, mono", address_of("field", on=task)))
        for (model, revision), (value, parameters) in _means(field, task).items():
            id_ = f"{model}@{revision}"
            organisation, _, name = model.rpartition("/")
            if id_ not in lines:
                link = reported_link(task, model, revision)
                lines[id_] = Line(name, _note(organisation, parameters), link, {})
            cells = {**lines[id_].cells, task: Cell(Score(value, None, None))}
            lines[id_] = lines[id_]._replace(cells=cells)
    return ordered(tasks, list(lines.values()))


def _means(field: Field, task: str) -> dict[tuple[str, str], tuple[float, int | None]]:
    """By model and revision, the mean of `mono` and the number of parameters; models that lack a language are left out.

    These are the means of `panglot.score.pivot`, without the cells that they are not made of.
    """
    rows = field.of(task)
    query, candidate = (rows[name].cast(pa.string()) for name in ("query", "candidate"))
    asked = len(query.unique())
    rows = rows.filter(pc.or_(pc.equal(query, candidate), pc.equal(candidate, IMAGES)))
    rows = rows.append_column("value", pa.array(values_of(rows, REPORTED_BY)))
    groups = rows.group_by(["model", "revision"], use_threads=False).aggregate(
        [("value", "mean"), ("value", "count"), ("parameters", "max")]
    )
    return {
        (row["model"], row["revision"]): (row["value_mean"], row["parameters_max"])
        for row in groups.to_pylist()
        if row["value_count"] == asked and row["value_mean"] == row["value_mean"]
    }


def found_in(front: Front, searched: str) -> Front:
    """The models whose name or organisation holds what a reader searches for, in their order."""
    if not searched:
        return front
    pairs = zip(front.lines, front.ahead, strict=True)
    kept = [(line, ahead) for line, ahead in pairs if searched.casefold() in f"{line.note} {line.name}".casefold()]
    return front._replace(lines=tuple(line for line, _ in kept), ahead=tuple(ahead for _, ahead in kept))


def as_html(front: Front, name: str, most: int) -> str:
    """The first models as a table that scrolls sideways; the best of a task in bold, text of strangers escaped."""
    heads = "".join(
        f'<th scope="col"><a href="{html.escape(task.link)}">{html.escape(task.name)}</a> ↑'
        f"<small>{html.escape(task.about)}</small></th>"
        for task in front.tasks
    )
    body = []
    for line, (wins, others) in list(zip(front.lines, front.ahead, strict=True))[:most]:
        cells = "".join(_cell(line.cells.get(task.name), front.best[task.name]) for task in front.tasks)
        ahead = f"{wins:,g} of {others:,}" if others else NOTHING
        body.append(
            f'<tr><th scope="row"><a href="{html.escape(line.link)}">{html.escape(line.name)}</a>'
            f"<small>{html.escape(line.note)}</small></th>{cells}"
            f"<td>{ahead}</td><td>{len(line.cells)} of {len(front.tasks)}</td></tr>"
        )
    return (
        f'<div class="front" role="region" aria-label="{html.escape(name)}" tabindex="0"><table>'
        f'<thead><tr><th scope="col">model</th>{heads}<th scope="col">beats<small>models</small></th>'
        f'<th scope="col">tasks</th></tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def tasks_html(line: Line, tasks: Sequence[Task]) -> str:
    """What one model scores on each of its tasks, one row each, as a table like those of the first page."""
    rows = "".join(
        f'<tr><th scope="row"><a href="{html.escape(task.link)}">{html.escape(task.name)}</a>'
        f"<small>{html.escape(task.about)}</small></th>{_cell(line.cells[task.name], math.inf)}</tr>"
        for task in tasks
        if task.name in line.cells
    )
    return (
        f'<div class="front" role="region" aria-label="Tasks" tabindex="0"><table><tbody>{rows}</tbody></table></div>'
    )


def place_html(id_: str, setting: str, ranked: Sequence[Standing], entries: Mapping[str, Entry]) -> str:
    """Where a result stands on its task, and who stands next to it; empty where it has no rank."""
    place = next((place for place, each in enumerate(ranked) if each.name == id_), None)
    if place is None:
        return ""
    names = dict(zip(entries, names_of(list(entries.values())), strict=True))
    here = ranked[place]
    words = f"Rank <b>{here.place}</b> of {len(ranked):,} by {setting}"
    if here.low < here.high:
        words += f", 95 % interval {here.low} to {here.high}"
    sides = (("Ahead of it", ranked[max(place - 2, 0) : place]), ("Behind it", ranked[place + 1 : place + 3]))
    for side, others in sides:
        links = [_neighbour(entries[each.name], names[each.name]) for each in others if each.name in entries]
        words += f". {side}: {' · '.join(links)}" if links else ""
    return f'<p class="place">{words}.</p>'


def _neighbour(entry: Entry, name: str) -> str:
    link = html.escape(model_link(entry.task, entry.folder))
    return f'<a href="{link}">{html.escape(name)}</a>'


def _cell(cell: Cell | None, best: float) -> str:
    if cell is None:
        return f"<td>{NOTHING}</td>"
    shown = plus_minus(*cell.score)
    bold = f"<b>{shown}</b>" if cell.score.value == best else shown
    standing = cell.standing
    return f"<td>{bold}<small>rank {span(standing.low, standing.high)}</small></td>" if standing else f"<td>{bold}</td>"


def _note(organisation: str, parameters: int | None) -> str:
    size = number_of_parameters(parameters) if parameters and parameters > 0 else ""
    return " · ".join(filter(None, (organisation, size)))
