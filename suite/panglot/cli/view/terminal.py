"""Progress bars, score tables and heat maps for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress import Task as BarTask
from rich.style import Style
from rich.text import Text

from panglot.cli.view.console import PlainConsole
from panglot.cli.view.tables import FoldingTable, Grid, prose
from panglot.colours import colour
from panglot.data.catalogue import suite_tasks
from panglot.data.image import IMAGES
from panglot.data.task import Direction
from panglot.languages import language_label
from panglot.numbers import NOTHING, interval, listed, number
from panglot.progress import Advance
from panglot.results.result_record import DIVIDED, Cell, ResultRecord
from panglot.score.bootstrap import TOO_FEW, Score
from panglot.score.no_answer import MEANING
from panglot.score.settings import SCORES, SETTINGS
from panglot.score.summary import BIAS_NAMES

DIRECTIONS: Mapping[Direction | None, str] = {"t2i": "text → image", "i2t": "image → text", "mixed": "text → both"}
"""Meaning of the suffixes of image task names."""

LEGEND = (
    "balance: harmonic mean of mono, cross and multi. norm. rank distance: 0 perfect, 1 random. own language: share of "
    "the top 10 in the query's language over its share of the pool, 1 if blind."
)

TEXT_BIAS = {"normalised_rank_distance": "norm. rank\ndistance", "same_language_ratio@10": "own\nlanguage"}
IMAGE_BIAS = {
    "normalised_rank_distance": "norm. rank\ndistance",
    "modality_gap": "modality\ngap",
    "same_modality_ratio@10": "own\nmodality",
}
"""Bias measures shown next to the scores, with their headings."""

IMAGE_LEGEND = (
    "modality gap: mean rank of the relevant images minus that of the relevant captions, 0 if blind. own modality: "
    "share of the top 10 in the query's modality over its share of the pool; 1 if blind."
)


class RateColumn(ProgressColumn):
    """Items per second, or seconds per item if they take longer than a second."""

    def render(self, task: BarTask) -> Text:
        """The rate of the last half minute."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each")


