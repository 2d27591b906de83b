"""Rows of papers: what they say, where each is from, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panglot.data.pool import Pool
from panglot.errors import BadResult
from panglot.interop.published import DATA, published_results
from panglot.results.reported import ReportedResult, balance_of, read_reported

ROWS = {(row.task, row.model.partition("/")[2]): row for row in published_results()}


class TestPublished:
    @pytest.mark.parametrize(
        ("task", "model", "normalised"),
        [
            ("xquad-r", "XLM-R", (0.0369, 0.0263, 0.0255)),
            ("xquad-r", "LaBSE", (0.0232, 0.0199, 0.0195)),
            ("mlqa-r", "XLM-R", (0.0241, 0.0190, 0.0190)),
            ("mlqa-r", "LaBSE", (0.0189, 0.0166, 0.0163)),
        ],
    )
    def test_normalised_rank_distance(self, task: str, model: str, normalised: tuple[float, ...]) -> None:
        found = [
            ROWS[task, f"{model}-{batches}"].bias["normalised_rank_distance"]
            for batches in ("X-X-mono", "X-Y", "hybrid")
        ]
        assert found == pytest.approx(normalised, abs=5.1e-5)

    def test_some_printed_numbers(self) -> None:
        row = ROWS["xquad-r", "XLM-R-X-X-mono"]
        assert {setting: scores["map"] for setting, scores in row.settings.items()} == {
            "mono": 0.7918,
            "cross": 0.6737,
            "multi": 0.5479,
        }
        assert row.bias["rank_distance"] == 410.2
        assert row.languages["zh"]["bias"]["rank_distance"] == 357.3
        assert row.languages["ar"]["cross"]["map"] == 0.6064
        assert row.balance["map"] == pytest.approx(3 / (1 / 0.7918 + 1 / 0.6737 + 1 / 0.5479))
        assert ROWS["xquad-r", "mBERT-X-Y"].settings == {"multi": {"map": 0.66}}
        assert ROWS["mlqa-r", "mBERT-En-En"].balance == {}

    def test_every_row_says_where_it_is_from(self) -> None:
        assert len(ROWS) == 2 * (2 * 3 + 4)
        for row in ROWS.values():
            assert row.level == "published"
            assert "arXiv" in row.citation
            assert row.source
            assert row.note
            assert row.fingerprint is None

    def test_means_are_the_means_of_the_languages(self) -> None:
        """Printed with four decimals, rank distances with one."""
        for row in ROWS.values():
            for setting in row.settings if row.languages else ():
                mean = np.mean([scores[setting]["map"] for scores in row.languages.values()])
                assert mean == pytest.approx(row.settings[setting]["map"], abs=1.1e-4), (row.model, setting)

    @pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
    def test_bounds_are_those_of_the_pool(self, name: str, request: pytest.FixtureRequest) -> None:
        pool: Pool = request.getfixturevalue(name.replace("-", "_"))
        stored = json.loads(DATA.read_bytes())["pools"][name]
        relevants = np.bincount(pool.query, minlength=len(pool.queries))
        random = (len(pool.candidates) + 1) * (relevants - 1) / (relevants + 1)
        assert stored["languages"] == list(pool.languages)
        for place in range(len(pool.languages)):
            asked = pool.queries.language == place
            assert stored["perfect"][place] == pytest.approx((relevants[asked] - 1).mean(), abs=1e-5)
            assert stored["random"][place] == pytest.approx(random[asked].mean(), abs=1e-5)


class TestReported:
    def test_balance_needs_all_three(self) -> None:
        half = {"map": 0.5, "ndcg@10": 0.5}
        assert balance_of({"mono": half, "cross": half}) == {}
        assert balance_of({"mono": half, "cross": half, "multi": {"map": 0.0}}) == {"map": 0.0}

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"level": "recomputed"}, "level"),
            ({"settings": {"mono": {"map": 1.5}}}, "settings.mono.map"),
            ({"settings": {"mono": {}}}, "settings.mono: has no scores"),
            ({"bias": {"rank_distance": "NaN"}}, "bias.rank_distance"),
            ({"claim": 1}, "claim"),
        ],
    )
    def test_an_invalid_reported_result_is_rejected(self, change: dict[str, Any], fault: str, tmp_path: Path) -> None:
        row: ReportedResult = ROWS["xquad-r", "LaBSE-hybrid"]
        path = tmp_path / "xquad-r.reported.json"
        path.write_text(json.dumps(row.model_dump() | change))
        with pytest.raises(BadResult, match=fault):
            read_reported(path)
        with pytest.raises(BadResult, match="cannot be read"):
            read_reported(tmp_path / "absent.reported.json")
