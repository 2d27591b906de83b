"""The page on hybrid and image-text batches: every number follows from the files of the ablations."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from scipy.stats import t as student

from docs import experiments_tables as tables
from docs.experiments_tests import FOLDER, LAYERS, STATIC, named
from docs.tables import with_tables

OWN = {".547", ".593", ".755", ".792", ".798", ".65", ".80", ".05"}
"""Numbers of arXiv 2408.10536, the goal, and the level of tests."""


def test_page_shows_the_files() -> None:
    text = tables.PAGE.read_text(encoding="utf-8")
    for name in tables.TABLES:
        assert f"<!-- {name}:" in text
    assert with_tables(text, tables.TABLES) == text, "python -m docs.experiments_tables makes it anew."


def test_page_has_no_measured_number_of_its_own() -> None:
    text = tables.PAGE.read_text(encoding="utf-8")
    own = re.sub(r"<!-- (\w+): made by .*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    numbers = re.findall(r"(?<![\w.])\d*\.\d+(?![\w.])", re.sub(r"arXiv \d+\.\d+", "", own))
    assert set(numbers) <= OWN


@pytest.mark.parametrize("name", [STATIC, LAYERS])
def test_named_tests_over_seeds_follow_from_the_scores(name: str) -> None:
    runs = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["runs"]
    found = named(name)
    ps = []
    for shift in found:
        scores: dict[str, list[float]] = {}
        for run in runs:
            if run["task"] == "xquad-r":
                scores.setdefault(run["arm"], []).append(run["scores"][shift.measure])
        repeated = [own for own in scores.values() if len(own) > 1]
        freedom = sum(len(own) - 1 for own in repeated)
        variance = sum((len(own) - 1) * np.var(own, ddof=1) for own in repeated) / freedom
        error = np.sqrt(variance * 2 / 3)
        value = np.mean(scores[shift.other]) - np.mean(scores[shift.one])
        reach = student.ppf(0.975, freedom) * error
        assert (shift.value, shift.low, shift.high) == pytest.approx((value, value - reach, value + reach))
        ps.append(2 * student.sf(abs(value) / error, freedom))
    holm, highest = {}, 0.0
    for place, number in enumerate(np.argsort(ps)):
        highest = max(highest, min(1.0, ps[number] * (len(ps) - place)))
        holm[number] = highest
    assert [shift.p for shift in found] == pytest.approx([holm[number] for number in range(len(ps))])
