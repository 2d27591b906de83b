"""The comparison of two models on one task: all differences, a summary sentence and the notebook view."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from panglot import html
from panglot.colours import PU_OR, colour
from panglot.languages import language_label
from panglot.numbers import count, interval, listed, p_value, short, signed
from panglot.score.comparison.contributions import place_of
from panglot.score.comparison.differences import ALPHA, Differences

HEADINGS = ("setting", "A", "B", "difference", "95 % interval", "p (Holm)", "smallest detectable")
MARK = "*"
"""Marks a significant difference."""

LEGEND = (
    "difference: B − A, with its 95 % bootstrap interval; * significant at α = .05 in a paired permutation test, "
    "Holm-corrected over {cells} in this table. smallest detectable: the true difference that a single such test "
    "detects in 80 % of samples."
)
PAIR_LEGEND = "orange: A is better, purple: B is better. * Holm-corrected over {cells}."


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models, A and B, on one task, in three families of tests.

    `by_setting` [settings]; `by_language` [query languages, settings without balance]; `by_pair` [query languages,
    candidate languages], with each language's `mono` on the diagonal. A language's `cross` is that of its queries.
    """

    metric: str
    settings: tuple[str, ...]
    query_languages: tuple[str, ...]
    languages: tuple[str, ...]
    clusters: int
    swaps: int
    by_setting: Differences
    by_language: Differences
    by_pair: Differences
    task: str = ""
    models: tuple[str, str] = ("A", "B")
    """Names of the models, A first."""

    @property
    def language_settings(self) -> tuple[str, ...]:
        """The columns of `by_language`."""
        return tuple(name for name in self.settings if name != "balance")

    @property
    def least_p(self) -> float:
        """The smallest possible p: the unswapped data always counts as one of the swaps."""
        return 1 / self.swaps

    @property
    def divided(self) -> bool:
        """Whether the task has no pool of all languages."""
        return "multi" in self.settings and bool(np.isnan(self.by_setting.one[self.settings.index("multi")]))

    @property
    def title(self) -> str:
        """Task, metric, language of the queries if there is one, and number of clusters."""
        chosen = self.query_languages
        narrow = f"queries in {language_label(chosen[0])}" if len(chosen) == 1 < len(self.languages) else ""
        clusters = f"{count(self.clusters, 'cluster')} of questions"
        return ", ".join(filter(None, (self.task, self.metric, narrow, clusters)))

    @property
    def sentence(self) -> str:
        """The result in words: the settings in which B is better, A is better, or no difference was found."""
        cells = self.by_setting
        one, other = self.models if self.models[0] != self.models[1] else ("A", "B")
        if self.least_p > ALPHA:
            return (
                f"No difference can be significant: with {count(self.clusters, 'cluster')} of questions the smallest "
                f"possible p is {p_value(self.least_p)}."
            )
        groups: dict[str, list[str]] = {
            f"{other} is better in": [],
            f"{one} is better in": [],
            f"{one} and {other} are equal in": [],
            "no difference found in": [],
        }
        for place, setting in enumerate(self.settings):
            difference, smallest = cells.difference[place], cells.detectable[place]
            if cells.found[place]:
                groups[f"{other if difference > 0 else one} is better in"].append(setting)
            elif difference == smallest == 0:
                groups[f"{one} and {other} are equal in"].append(setting)
            elif not math.isnan(difference):
                reason = "too few clusters" if math.isnan(smallest) else f"smallest detectable {short(smallest)}"
                groups["no difference found in"].append(f"{setting} ({reason})")
        words = "; ".join(f"{words} {listed(settings)}" for words, settings in groups.items() if settings)
        if not words:
            return "Nothing to compare."
        return f"N{words[1:]}." if words.startswith("no difference found in ") else f"{words}."

    def only(self, setting: str | None = None, language: str | None = None) -> Comparison:
        """The comparison restricted to one setting, one query language, or both.

        Holm's correction then covers only the tests that remain, so choose the subset before looking at the results.

        :raises UnknownName: the setting or language is not in this comparison.
        """
        chosen = self
        if language is not None:
            row = [place_of("language", language, self.query_languages)]
            chosen = replace(
                chosen,
                settings=self.language_settings,
                query_languages=(language,),
                by_setting=self.by_language[row[0]],
                by_language=self.by_language[row],
                by_pair=self.by_pair[row],
            )
        if setting is not None:
            column = [place_of("setting", setting, chosen.language_settings)]
            chosen = replace(
                chosen,
                settings=(setting,),
                by_setting=chosen.by_setting[column],
                by_language=chosen.by_language[:, column],
            )
        return chosen

    def __repr__(self) -> str:
        return f"<Comparison of A {self.models[0]} and B {self.models[1]} on {self.title}: {self.sentence}>"

    def _repr_html_(self) -> str:
        one, other = self.models
        return html.page(
            html.heading(self.title, f"A  {one}", f"B  {other}"),
            html.prose(self.sentence),
            html.table(HEADINGS, self._rows()),
            html.legend(LEGEND.format(cells=count(self.by_setting.cells, "test"))),
            *self._heat_map(),
        )

    def _rows(self) -> Iterator[Sequence[str]]:
        cells = self.by_setting
        for place, setting in enumerate(self.settings):
            yield (
                setting,
                short(cells.one[place]),
                short(cells.other[place]),
                signed(cells.difference[place]) + (MARK if cells.found[place] else ""),
                interval(cells.low[place], cells.high[place], signed, " – "),
                p_value(cells.adjusted[place]),
                short(cells.detectable[place]),
            )

    def _heat_map(self) -> Iterator[str]:
        """The difference of every pair of languages; empty if there are no pairs or too many to display."""
        cells = self.by_pair
        if self.divided or len(self.languages) > html.WIDEST or np.isnan(cells.difference).all():
            return
        largest = float(np.nanmax(np.abs(cells.difference)))
        yield html.heading(f"{self.metric}, B − A × 100", "query language down, candidate language across")
        yield html.heat_map(
            self.languages,
            (
                (query, [self._heat((row, column), largest) for column in range(len(self.languages))])
                for row, query in enumerate(self.query_languages)
            ),
        )
        yield html.legend(PAIR_LEGEND.format(cells=count(cells.cells, "test")))

    def _heat(self, at: tuple[int, int], largest: float) -> html.Heat | None:
        cells = self.by_pair
        difference = float(cells.difference[at])
        if math.isnan(difference):
            return None
        query, candidate = self.query_languages[at[0]], self.languages[at[1]]
        ends = interval(cells.low[at], cells.high[at], signed, " – ")
        title = f"{language_label(query)} → {language_label(candidate)}: {signed(difference)} ({ends})"
        place = 0.5 + difference / largest / 2 if largest else 0.5
        text = f"{100 * difference:+.1f}".replace("-", "−") + (MARK if cells.found[at] else "")
        return html.Heat(text, title, colour(place, PU_OR))
