from __future__ import annotations

from pathlib import Path

import pytest

from panglot.cli.view.ablation import experiment_table
from panglot.errors import BadResult
from panglot.results.evidence_file import read_evidence
from panglot.results.record import write_record
from panglot.results.result_record import read_result_record
from panglot.score.comparison.contributions import contributions
from panglot.train.ablation.experiment import Experiment, read_experiment
from panglot.train.ablation.grid import Ablation, Arm, plan
from panglot.train.ablation.summary import Scored, summarise
from panglot.train.data.read import read_pairs
from panglot.train.run.record import read_training
from panglot.train.run.score import score_folder
from panglot.train.run.train import train
from tests.helpers.recipes import write_recipe
from tests.helpers.tasks import TASKS


@pytest.fixture(scope="module")
def ablation() -> Ablation:
    return Ablation(
        name="tiny",
        title="Two arms",
        recipe="small.toml",
        seeds=(1, 2),
        arms={
            "mono": Arm(title="one language", set={"sampler.kind": "mono"}),
            "cross": Arm(title="two", set={"sampler.kind": "cross"}),
            "never": Arm(title="not made"),
        },
    )


@pytest.fixture(scope="module")
def scored(ablation: Ablation, tmp_path_factory: pytest.TempPathFactory) -> list[Scored]:
    folder = tmp_path_factory.mktemp("ablation")
    write_recipe(folder)
    made = []
    for model in plan(ablation, folder):
        if model.arm != "never":
            target = folder / "models" / model.recipe.name
            trained = train(model.recipe, target, read_pairs(model.recipe)).training
            known = read_training(model.recipe, target)
            assert known is not None
            assert known.steps == trained.steps == 6
            results = score_folder(target, [TASKS["starter"]], folder / "results")
            made.append(Scored(model, trained.steps, trained.seconds, trained.best_validation, results))
    return made


@pytest.fixture(scope="module")
def experiment(ablation: Ablation, scored: list[Scored]) -> Experiment:
    return summarise(ablation, scored)


def test_means_are_over_the_seeds_of_an_arm(experiment: Experiment) -> None:
    for row in experiment.means:
        runs = [run.scores for run in experiment.runs if run.arm == row.arm]
        assert len(runs) == row.seeds == 2
        for name, mean in row.means.items():
            one, other = (run[name] for run in runs)
            assert mean == pytest.approx((one + other) / 2)
            assert row.spread[name] == pytest.approx(abs(one - other) / 2**0.5)
        for name in ("mono", "cross", "multi"):
            interval = row.intervals[name]
            assert interval.value == pytest.approx(row.means[name])
            assert interval.low <= interval.value <= interval.high


def test_tests_are_of_the_means_of_the_seeds(experiment: Experiment) -> None:
    means = {row.arm: row.means for row in experiment.means}
    assert {(test.one, test.other) for test in experiment.tests} == {("mono", "cross")}
    assert [test.setting for test in experiment.tests] == ["mono", "cross", "multi", "balance"]
    for test in experiment.tests:
        assert test.difference == pytest.approx(means["cross"][test.setting] - means["mono"][test.setting])
        assert 0 <= test.agreeing <= 2
        assert 0 < test.p <= 1
        assert test.low is not None
        assert test.high is not None
        assert test.low <= test.difference <= test.high


def test_influences_are_kept_of_tested_tasks_only(ablation: Ablation, scored: list[Scored]) -> None:
    (run,) = summarise(ablation.model_copy(update={"tasks": ("xquad-r",)}), scored[:1]).runs
    assert run.scores
    assert not run.influence


def test_arms_without_a_model_are_left_out(experiment: Experiment) -> None:
    assert [arm.name for arm in experiment.arms] == ["mono", "cross"]
    assert experiment.seeds == (1, 2)


def test_the_seeds_of_an_arm_ask_the_same_questions(scored: list[Scored]) -> None:
    parts = [
        contributions(read_evidence(path), read_result_record(path).task.headline) for s in scored for path in s.results
    ]
    assert all((part.count == parts[0].count).all() for part in parts)


def test_the_file_is_read_as_it_was_written(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "tiny.json"
    write_record(path, experiment)
    read = read_experiment(path)
    assert [row.arm for row in read.runs] == [row.arm for row in experiment.runs]
    assert experiment_table(read, "starter")
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(BadResult):
        read_experiment(path)
