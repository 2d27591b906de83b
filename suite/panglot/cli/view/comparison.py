"""Comparisons and rankings as tables, heat maps and a sentence, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from panglot.arrays import Floats
from panglot.cli.view.tables import FoldingTable, Grid, prose
from panglot.colours import PU_OR, colour
from panglot.languages import language_label
from panglot.numbers import NOTHING, count, interval, p_value, short, signed
from panglot.results.result_record import DIVIDED
from panglot.score.comparison.comparison import LEGEND, MARK, PAIR_LEGEND, Comparison
from panglot.score.comparison.differences import ALPHA, Differences
from panglot.score.comparison.standings import Standings

LANGUAGES_LEGEND = (
    "B − A by query language; *: as above, corrected over the {cells} in this table. --setting adds intervals."
)


def comparison_view(comparison: Comparison, matrix: bool = False) -> RenderableType:
    """Show the settings, the summary sentence, the query languages and, with `matrix`, the pairs."""
    asked = comparison.query_languages
    one_language = len(asked) == 1 < len(comparison.languages)
    parts: list[RenderableType] = [
        Text(f"\n{comparison.title}", style="bold"),
        Text("A  {}\nB  {}".format(*comparison.models)),
        _difference_table("setting", comparison.settings, comparison.by_setting),
        prose(comparison.sentence, "bold"),
        prose(LEGEND.format(cells=count(comparison.by_setting.cells, "test"))),
    ]
    if comparison.divided:
        parts.append(prose(DIVIDED))
    if not one_language:
        parts.extend(_by_language(comparison))
    if matrix:
        parts.extend(_matrix(comparison))
    return Group(*parts)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return all families of tests; pairs are keyed `query language-candidate language`."""
    asked, settings = comparison.query_languages, comparison.language_settings
    return {
        "task": comparison.task,
        "metric": comparison.metric,
        "A": comparison.models[0],
        "B": comparison.models[1],
        "clusters": comparison.clusters,
        "swaps": comparison.swaps,
        "alpha": ALPHA,
        "sentence": comparison.sentence,
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


def rank_view(standings: Standings) -> RenderableType:
    """Show models with scores, intervals of score and rank, and significance letters."""
    table = FoldingTable()
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("95 %\nrank", justify="right", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for heading in (standings.setting, "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("group", min_width=6)
    for model in standings.models:
        ends = f"{model.low}–{model.high}" if model.low < model.high else str(model.low)
        score = interval(model.score.low, model.score.high, short, " – ")
        group = _letter_runs(standings, model.letters)
        table.add_row(str(model.place), ends, model.name, short(model.score.value), score, group)
    return Group(Text(f"\n{standings.title}", style="bold"), table, prose(standings.legend))


def rank_json(standings: Standings) -> dict[str, Any]:
    """Return the standings, best first, and the corrected p-value of every pair."""
    return {
        "task": standings.task,
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
        "left_out": dict(standings.left_out),
    }


def _by_language(comparison: Comparison) -> list[RenderableType]:
    """Show one setting in full, or the differences in all settings."""
    settings, cells, languages = comparison.language_settings, comparison.by_language, comparison.query_languages
    if len(settings) == 1:
        title = f"\n{settings[0]} by query language"
        table = _difference_table("language", [language_label(language) for language in languages], cells[:, 0])
        return [
            Text(title, style="bold"),
            table,
            Text(f"*: Holm-corrected over {count(cells.cells, 'test')}.", style="dim"),
        ]
    table = FoldingTable()
    for heading in ("language", *settings):
        is_name = heading == "language"
        table.add_column(heading, justify="left" if is_name else "right", no_wrap=not is_name)
    for row, language in enumerate(languages):
        table.add_row(language_label(language), *(_difference(cells, (row, column)) for column in range(len(settings))))
    legend = prose(LANGUAGES_LEGEND.format(cells=count(cells.cells, "test")))
    return [Text("\nby query language", style="bold"), table, legend]


def _difference_table(heading: str, names: Sequence[str], cells: Differences) -> FoldingTable:
    """One row per test of a family, with all its values."""
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
            short(cells.one[place]),
            short(cells.other[place]),
            _difference(cells, place),
            interval(cells.low[place], cells.high[place], signed, " – "),
            p_value(cells.adjusted[place]),
            short(cells.detectable[place]),
        )
    return table


def _matrix(comparison: Comparison) -> list[RenderableType]:
    """Heat map of differences × 100, query languages down and candidate languages across."""
    cells = comparison.by_pair
    largest = float(np.nanmax(np.abs(cells.difference), initial=0.0))
    rows = [
        (language, [_heat(cells, (row, at), largest) for at in range(len(comparison.languages))])
        for row, language in enumerate(comparison.query_languages)
    ]
    title = f"\n{comparison.metric}, B − A × 100: query language down, candidate language across"
    legend = prose(PAIR_LEGEND.format(cells=count(cells.cells, "test")))
    return [Text(title, style="bold"), Grid(comparison.languages, rows, cell_width=6), legend]


def _heat(cells: Differences, at: tuple[int, int], largest: float) -> Text:
    difference = float(cells.difference[at])
    if math.isnan(difference):
        return Text(f"{NOTHING:^6}")
    background, ink = colour(0.5 + difference / largest / 2 if largest else 0.5, PU_OR)
    mark = MARK if cells.found[at] else " "
    number = f"{100 * difference:+.1f}" if abs(difference) < 0.9995 else f"{100 * difference:+.0f}"
    return Text(f"{number:>5}{mark}", style=Style.parse(f"{ink} on {background}"))


def _difference(cells: Differences, at: int | tuple[int, int]) -> Text:
    """Return the signed difference; significant ones are marked and bold."""
    if math.isnan(cells.difference[at]):
        return Text(f"{NOTHING} ")
    found = bool(cells.found[at])
    return Text(f"{signed(cells.difference[at])}{MARK if found else ' '}", style="bold" if found else "")


def _letter_runs(standings: Standings, letters: tuple[str, ...]) -> str:
    """Format letters, with runs of three or more written as `a–e`."""
    known = list(dict.fromkeys(letter for model in standings.models for letter in model.letters))
    known.sort(key=lambda letter: (len(letter), letter))
    places = [known.index(letter) for letter in letters]
    return " ".join(_run(known, first, last) for first, last in _runs(places))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of consecutive numbers in an ascending sequence."""
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
    """Return one test; null where there is no value."""
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
