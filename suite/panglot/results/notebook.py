"""What a notebook shows about a result: the scores with their intervals, and a heat map of the language pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from panglot.colours import colour
from panglot.html import WIDEST, Heat, heading, heat_map, legend, page, table
from panglot.languages import language_label
from panglot.numbers import count, interval, short
from panglot.results.result_record import Cell, ResultRecord
from panglot.score.bias import HEADLINES
from panglot.score.bootstrap import FEWEST, TOO_FEW, Score

INTERVALS = "Intervals: 95 %, by bootstrap over {clusters} of questions."
LEGEND = "language-blind: what a ranker gets that does not know languages."


def result_html(record: ResultRecord) -> str:
    """The scores of a result as HTML."""
    metric, task = record.task.headline, record.task
    facts = (
        count(task.queries, "query", "queries"),
        count(task.candidates, "candidate"),
        count(len(task.languages), "language"),
    )
    parts = [heading(f"{record.model.label} on {task.name}", ", ".join(facts))]
    parts.append(table(("", metric, "95 % interval"), _scores(record)))
    bias = [name for name in HEADLINES if name in record.bias]
    if bias:
        parts.append(table(("language bias", "value", "95 % interval", "language-blind"), _bias(record, bias)))
    few = record.clusters < FEWEST
    about = f"No intervals: {TOO_FEW}." if few else INTERVALS.format(clusters=count(record.clusters, "cluster"))
    parts.append(legend(f"{about} {LEGEND}"))
    return page(*parts, *_pairs(record))


def _scores(record: ResultRecord) -> Iterator[Sequence[str]]:
    for setting, scores in (*record.settings.items(), ("balance", record.balance)):
        if score := scores.get(record.task.headline):
            yield setting, short(score.value), _ends(score)


def _bias(record: ResultRecord, names: Sequence[str]) -> Iterator[Sequence[str]]:
    for name in names:
        score = record.bias[name]
        yield name, short(score.value), _ends(score), short(record.blind.get(name))


def _pairs(record: ResultRecord) -> Iterator[str]:
    """The headline metric of every pair of languages; nothing where there are none, or too many."""
    metric, names = record.task.headline, record.task.languages
    grid = record.pairs.get(metric, ())
    rows = [row for row, cells in enumerate(grid) if any(cells)]
    columns = [column for column in range(len(names)) if any(cells[column] for cells in grid)]
    if record.divided or not rows or max(len(rows), len(columns)) > WIDEST:
        return
    values = [cell.value for cells in grid for cell in cells if cell]
    low, high = min(values), max(values)

    def heat(cell: Cell, query: str, candidate: str) -> Heat | None:
        if cell is None:
            return None
        share = (cell.value - low) / (high - low) if high > low else 0.5
        title = f"{language_label(query)} → {language_label(candidate)}: {short(cell.value)} ({_ends(cell)})"
        return Heat(f"{100 * cell.value:.1f}", title, colour(share))

    yield heading(f"{metric} × 100 of each pair of languages", "query language down, candidate language across")
    yield heat_map(
        [names[column] for column in columns],
        ((names[row], [heat(grid[row][column], names[row], names[column]) for column in columns]) for row in rows),
    )


def _ends(score: Score) -> str:
    return interval(score.low, score.high)
