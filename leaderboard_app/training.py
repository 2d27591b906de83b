"""Tables of the trainer's ablations; nothing here knows Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from panglot.errors import BadResult
from panglot.train.ablation.experiment import Experiment, read_experiment

FOLDER = Path(__file__).with_name("experiments")


def read_experiments() -> tuple[dict[str, Experiment], dict[str, str]]:
    """The ablations that came with the board by name, and what is said of files that are none."""
    found, refused = {}, {}
    for path in sorted(FOLDER.glob("*.json")):
        try:
            found[path.stem] = read_experiment(path)
        except BadResult as error:
            refused[path.name] = str(error)
    return found, refused


def arm_scores(experiment: Experiment, task: str, measures: Sequence[str]) -> pd.DataFrame:
    """A row for each arm and measure: `arm, measure, value, low, high, seeds`; ends where an interval is known."""
    rows = []
    for arm in experiment.means:
        for measure in measures:
            if arm.task == task and measure in arm.means:
                ends = arm.intervals[measure][1:] if measure in arm.intervals else (None, None)
                rows.append((arm.arm, measure, arm.means[measure], *ends, arm.seeds))
    columns = ["arm", "measure", "value", "low", "high", "seeds"]
    table = pd.DataFrame(rows, columns=columns).astype({"low": float, "high": float})
    order = {arm.name: place for place, arm in enumerate(experiment.arms)}
    return table.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)


def alpha_curve(experiment: Experiment, task: str, measures: Sequence[str]) -> pd.DataFrame:
    """A row for each share of monolingual batches and measure: `alpha, measure, value`, in rising order."""
    table = arm_scores(experiment, task, measures)
    alphas = {arm.name: arm.alpha for arm in experiment.arms}
    table["alpha"] = table["arm"].map(alphas).astype(float)
    return table.dropna(subset=["alpha"]).sort_values("alpha", kind="stable", ignore_index=True)


def difference_table(experiment: Experiment, task: str) -> pd.DataFrame:
    """A row for each pair of arms and setting: the difference, its interval, p and the seeds that agree.

    `detectable`, the smallest difference that would have been found, is a column if the file has it.
    """
    shown = {"one", "other", "setting", "difference", "low", "high", "p", "agreeing"}
    if any(row.detectable is not None for row in experiment.tests):
        shown.add("detectable")
    return pd.DataFrame([row.model_dump(include=shown) for row in experiment.tests if row.task == task])
