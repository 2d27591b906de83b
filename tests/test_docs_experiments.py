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
from docs.experiments_tests import FOLDER, IMAGE_SIDE, INTACT, LAYERS, NAMED, SEEDS, STATIC, find, named
from docs.tables import with_tables
from panglot.results.evidence_file import read_evidence
from panglot.train.ablation.contrasts import contrasts
from panglot.train.ablation.experiment import ArmTitle, Experiment, read_experiment

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


def test_influences_follow_from_submitted_evidence() -> None:
    stored = json.loads(experiments_tests.INFLUENCES.read_text(encoding="utf-8"))
    (path,) = SUBMISSIONS.glob(f"{LAYERS}-mixed-1@*/xquad-r.json")
    for measure, values in of_evidence(read_evidence(path)).items():
        assert values == pytest.approx(stored[f"{LAYERS} mixed"][measure], rel=1e-3, abs=1e-9)


def _with_influences(found: Experiment) -> Experiment:
    """The static encoders as if their evidence had been kept, with an arm that does not depend on the seed."""
    arms = tuple(arm._replace(name="image-frozen") if arm.name == "hybrid-fewer" else arm for arm in found.arms)
    random = np.random.default_rng(0)
    runs = []
    for run in found.runs:
        influence = {}
        if run.task == "xquad-r":
            influence = {name: tuple(random.normal(0, abs(own) / 1000, 48)) for name, own in run.scores.items()}
        arm = "image-frozen" if run.arm == "hybrid-fewer" else run.arm
        runs.append(run.model_copy(update={"arm": arm, "influence": influence}))
    start = ArmTitle("start+centre", "not trained, centre", None, False)
    runs.append(next(run for run in runs if run.arm == "mono").model_copy(update={"arm": start.name}))
    means = [row for row in found.means if row.arm != "hybrid-fewer"]
    return found.model_copy(update={"arms": (*arms, start), "runs": tuple(runs), "means": tuple(means)})


def test_page_has_room_for_the_experiments_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their files, nothing on the page says any more that they were not run, and their tests lead the answer."""
    known = {name: read_experiment(FOLDER / f"{name}.json") for name in (STATIC, LAYERS, IMAGE_SIDE)}
    known[SEEDS] = known[INTACT] = _with_influences(known[STATIC])
    for module in (experiments_tests, tables):
        monkeypatch.setattr(module, "experiment", known.get)
    made = {name: table() for name, table in tables.TABLES.items()}
    assert not any("ot run" in line or "not been run" in line for lines in made.values() for line in lines)
    assert sum("start+centre" in line for line in made["seeds_tests"]) == 3
    shifts = named(SEEDS)
    assert f"{find(shifts, 'mono', 'hybrid', 'multi').detectable:.4f}".lstrip("0") in made["answer"][3]
    pairs = list(dict.fromkeys((shift.one, shift.other) for shift in shifts))
    for row in contrasts(known[SEEDS].arms, known[SEEDS].runs, pairs, NAMED, ("xquad-r",)):
        same = find(shifts, row.one, row.other, row.setting)
        assert (same.value, same.p, same.detectable) == pytest.approx((row.difference, row.p, row.detectable))


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
