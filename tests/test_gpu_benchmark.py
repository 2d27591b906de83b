"""The script that measures a GPU runs to the end on a processor, so that it is known to work where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks import gpu
from panglot.retrieve.ranking import collect_evidence
from tests.helpers.pools import PoolMaker


def test_script_prints_every_row_on_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", "--tiny"]) == 0
    printed = capsys.readouterr().out
    for measured in ("Panglot encodes", "whole run", "ranking 800 × 480 × 64", "not explained by scores closer than"):
        (row,) = (line for line in printed.splitlines() if measured in line)
        assert "not measured" not in row


def test_script_says_what_it_had_no_time_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", "--tiny", "--minutes", "0"]) == 0
    assert capsys.readouterr().out.count("not measured: no time left") == 6


def test_part_that_fails_does_not_end_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Iterator[gpu.Row]:
        yield gpu.Row("first", "1 s")
        raise RuntimeError("out of\nmemory")

    parts = {"one": failing(), "other": iter([gpu.Row("second", "2 s")])}
    assert gpu.measure(gpu.Clock("cpu", 1), parts)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "| first | 1 s | – |",
        "| one | not measured: RuntimeError: out of memory | – |",
        "| second | 2 s | – |",
    ]
    assert "Traceback" in printed.err


def test_pairs_that_differ_without_a_close_score_are_found(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=20, distractors=30)
    scores = gpu.planted_vectors(pool, 16)
    here = collect_evidence(pool, scores)
    assert sum(gpu._unexplained(scores, here, here, rows=7)) == 0
    wrong = replace(here, above=here.above + 2)  # each score is close to itself
    assert sum(gpu._unexplained(scores, here, wrong, rows=7)) == len(here.query)
