"""The page on remedies: every number of the study follows from its rows."""

from __future__ import annotations

import re

import pytest

from docs import remedies_tables as study
from docs.tables import with_tables

PAPER = {".547", ".593"}
"""Numbers of arXiv 2408.10536."""


def test_page_shows_the_rows() -> None:
    text = study.PAGE.read_text(encoding="utf-8")
    for name in study.TABLES:
        assert f"<!-- {name}:" in text
    assert with_tables(text, study.TABLES) == text, "python -m docs.remedies_tables makes it anew."


def test_page_has_no_measured_number_of_its_own() -> None:
    own = re.sub(
        r"<!-- (\w+): made by .*?<!-- end of \1 -->", "", study.PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    numbers = re.findall(r"(?<![\w.])\d*\.\d+(?![\w.])", re.sub(r"arXiv \d+\.\d+", "", own))
    assert set(numbers) <= PAPER


def test_rows_are_few_enough_to_commit() -> None:
    assert study.ROWS.stat().st_size < 300_000


@pytest.mark.parametrize(
    ("method", "fit", "mono", "cross", "multi", "distance", "own"),
    [
        ("", "", 0.822, 0.653, 0.307, 1239, 0.71),
        ("centre", "corpus", 0.817, 0.697, 0.562, 473, 0.25),
        ("centre", "texts", 0.811, 0.687, 0.546, 642, 0.27),
        ("project:10", "texts", 0.824, 0.682, 0.526, 602, 0.28),
        ("shift:en", "texts", 0.816, 0.666, 0.519, 612, 0.27),
    ],
)
def test_quarter_of_the_questions_repeats_what_was_seen_first(
    method: str, fit: str, mono: float, cross: float, multi: float, distance: float, own: float
) -> None:
    """The scores of a first, separate computation on question groups 0, 4, 8, …"""
    row = study.variant(study.E5, "xquad-r", method, fit, "quarter")
    assert row
    assert [row[name][0] for name in ("mono", "cross", "multi")] == pytest.approx([mono, cross, multi], abs=0.01)
    assert row["own_share@10"][0] == pytest.approx(own, abs=0.015)  # was given to two places, for other sentences
    assert row["rank_distance"][0] == pytest.approx(distance, rel=0.08)


def test_centred_use_multilingual_gains_on_all_questions() -> None:
    row = study.variant(study.USE, "xquad-r", "centre", "corpus")
    assert row
    assert row["multi"][0] == pytest.approx(0.28, abs=0.01)
