"""The script that measures a GPU runs to the end on a processor, so that it is known to work where it is needed."""

from __future__ import annotations

import pytest

from benchmarks import gpu


def test_script_prints_every_row_on_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu", "--tiny"])
    printed = capsys.readouterr().out
    for measured in ("Panglot encodes", "whole run", "ranking 800 × 480 × 64", "not explained by scores closer than"):
        (row,) = (line for line in printed.splitlines() if measured in line)
        assert "not measured" not in row


def test_script_says_what_it_had_no_time_for(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu", "--tiny", "--minutes", "0"])
    assert capsys.readouterr().out.count("not measured: no time left") == 4
