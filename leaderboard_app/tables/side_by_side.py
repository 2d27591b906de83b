"""Scores, bias and cost of a few models, a column each, as safe HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.board import BIAS, SCORES, Row
from leaderboard_app.tables.columns import SHORT, best_of, headed
from leaderboard_app.tables.formats import number_of_parameters, plus_minus
from leaderboard_app.tables.links import model_link
from panglot.numbers import NOTHING


def side_by_side(entries: Sequence[Entry], rows: Mapping[str, Row], names: Sequence[str]) -> str:
    """Scores, bias and cost of a few models as an HTML table, a column each; the best score in bold."""
    heads = "".join(
        f'<th scope="col"><a href="{html.escape(model_link(entry.task, entry.folder))}">{html.escape(name)}</a>'
        f"<small>{html.escape(entry.organisation)}</small></th>"
        for entry, name in zip(entries, names, strict=True)
    )
    body = "".join(
        _line(headed(name, SHORT.get(name, name)), _scores(entries, rows, name))
        for name in (*SCORES, *BIAS)
        if any(name in rows.get(entry.id, {}) for entry in entries)
    )
    for fact, values in _costs(entries).items():
        if any(value != NOTHING for value in values):
            body += _line(fact, [html.escape(value) for value in values])
    return (
        '<div class="front beside" role="region" aria-label="Side by side" tabindex="0"><table><thead><tr>'
        f'<th scope="col">score, bias, cost</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _line(name: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{html.escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _scores(entries: Sequence[Entry], rows: Mapping[str, Row], name: str) -> list[str]:
    scores = [rows.get(entry.id, {}).get(name) for entry in entries]
    values = [score.value for score in scores if score]
    best = best_of(name, values)
    shown = [plus_minus(*score, name) if score else NOTHING for score in scores]
    return [
        f"<b>{text}</b>" if score and score.value == best else text for score, text in zip(scores, shown, strict=True)
    ]


def _costs(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """What each model costs, in words."""
    facts: dict[str, Callable[[Entry], str]] = {
        "parameters ↓": lambda entry: number_of_parameters(entry.parameters) if entry.parameters else "",
        "dimension ↓": lambda entry: f"{entry.dimension:,}" if entry.dimension else "",
        "texts per second ↑": lambda entry: f"{entry.texts_per_second:,.0f}" if entry.texts_per_second else "",
        "maximum length ↑": lambda entry: f"{entry.max_length:,} tokens" if entry.max_length else "",
        "weights": lambda entry: entry.weights,
        "licence": lambda entry: entry.licence,
    }
    return {name: [fact(entry) or NOTHING for entry in entries] for name, fact in facts.items()}