@contextmanager
def progress_bar(label: str, total: int, console: PlainConsole | None = None) -> Iterator[Advance]:
    """Show a progress bar with rate and remaining time; it disappears when done."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
    )
    console = console or PlainConsole(aside=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(label, total=total)
        yield lambda done: bars.advance(bar, done)


def score_table(results: Sequence[ResultRecord]) -> RenderableType:
    """Show the scores of each result with intervals; image tasks get their own table."""
    images = [result for result in results if IMAGES in result.task.languages]
    texts = [result for result in results if IMAGES not in result.task.languages]
    many = len({result.model.label for result in results}) > 1
    tables = []
    if texts or not images:
        tables += [_scores_of(texts, many, SCORES, TEXT_BIAS), prose(f"{about_intervals(texts)} {LEGEND}")]
        tables += [prose(f"{name}: {DIVIDED}") for name in sorted({each.task.name for each in texts if each.divided})]
    if images:
        tables += [
            _scores_of(images, many, ("cross", "multi"), IMAGE_BIAS),
            prose(f"{about_intervals(images, 'ndcg@10')} {IMAGE_LEGEND}"),
        ]
    return Group(*tables)


def about_intervals(results: Sequence[ResultRecord], what: str = "Scores") -> str:
    """Say which of the scores have intervals, as the first sentence of a legend."""
    without = [result for result in results if not _has_intervals(result)]
    if without and len(without) == len(results):
        return f"{what} without intervals: {TOO_FEW}."
    but = f"; none for {listed(sorted({each.task.name for each in without}))}: {TOO_FEW}" if without else ""
    return f"{what} with 95 % intervals{but}."


def _has_intervals(result: ResultRecord) -> bool:
    headlines = (scores.get(result.task.headline) for scores in (*result.settings.values(), result.balance))
    return any(score is not None and score.low is not None for score in headlines)


def _scores_of(
    results: Sequence[ResultRecord], with_model: bool, settings: Sequence[str], bias: Mapping[str, str]
) -> RenderableType:
    """One line per result; `bias` maps the displayed bias measures to their headings."""
    table = FoldingTable()
    if with_model:
        table.add_column("model", no_wrap=True)
    table.add_column("task", no_wrap=True)
    for heading in (*settings, *bias.values()):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        headline = result.task.headline
        values = {**{name: result.settings.get(name, {}) for name in SETTINGS}, "balance": result.balance}
        cells = [*(values[name].get(headline) for name in settings), *map(result.bias.get, bias)]
        known = suite_tasks().get(result.task.name)
        direction = DIRECTIONS.get(known.direction if known else None, headline)
        model = Text(result.model.name).append(f"\n{result.model.state}", style="dim")
        task = Text(result.task.name).append(f"\n{direction}", style="dim")
        table.add_row(*([model] if with_model else []), task, *map(_with_interval, cells))
    return table


def curve_table(result: ResultRecord) -> RenderableType:
    """Show the headline scores at fewer dimensions or bits."""
    table = FoldingTable()
    table.add_column("form", no_wrap=True)
    headings = ("dimension", *SETTINGS, "norm. rank\ndistance")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for point in result.curve:
        values = [point.scores.get(name) for name in (*SETTINGS, "normalised_rank_distance")]
        cells = map(number, values)
        table.add_row(point.form, str(point.dimension), *cells)
    return _titled(f"{result.task.name}, {result.task.headline} of the same vectors at fewer dimensions or bits", table)


def no_answer_table(result: ResultRecord) -> RenderableType:
    """Show how well the best score tells queries without an answer from the others; empty if there are none."""
    if result.no_answer is None:
        return Group()
    table = FoldingTable()
    table.add_column("language", no_wrap=True)
    for heading in ("answered", "without\nanswer", "auroc", "threshold", "kept", "rejected"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = {language_label(name): found for name, found in result.no_answer.languages.items()}
    for name, found in {**rows, "all": result.no_answer.overall}.items():
        numbers = (found.threshold, found.kept, found.rejected)
        counts = f"{found.answered:,}", f"{found.unanswered:,}"
        table.add_row(name, *counts, _with_interval(found.auroc), *map(number, numbers))
    return Group(_titled(f"{result.task.name}, queries without an answer", table), prose(MEANING))


def language_table(result: ResultRecord) -> RenderableType:
    """Show the headline metric and two bias measures by query language."""
    metric = result.task.headline
    table = FoldingTable()
    headings = (
        "language",
        "mono",
        "cross\nas query",
        "cross\nas candidate",
        "multi",
        "norm. rank\ndistance",
        "own\nlanguage",
    )
    for heading in headings:
        is_name = heading == "language"
        table.add_column(heading, justify="left" if is_name else "right", no_wrap=not is_name)
    for language in result.task.languages:
        scores = result.languages.get(language, {})
        cells = [scores.get(setting, {}).get(metric) for setting in ("mono", "cross", "cross_to", "multi")]
        bias = scores.get("bias", {})
        cells += [bias.get("normalised_rank_distance"), bias.get("same_language_ratio@10")]
        table.add_row(language_label(language), *(NOTHING if cell is None else f"{cell.value:.3f}" for cell in cells))
    return _titled(f"{result.task.name}, {metric} by language", table)


def bias_table(result: ResultRecord) -> RenderableType:
    """Show every bias measure next to the value of a language-blind ranker."""
    title = f"{result.task.name}, language bias in the pool of all languages"
    if result.divided:
        return _titled(title, prose(DIVIDED))
    if not result.bias:
        return _titled(title, prose("Nothing to measure: no query has relevant candidates in several languages."))
    table = FoldingTable()
    table.add_column("measure", no_wrap=True)
    for heading in ("value", "95 % interval", "language-blind"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in (name for name in BIAS_NAMES if name in result.bias):
        score = result.bias[name]
        table.add_row(name, number(score.value), interval(score.low, score.high), number(result.blind.get(name)))
    return _titled(title, table)


def pair_matrix(result: ResultRecord) -> RenderableType:
    """Show the headline metric of every ordered language pair as a heat map."""
    metric = result.task.headline
    grid = result.pairs[metric]
    values = [cell.value for row in grid for cell in row if cell]
    low, high = min(values), max(values)
    languages = result.task.languages
    rows = [(language, [_heat(cell, low, high) for cell in row]) for language, row in zip(languages, grid, strict=True)]
    title = f"{result.task.name}, {metric} × 100: query language down, candidate language across"
    return _titled(title, Grid(languages, rows, cell_width=5))


def _titled(title: str, table: RenderableType) -> RenderableType:
    return Group(Text(f"\n{title}", style="bold"), table)


def _heat(cell: Cell, low: float, high: float) -> Text:
    if cell is None:
        return Text(f"{NOTHING:^5}")
    background, ink = colour((cell.value - low) / (high - low) if high > low else 0.5)
    percent = f"{100 * cell.value:.1f}".replace("100.0", "100")  # as wide as the cell, it would touch the next
    return Text(f"{percent:^5}", style=Style.parse(f"{ink} on {background}"))


def _with_interval(score: Score | None) -> Text:
    if score is None:
        return Text(NOTHING)
    return Text(number(score.value)).append(f"\n{interval(score.low, score.high)}", style="dim")
