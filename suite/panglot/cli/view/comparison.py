"""What a person sees of two models compared and of many in order: tables, a heat grid, a sentence; and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from panglot.arrays import Floats
from panglot.cli.view.tables import FoldingTable, Grid, prose
from panglot.languages import language_label
from panglot.results.result_record import DIVIDED
from panglot.score.comparison.paired import ALPHA, Comparison, Differences
from panglot.score.comparison.standings import Standings

ONE, MIDDLE, OTHER = (230, 97, 1), (247, 247, 247), (94, 60, 153)
"""Orange where A is better, purple where B is: the two ends of PuOr, told apart without red and green."""

MARK = "*"
NOTHING = "–"

LEGEND = (
    "difference: B − A, with its 95 % bootstrap interval; * found at α = .05 by a paired permutation test, "
    "Holm-corrected over {cells} of this table. smallest detectable: what one such test finds in 80 % of samples."
)
LANGUAGES_LEGEND = "B − A of each query language; * as above, over {cells} of this table. --setting adds the intervals."
MATRIX_LEGEND = "orange: A is better, purple: B is better. * Holm-corrected over {cells}."
RANK_LEGEND = (
    "Two models share a letter exactly where no difference between them was found (paired permutation tests, "
    "α = .05, Holm over {pairs}). Intervals: bootstrap."
)


class Names(NamedTuple):
    """What is compared: the task, and the two models as `name@revision`."""

    task: str
    one: str
    other: str


def comparison_view(names: Names, comparison: Comparison, matrix: bool = False) -> RenderableType:
    """The sentence, the settings, the query languages, and with `matrix` the pairs."""
    asked = comparison.query_languages
    one_language = len(asked) == 1 < len(comparison.languages)
    title = f"{names.task}, {comparison.metric}" + (f", queries in {language_label(asked[0])}" if one_language else "")
    parts: list[RenderableType] = [
        Text(f"\n{title}, {_count(comparison.clusters, 'cluster')} of questions", style="bold"),
        Text(f"A  {names.one}\nB  {names.other}"),
        _difference_table("setting", comparison.settings, comparison.by_setting),
        prose(sentence(comparison), "bold"),
        prose(LEGEND.format(cells=_count(comparison.by_setting.cells, "test"))),
    ]
    if comparison.divided:
        parts.append(prose(DIVIDED))
    if not one_language:
        parts.extend(_by_language(comparison))
    if matrix:
        parts.extend(_matrix(comparison))
    return Group(*parts)


def sentence(comparison: Comparison) -> str:
    """What holds of the settings that are shown, in words."""
    cells = comparison.by_setting
    if comparison.least_p > ALPHA:
        return (
            f"No difference can be found: with {_count(comparison.clusters, 'cluster')} of questions no p is below "
            f"{_p_value(comparison.least_p)}."
        )
    better: dict[str, list[str]] = {"B is better in": [], "A is better in": []}
    alike, unknown = [], []
    for place, setting in enumerate(comparison.settings):
        if math.isnan(cells.difference[place]):
            continue
        if cells.found[place]:
            better["B is better in" if cells.difference[place] > 0 else "A is better in"].append(setting)
        elif cells.difference[place] == cells.detectable[place] == 0:
            alike.append(setting)
        else:
            smallest = cells.detectable[place]
            reason = "too few clusters" if math.isnan(smallest) else f"smallest detectable {_short(smallest)}"
            unknown.append(f"{setting} ({reason})")
    better |= {"A and B are equal in": alike, "no difference found in": unknown}
    said = "; ".join(f"{words} {_listed(settings)}" for words, settings in better.items() if settings)
    return f"{said[:1].upper()}{said[1:]}." if said else "Nothing to compare."


def comparison_json(names: Names, comparison: Comparison) -> dict[str, Any]:
    """All families of tests; pairs are named `query language-candidate language`."""
    asked, settings = comparison.query_languages, comparison.language_settings
    return {
        "task": names.task,
        "metric": comparison.metric,
        "A": names.one,
        "B": names.other,
        "clusters": comparison.clusters,
        "swaps": comparison.swaps,
        "alpha": ALPHA,
        "sentence": sentence(comparison),
        "settings": dict(_records(comparison.settings, comparison.by_setting)),
        "languages": {
            language: {
                setting: _record(comparison.by_language, (row, column)) for column, setting in enumerate(settings)
            }
            for row, language in enumerate(asked)
        },
        "pairs": {
            f"{language}-{candidate}": _record(comparison.by_pair, (row, column))
            for row, language in enumerate(asked)
            for column, candidate in enumerate(comparison.languages)
        },
    }


def rank_view(task: str, standings: Standings) -> RenderableType:
    """Models with their scores, the intervals of score and rank, and letters."""
    table = FoldingTable()
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("95 %\nof rank", justify="right", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for heading in (standings.setting, "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("alike", min_width=6)
    for model in standings.models:
        interval = f"{model.low}–{model.high}" if model.low < model.high else str(model.low)
        score = _interval(model.score.low, model.score.high, _short)
        alike = _letter_runs(standings, model.letters)
        table.add_row(str(model.place), interval, model.name, _short(model.score.value), score, alike)
    pairs = len(standings.models) * (len(standings.models) - 1) // 2
    title = f"{task}, {standings.metric} in {standings.setting}, {_count(standings.clusters, 'cluster')} of questions"
    return Group(Text(f"\n{title}", style="bold"), table, prose(RANK_LEGEND.format(pairs=_count(pairs, "pair"))))


def rank_json(task: str, standings: Standings) -> dict[str, Any]:
    """The standings, best first, and the corrected p of every pair."""
    return {
        "task": task,
        "metric": standings.metric,
        "setting": standings.setting,
        "clusters": standings.clusters,
        "alpha": ALPHA,
        "models": [
            {
                "model": model.name,
                "rank": model.place,
                "rank_low": model.low,
                "rank_high": model.high,
                "score": model.score.value,
                "low": model.score.low,
                "high": model.score.high,
                "letters": list(model.letters),
            }
            for model in standings.models
        ],
        "p_holm": [[_plain(p) for p in row] for row in standings.p.tolist()],
    }


def _by_language(comparison: Comparison) -> list[RenderableType]:
    """One setting in full, or the differences in all."""
    settings, cells, languages = comparison.language_settings, comparison.by_language, comparison.query_languages
    if len(settings) == 1:
        title = f"\n{settings[0]} by query language"
        table = _difference_table("language", [language_label(language) for language in languages], cells[:, 0])
        return [Text(title, style="bold"), table, Text(f"* Holm over {_count(cells.cells, 'test')}.", style="dim")]
    table = FoldingTable()
    for heading in ("language", *settings):
        is_name = heading == "language"
        table.add_column(heading, justify="left" if is_name else "right", no_wrap=not is_name)
    for row, language in enumerate(languages):
        table.add_row(language_label(language), *(_difference(cells, (row, column)) for column in range(len(settings))))
    legend = prose(LANGUAGES_LEGEND.format(cells=_count(cells.cells, "test")))
    return [Text("\nby query language", style="bold"), table, legend]


def _difference_table(heading: str, names: Sequence[str], cells: Differences) -> FoldingTable:
    """A row for each cell of a family, with all that is known of it."""
    table = FoldingTable()
    table.add_column(heading)
    for column in ("A", "B", "difference", "95 % interval", "p (Holm)", "smallest\ndetectable"):
        table.add_column(column, justify="right", no_wrap=True)
    for place, name in enumerate(names):
        if math.isnan(cells.difference[place]):
            table.add_row(name, *[NOTHING] * 6)
            continue
        table.add_row(
            name,
            _short(cells.one[place]),
            _short(cells.other[place]),
            _difference(cells, place),
            _interval(cells.low[place], cells.high[place], _signed),
            _p_value(cells.adjusted[place]),
            _short(cells.detectable[place]),
        )
    return table


def _matrix(comparison: Comparison) -> list[RenderableType]:
    """Differences × 100 of every pair in colour, queries down, candidates across."""
    cells = comparison.by_pair
    largest = float(np.nanmax(np.abs(cells.difference), initial=0.0))
    rows = [
        (language, [_heat(cells, (row, at), largest) for at in range(len(comparison.languages))])
        for row, language in enumerate(comparison.query_languages)
    ]
    title = f"\n{comparison.metric}, B − A × 100: query language down, candidate language across"
    legend = prose(MATRIX_LEGEND.format(cells=_count(cells.cells, "test")))
    return [Text(title, style="bold"), Grid(comparison.languages, rows, cell_width=6), legend]


def _heat(cells: Differences, at: tuple[int, int], largest: float) -> Text:
    difference = float(cells.difference[at])
    if math.isnan(difference):
        return Text(f"{NOTHING:^6}")
    strength = abs(difference) / largest if largest else 0.0
    end = OTHER if difference > 0 else ONE
    red, green, blue = (round(start + (stop - start) * strength) for start, stop in zip(MIDDLE, end, strict=True))
    ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "black"
    mark = MARK if cells.found[at] else " "
    number = f"{100 * difference:+.1f}" if abs(difference) < 0.9995 else f"{100 * difference:+.0f}"
    return Text(f"{number:>5}{mark}", style=Style.parse(f"{ink} on #{red:02x}{green:02x}{blue:02x}"))


def _difference(cells: Differences, at: int | tuple[int, int]) -> Text:
    """The signed difference with its mark, bold where it was found."""
    if math.isnan(cells.difference[at]):
        return Text(f"{NOTHING} ")
    found = bool(cells.found[at])
    return Text(f"{_signed(cells.difference[at])}{MARK if found else ' '}", style="bold" if found else "")


def _letter_runs(standings: Standings, letters: tuple[str, ...]) -> str:
    """Letters, with three and more that follow each other as `a–e`."""
    known = list(dict.fromkeys(letter for model in standings.models for letter in model.letters))
    known.sort(key=lambda letter: (len(letter), letter))
    places = [known.index(letter) for letter in letters]
    return " ".join(_run(known, first, last) for first, last in _runs(places))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers, from ascending ones."""
    first = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            yield places[first], places[end - 1]
            first = end


