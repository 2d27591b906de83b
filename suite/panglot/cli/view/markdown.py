"""The scores of results as a Markdown table, for a pull request or a README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from panglot.cli.view.terminal import IMAGE_BIAS, LEGEND, TEXT_BIAS, about_intervals
from panglot.data.image import IMAGES
from panglot.numbers import NOTHING, interval, short
from panglot.plain import plain
from panglot.results.result_record import DIVIDED, Cell, ResultRecord
from panglot.score.settings import SCORES


def score_markdown(results: Sequence[ResultRecord]) -> Iterator[str]:
    """Yield the lines of a table with a row for each result: the headline metric in each setting, and language bias.

    Names are shown as code, so that nothing in them formats the page or notifies anybody.
    """
    measures = {**TEXT_BIAS, **(IMAGE_BIAS if any(IMAGES in each.task.languages for each in results) else {})}
    header = ("model", "task", "metric", *SCORES, *(" ".join(name.split()) for name in measures.values()))
    yield _row(header)
    yield _row(["---"] * 3 + ["---:"] * (len(header) - 3))
    for result in results:
        metric = result.task.headline
        settings = {**result.settings, "balance": result.balance}
        cells = [settings.get(setting, {}).get(metric) for setting in SCORES] + [*map(result.bias.get, measures)]
        yield _row([_code(result.model.label), _code(result.task.name), metric, *map(_cell, cells)])
    yield ""
    yield f"{about_intervals(results)} {LEGEND}"
    for name in sorted({result.task.name for result in results if result.divided}):
        yield f"{_code(name)}: {DIVIDED}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(score: Cell) -> str:
    if score is None:
        return NOTHING
    return f"**{short(score.value)}** {interval(score.low, score.high)}"


def _code(name: str) -> str:
    shown = plain(name).replace("`", "'").replace("|", "\\|")
    return f"`{shown}`"
