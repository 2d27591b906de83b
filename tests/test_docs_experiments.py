"""The page on hybrid and image-text batches: every number follows from the files of the ablations."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw
from scipy.stats import t as student

from docs import experiments_tables as tables
from docs import experiments_tests
from docs.experiments_influences import SUBMISSIONS, of_evidence
from docs.experiments_lookalikes import lookalikes
from docs.experiments_tests import FOLDER, INTACT, LAYERS, SEEDS, STATIC, find, named
from docs.tables import with_tables
from panglot.results.evidence_file import read_evidence
from panglot.train.ablation.experiment import read_experiment

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
def test_named_tests_follow_from_scores_and_influences(name: str) -> None:
    runs = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["runs"]
    submitted = json.loads(experiments_tests.INFLUENCES.read_text(encoding="utf-8"))
    found = named(name)
    ps = []
    for shift in found:
        scores: dict[str, list[float]] = {}
        for run in runs:
            if run["task"] == "xquad-r":
                scores.setdefault(run["arm"], []).append(run["scores"][shift.measure])
        repeated = [own for own in scores.values() if len(own) > 1]
        freedom = sum(len(own) - 1 for own in repeated)
        by_seeds = sum((len(own) - 1) * np.var(own, ddof=1) for own in repeated) / freedom * 2 / 3
        one, other = (submitted.get(f"{name} {arm}") for arm in (shift.one, shift.other))
        by_articles = 0.0
        if one and other:
            change = np.subtract(other[shift.measure], one[shift.measure])
            by_articles = (change**2).sum() * 48 / 47
        assert shift.articles == bool(one and other) == (shift.other == "hybrid")
        variance = by_seeds + by_articles
        freedom = variance**2 / (by_seeds**2 / freedom + by_articles**2 / 47)
        value = np.mean(scores[shift.other]) - np.mean(scores[shift.one])
        reach = student.ppf(0.975, freedom) * np.sqrt(variance)
        assert (shift.value, shift.low, shift.high) == pytest.approx((value, value - reach, value + reach))
        ps.append(2 * student.sf(abs(value) / np.sqrt(variance), freedom))
    holm, highest = {}, 0.0
    for place, number in enumerate(np.argsort(ps)):
        highest = max(highest, min(1.0, ps[number] * (len(ps) - place)))
        holm[number] = highest
    assert [shift.p for shift in found] == pytest.approx([holm[number] for number in range(len(ps))])


def test_named_tests_of_the_intact_encoder_follow_from_its_models() -> None:
    """Articles by the mean influence of each arm's models, seeds by the spread of all arms that were trained."""
    runs = [run for run in read_experiment(FOLDER / f"{INTACT}.json").runs if run.task == "xquad-r"]
    for shift in named(INTACT):
        scores: dict[str, list[float]] = {}
        influence: dict[str, list[tuple[float, ...]]] = {}
        for run in runs:
            scores.setdefault(run.arm, []).append(run.scores[shift.measure])
            influence.setdefault(run.arm, []).append(run.influence[shift.measure])
        trained = [own for arm, own in scores.items() if len(own) == 3 and not arm.endswith("+centre")]
        assert len(trained) == 9
        spread = np.mean([np.var(own, ddof=1) for own in trained])
        by_seeds = spread * sum(1 / 3 for arm in (shift.one, shift.other) if len(scores[arm]) == 3)
        change = np.mean(influence[shift.other], axis=0) - np.mean(influence[shift.one], axis=0)
        by_articles = (change**2).sum() * 48 / 47
        variance = by_seeds + by_articles
        freedom = variance**2 / (by_seeds**2 / 18 + by_articles**2 / 47)
        value = np.mean(scores[shift.other]) - np.mean(scores[shift.one])
        reach = student.ppf(0.975, freedom) * np.sqrt(variance)
        assert (shift.value, shift.low, shift.high) == pytest.approx((value, value - reach, value + reach), rel=1e-6)


def test_influences_follow_from_submitted_evidence() -> None:
    stored = json.loads(experiments_tests.INFLUENCES.read_text(encoding="utf-8"))
    (path,) = SUBMISSIONS.glob(f"{LAYERS}-mixed-1@*/xquad-r.json")
    for measure, values in of_evidence(read_evidence(path)).items():
        assert values == pytest.approx(stored[f"{LAYERS} mixed"][measure], rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("name", [SEEDS, INTACT])
def test_named_tests_of_the_page_are_those_that_the_ablation_states(name: str) -> None:
    shifts = named(name)
    rows = [row for row in read_experiment(FOLDER / f"{name}.json").tests if row.task == "xquad-r"]
    assert len(rows) == len(shifts) == 15
    for row in rows:
        same = find(shifts, row.one, row.other, row.setting)
        assert (same.value, same.p, same.detectable) == pytest.approx((row.difference, row.p, row.detectable), abs=1e-9)


def _png(colour: str, ellipse: bool) -> bytes:
    picture, file = Image.new("RGBA", (64, 64)), io.BytesIO()
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if ellipse else draw.rectangle)((4, 4, 60, 60), fill=colour)
    picture.save(file, "png")
    return file.getvalue()


def test_lookalikes_share_an_outline_and_a_word(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "name_en": "red button", "split": "train", "png": _png("red", True)},
        {"id": "b", "name_en": "blue circle", "split": "train", "png": _png("blue", True)},
        {"id": "same outline, no word", "name_en": "orange button", "split": "test", "png": _png("orange", True)},
        {"id": "same word, other outline", "name_en": "Circle", "split": "test", "png": _png("red", False)},
        {"id": "both", "name_en": "orange circle", "split": "test", "png": _png("orange", True)},
        {"id": "neither trained on", "name_en": "square", "split": "valid", "png": _png("red", False)},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "images.parquet")
    assert lookalikes(tmp_path / "images.parquet") == ({"both"}, 3)
