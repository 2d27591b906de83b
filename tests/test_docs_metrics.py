"""docs/metrics.md: the arithmetic of every row gives the value beside it, and so does the suite."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pytest

from docs import intervals
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bias import MEASURES
from panglot.score.bootstrap import effective, tails
from panglot.score.comparison.paired import SWAPS, swaps_of
from panglot.score.metrics import NAMES, parse_metric
from panglot.score.summary import BIAS_NAMES, Scores, score_evidence
from tests.helpers.documents import ROOT
from tests.helpers.scores import FixedScores

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROUNDED = 0.00051
"""Three digits stand on the page."""


class Row(NamedTuple):
    """A row of a table, its cells without the marks of code."""

    cells: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.cells[0]


def _section(title: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def _tables(title: str) -> list[list[Row]]:
    """The tables of a section, heading first, without the line of dashes."""
    found = re.findall(r"(?:^\|.*\|\n)+", _section(title), re.MULTILINE)
    return [
        [Row(tuple(cell.strip(" `") for cell in line.strip("|").split("|"))) for line in table.splitlines()]
        for table in found
    ]


def _check_arithmetic(row: Row, ours: float, arithmetic: int, digits: float) -> None:
    """The arithmetic in one column, the value in the next, and the suite's, all to so many digits."""
    by_hand, printed = row.cells[arithmetic : arithmetic + 2]
    assert _computed(by_hand) == pytest.approx(float(printed), abs=digits), row
    assert ours == pytest.approx(float(printed), abs=digits), row


def _rows(title: str, table: int = 0) -> list[Row]:
    return _tables(title)[table][2:]


def _computed(arithmetic: str) -> float:
    names = {"log2": math.log2, "exp": math.exp}
    return float(eval(arithmetic, {"__builtins__": {}}, names))


def _evidence(title: str, table: int = 0) -> Evidence:
    """The evidence of the scores in a section: `de a1` is relevant to `de 1`, and others score as the text says."""
    heading, _, *rows = _tables(title)[table]
    candidates = list(heading.cells[1:])
    language, last = re.findall(r"`(\w+) y1` to `\w+ y(\d)`", _section(title))[0]
    others = [f"{language} y{number}" for number in range(1, int(last) + 1)]
    matrix = [[*map(float, row.cells[1:]), *(-n / 10 for n in range(1, len(others) + 1))] for row in rows]
    languages = list(dict.fromkeys(candidate.split()[0] for candidate in candidates))
    queries = [Query(row.name, f"asks {row.name}", *row.name.split()) for row in rows]
    offered = [Candidate(name, f"says {name}", name.split()[0]) for name in [*candidates, *others]]
    relevant = [Judgement(q.id, c.id) for q in queries for c in offered if c.id.endswith(f" a{q.group}")]
    return collect_evidence(Pool.of(languages, queries, offered, relevant), FixedScores(np.array(matrix)))


@pytest.fixture(scope="module")
def example() -> Evidence:
    return _evidence("The example")


@pytest.fixture(scope="module")
def scores(example: Evidence) -> Scores:
    return score_evidence(example, "map")


def _check(row: Row, ours: float, arithmetic: int = 2) -> None:
    """The arithmetic in one column, the value in the next, and the suite's."""
    by_hand, printed = row.cells[arithmetic : arithmetic + 2]
    assert _computed(by_hand) == pytest.approx(float(printed), abs=ROUNDED), row
    assert ours == pytest.approx(float(printed), abs=ROUNDED), row
    assert ours == pytest.approx(_computed(by_hand), abs=1e-4), row


def test_worked_ranks_are_right(example: Evidence) -> None:
    heading, _, *rows = _tables("The example")[1]
    ranking = example.together
    found = {
        (example.query_ids[cell], example.languages[example.language[pair]]): int(rank)
        for cell, pair, rank in zip(ranking.cell, ranking.pair, ranking.rank, strict=True)
    }
    for row in rows:
        for language, rank in zip(heading.cells[1:], row.cells[1:], strict=True):
            assert found[row.name, language] == int(rank)


def test_worked_metrics_of_a_query_are_right(example: Evidence) -> None:
    rows = _rows("Of one query")
    assert tuple(row.name for row in rows) == NAMES
    for row in rows:
        _check(row, parse_metric(row.name).compute(example.together)[example.query_ids.index("en 1")])


def test_worked_metrics_of_a_setting_are_right(scores: Scores) -> None:
    rows = {row.name: row for row in _rows("Of a setting")}
    _check(rows.pop("balance"), scores.balance["map"].value)
    assert rows.keys() == scores.settings.keys()
    for setting, row in rows.items():
        _check(row, scores.settings[setting]["map"].value)


def _check_bias(rows: Mapping[str, Row], scores: Scores) -> None:
    assert rows.keys() <= scores.bias.keys()
    for name, row in rows.items():
        _check(row, scores.bias[name].value)
        if row.cells[4]:
            _check(row, scores.blind[name], arithmetic=4)


def test_worked_bias_measures_are_right(scores: Scores) -> None:
    rows = {row.name: row for row in _rows("Language bias")}
    assert rows.keys() == scores.bias.keys()
    _check_bias(rows, scores)


def test_consistency_question_by_question() -> None:
    for row in _rows("Language bias", 1):
        assert _computed(row.cells[1]) == pytest.approx(float(row.cells[2]), abs=5e-5)


def test_worked_image_measures_are_right() -> None:
    rows = {row.name: row for row in _rows("Images", 1)}
    _check_bias(rows, score_evidence(_evidence("Images"), "ndcg@10"))


def test_how_far_intervals_reach() -> None:
    for row in _rows("Intervals", 1):
        clusters = float(row.name)
        left_out = float(tails(np.array(clusters)))
        _check_arithmetic(row, -NormalDist().inv_cdf(left_out), 1, ROUNDED)
        assert left_out == pytest.approx(float(row.cells[3]), abs=5.1e-5)


def test_effective_clusters() -> None:
    (row,) = _rows("Intervals", 2)
    _check_arithmetic(row, float(effective(np.array([2.0, 1, 1]))), 1, ROUNDED)


def test_least_p() -> None:
    for row in _rows("Intervals", 4):
        _check_arithmetic(row, 1 / swaps_of(int(row.name), SWAPS), 1, ROUNDED)


@pytest.mark.usefixtures("real_data")
def test_intervals_of_real_models() -> None:
    """As the committed script prints them; the last digit may differ from processor to processor."""
    printed, computed = _rows("Intervals"), list(intervals.rows())
    assert [row.cells[:2] for row in printed] == [row[:2] for row in computed]
    for row, ours in zip(printed, computed, strict=True):
        for one, other in zip(row.cells[2:], ours[2:], strict=True):
            assert _numbers(one) == pytest.approx(_numbers(other), abs=0.0011), (row, ours)
    paragraph, article = ([float(row.cells[place]) for row in printed] for place in (6, 7))
    assert all(1 < one <= other for one, other in zip(paragraph, article, strict=True))


def _numbers(cell: str) -> list[float]:
    return [float(number) for number in cell.split(" to ")]


def test_the_example_is_too_small_for_intervals(scores: Scores) -> None:
    assert "too few for an interval" in _section("Of a setting")
    assert all(score.low is None for score in scores.settings["mono"].values())


def test_every_measure_is_worked() -> None:
    worked = {row.name for title, table in (("Language bias", 0), ("Images", 1)) for row in _rows(title, table)}
    assert worked == set(BIAS_NAMES) >= {measure.name for measure in MEASURES}
