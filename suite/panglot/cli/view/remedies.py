"""Terminal output of remedies: policies with intervals, and what each needs in production."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from panglot.cli.view.tables import FoldingTable, facts, prose
from panglot.languages import language_label
from panglot.numbers import NOTHING, count, interval, number
from panglot.remedies.whatif import DEPTH, Answer
from panglot.score.comparison.differences import ALPHA

if TYPE_CHECKING:
    from panglot.remedies.production import Learned

COLUMNS = {
    "map": "map",
    "ndcg@10": "ndcg@10",
    f"recall@{DEPTH}": f"recall\n@{DEPTH}",
    "rank_distance": "rank\ndistance",
    f"complete@{DEPTH}": f"complete\n@{DEPTH}",
    "own_share@10": "own\nshare",
}
"""Measures and their column headings."""

LEGEND = (
    "Means over query languages with 95 % intervals. *: differs from the pool (sign-flip test over clusters, "
    "Holm-corrected over the policies). rank distance: largest minus smallest rank of the parallel answers. complete: "
    "share of queries with all of them in the top {depth}. own share: share of the top 10 in the query's language; – "
    "if the stored lists are too short to tell."
)


def remedies_view(model: str, task: str, answers: Sequence[Answer], by_language: str = "") -> RenderableType:
    """Show the policies of one model on one task, and optionally one measure per query language."""
    answered = [answer for answer in answers if not answer.why]
    table = FoldingTable()
    table.add_column("policy", no_wrap=True)
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for answer in answered:
        table.add_row(answer.policy.name, *(_cell(answer, measure) for measure in COLUMNS))
    parts: list[RenderableType] = [Text(f"\n{model} on {task}", style="bold"), table]
    if by_language:
        parts.append(_languages(answered, by_language))
    parts.append(prose(LEGEND.format(depth=DEPTH)))
    parts.append(facts((a.policy.name, Text(f"{a.policy.sentence} Needs: {a.policy.needs}")) for a in answered[1:]))
    reasons: dict[str, list[str]] = {}
    for answer in answers:
        reasons.setdefault(answer.why, []).append(answer.policy.name)
    parts += [prose(f"{', '.join(names)}: {why}", "yellow") for why, names in reasons.items() if why]
    return Group(*parts)


def learned_view(learned: Learned, folder: Path, files: Sequence[str]) -> RenderableType:
    """Show the written files and the share of variance between languages before and after."""
    table = FoldingTable()
    table.add_column("between languages", no_wrap=True)
    for heading in ("before", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    for role, shares in learned.between.items():
        table.add_row(role, *map(number, shares))
    texts = f"{count(len(learned.texts.rows), 'text')} in {count(len(learned.texts.counts), 'language')}"
    legend = f"Share of the variance of {texts} that lies between languages. Usage: {folder / 'README.md'}"
    return Group(table, prose(legend), Text(f"{folder}: {', '.join(files)}"))


def _languages(answers: Sequence[Answer], measure: str) -> RenderableType:
    """Show one measure under every policy, one line per query language."""
    table = FoldingTable()
    table.add_column(f"{measure} by query language", no_wrap=True)
    for answer in answers:
        table.add_column(answer.policy.name.replace(":", "\n"), justify="right", no_wrap=True)
    for language in answers[0].languages:
        scores = [answer.languages[language].get(measure) for answer in answers]
        table.add_row(language_label(language), *(number(score and score.value) for score in scores))
    return table


def _cell(answer: Answer, measure: str) -> Text:
    score = answer.scores.get(measure)
    if score is None:
        return Text(NOTHING)
    found = answer.p.get(measure, 1.0) <= ALPHA
    return Text(number(score.value) + ("*" if found else " ")).append(
        f"\n{interval(score.low, score.high)} ", style="dim"
    )
