"""The page of the trainer's ablations."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.tables import training
from panglot.results.record import write_record
from panglot.train.ablation.experiment import ArmRow, ArmTitle, Experiment, Interval, RunRow, TestRow
from panglot.train.ablation.grid import read_ablation
from tests.helpers.processes import LONGEST

pytestmark = pytest.mark.usefixtures("no_checks")

PAGE = Path(__file__).parents[1] / "leaderboard_app" / "app_pages" / "trainer.py"
SCORES = {"cross": 0.1, "hybrid-25": 0.2, "hybrid": 0.3, "mono": 0.25, "image": 0.4}

ALPHAS = {"cross": 0.0, "hybrid-25": 0.25, "hybrid": 0.5, "hybrid-75": 0.75, "mono": 1.0}
"""Of the arms that make the curve over alpha."""


@pytest.fixture
def experiment() -> Experiment:
    """Five arms on one task; `multi` has an interval, the rank distance none."""
    return Experiment(
        name="static",
        title="Static encoders",
        base="nothing",
        metric={"xquad-r": "map"},
        arms=tuple(ArmTitle(arm, f"the arm {arm}", ALPHAS.get(arm)) for arm in SCORES),
        seeds=(1,),
        runs=tuple(
            RunRow(
                arm=arm,
                seed=1,
                recipe="0",
                steps=1,
                seconds=1.0,
                validation=None,
                task="xquad-r",
                scores={"multi": value},
            )
            for arm, value in SCORES.items()
        ),
        means=tuple(
            ArmRow(
                arm=arm,
                task="xquad-r",
                seeds=1,
                means={"multi": value, "rank_distance": 100 * value},
                spread={},
                intervals={"multi": Interval(value, value - 0.01, value + 0.01)},
            )
            for arm, value in SCORES.items()
        ),
        tests=(
            TestRow(
                one="mono",
                other="hybrid",
                task="xquad-r",
                setting="multi",
                difference=0.05,
                low=0.01,
                high=0.09,
                p=0.01,
                agreeing=1,
                clusters_error=0.01,
            ),
        ),
    )


def test_tables_say_what_the_file_says(experiment: Experiment) -> None:
    scores = training.arm_scores(experiment, "xquad-r", ["multi", "rank_distance"])
    multi = scores[scores["measure"] == "multi"].set_index("arm")
    assert multi["value"].to_dict() == SCORES
    assert multi["low"].to_dict() == {arm: value - 0.01 for arm, value in SCORES.items()}
    assert scores[scores["measure"] == "rank_distance"]["low"].isna().all()
    curve = training.alpha_curve(experiment, "xquad-r", ["multi"])
    assert curve["value"].tolist() == [0.1, 0.2, 0.3, 0.25]
    assert training.difference_table(experiment, "xquad-r")["difference"].tolist() == [0.05]
    assert training.difference_table(experiment, "mlqa-r").empty
    best = experiment.model_copy(update={"means": experiment.means[:4]})
    said = "hybrid has the highest multi (0.300). It is significantly better than mono."
    assert training.conclusion(best, "xquad-r") == said
    said = "Of the arms that were tested against others, hybrid (0.300) is significantly better than mono."
    assert training.conclusion(experiment, "xquad-r") == f"image has the highest multi (0.400). {said}"
    assert training.conclusion(best, "mlqa-r") == ""
    (row,) = best.tests
    earlier = best.model_copy(update={"tests": (row.model_copy(update={"clusters_error": None}),)})
    assert training.conclusion(earlier, "xquad-r") == (
        "hybrid has the highest multi (0.300), but no test says whether that is more than chance."
    )


def test_note_says_what_intervals_are_over(experiment: Experiment) -> None:
    assert "too narrow" in training.interval_note(experiment)
    run = experiment.runs[0].model_copy(update={"influence": {"multi": (0.1, -0.1)}})
    assert "over clusters" in training.interval_note(experiment.model_copy(update={"runs": (run,)}))


def test_the_ablations_that_come_with_the_board_are_in_the_order_of_their_grids() -> None:
    found, refused = training.read_experiments()
    assert set(found) == {"e5-intact", "image-side", "static", "static-seeds", "transformer"}
    assert not refused
    for name, experiment in found.items():
        trained = [arm.name for arm in experiment.arms if "+" not in arm.name]
        assert trained == [arm for arm in read_ablation(Path(name)).arms if arm in trained]


def test_the_page_shows_an_ablation(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path / "static.json", experiment)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(training, "FOLDER", tmp_path)
    page = AppTest.from_file(str(PAGE), default_timeout=LONGEST).run()
    assert not page.exception
    assert "broken" in page.warning[0].value
    assert page.selectbox(key="on").value == "xquad-r"
    shown = page.dataframe[0].value
    assert shown["arm"].tolist() == list(SCORES)
    assert shown.set_index("arm")["value"].to_dict() == {arm: f"{value:.3f} ± .010" for arm, value in SCORES.items()}
    assert "image has the highest multi (0.400)" in page.markdown[1].value.replace("\\", "")
    arms = next(each.proto.body for each in page.get("html") if "the arm hybrid" in each.proto.body)
    assert arms.count("<b>0.400 ± .010</b>") == 1


def test_a_task_without_measures_of_bias_has_no_such_section(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = ArmRow(arm="image", task="emoji-t2i", seeds=1, means={"multi": 0.1}, spread={}, intervals={})
    write_record(tmp_path / "static.json", experiment.model_copy(update={"means": (*experiment.means, pictures)}))
    monkeypatch.setattr(training, "FOLDER", tmp_path)
    page = AppTest.from_file(str(PAGE), default_timeout=LONGEST).run()
    assert "Bias" in [heading.value for heading in page.subheader]
    page.selectbox(key="on").set_value("emoji-t2i").run()
    assert not page.exception
    assert "Bias" not in [heading.value for heading in page.subheader]


def test_the_page_without_an_ablation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "FOLDER", tmp_path)
    page = AppTest.from_file(str(PAGE), default_timeout=LONGEST).run()
    assert not page.exception
    assert "no ablation" in page.info[0].value