def _run(known: Sequence[str], first: int, last: int) -> str:
    return f"{known[first]}–{known[last]}" if last - first > 1 else " ".join(known[first : last + 1])


def _records(names: Sequence[str], cells: Differences) -> Iterator[tuple[str, dict[str, float | bool | None]]]:
    return ((name, _record(cells, place)) for place, name in enumerate(names))


def _record(cells: Differences, at: int | tuple[int, int]) -> dict[str, float | bool | None]:
    """One cell; null where the data gives no value."""
    values: dict[str, Floats] = {
        "A": cells.one,
        "B": cells.other,
        "difference": cells.difference,
        "low": cells.low,
        "high": cells.high,
        "p": cells.p,
        "p_holm": cells.adjusted,
        "effect": cells.effect,
        "detectable": cells.detectable,
    }
    return {**{name: _plain(float(value[at])) for name, value in values.items()}, "found": bool(cells.found[at])}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 10)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.3f}"


def _signed(value: float) -> str:
    """`+.012`, `−.003`, `.000`: a minus as wide as the plus."""
    text = f"{abs(value):.3f}"
    sign = "" if float(text) == 0 else "+" if value > 0 else "−"
    return sign + (text.replace("0.", ".", 1) if text.startswith("0") else text)


def _interval(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    """Both ends, or a dash where there are too few clusters for an interval."""
    if low is None or high is None or math.isnan(low):
        return NOTHING
    return f"{text(low)} – {text(high)}"


def _p_value(value: float) -> str:
    return "<.001" if value < 0.001 else "1" if value >= 0.9995 else f"{value:.3f}".replace("0.", ".", 1)
