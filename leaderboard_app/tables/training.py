"""Tables of the trainer's ablations."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboard_app.tables.columns import SHORT, best_of, headed
from leaderboard_app.tables.formats import plus_minus
from panglot.errors import BadResult
from panglot.numbers import NOTHING, listed
from panglot.score.comparison.differences import ALPHA
from panglot.train.ablation.experiment import Experiment, read_experiment

FOLDER = Path(__file__).parents[1] / "experiments"


def read_experiments() -> tuple[dict[str, Experiment], dict[str, str]]:
    """The ablations that came with the board by name, and what is said about files that are none."""
    found, refused = {}, {}
    for path in sorted(FOLDER.glob("*.json")):
        try:
            found[path.stem] = read_experiment(path)
        except BadResult as error:
            refused[path.name] = str(error)
    return found, refused


def interval_note(experiment: Experiment) -> str:
    """What the intervals of the arms are over; of files of earlier versions, that they are too narrow."""
    if any(run.influence for run in experiment.runs):
        return "over clusters of questions."
    return (
        "over parallel questions. Questions of one article are not independent, so intervals are too narrow and p "
        "below is too small; newer ablations go by article."
    )


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


def conclusion(experiment: Experiment, task: str) -> str:
    """What the ablation found on a task: the best arm by balance, and what tests found about the best arm that has any.

    Tests of earlier versions do not count: as if other seeds and articles could not change the outcome, they find too
    much. Empty where no arm has a score.
    """
    setting = "balance" if any("balance" in row.means for row in experiment.means if row.task == task) else "multi"
    means = {row.arm: row.means[setting] for row in experiment.means if row.task == task and setting in row.means}
    if not means:
        return ""
    best = max(means, key=means.__getitem__)
    said = f"{best} has the highest {setting} ({means[best]:.3f})"
    tests = [row for row in experiment.tests if (row.task, row.setting) == (task, setting) and row.clusters_error]
    tested = {arm for row in tests for arm in (row.one, row.other)} & set(means)
    if not tested:
        return f"{said}, but no test says whether that is more than chance."
    first = max(tested, key=means.__getitem__)
    of_first = [row for row in tests if first in (row.one, row.other)]
    won = [row.other if row.one == first else row.one for row in of_first if row.p <= ALPHA]
    tied = [row.other if row.one == first else row.one for row in of_first if row.p > ALPHA]
    found = ([f"significantly better than {listed(won)}"] if won else []) + (
        [f"not distinguishable from {listed(tied)}"] if tied else []
    )
    which = "It" if first == best else f"Of the arms that were tested against others, {first} ({means[first]:.3f})"
    return f"{said}. {which} is {' and '.join(found)}."


def arms_html(experiment: Experiment, task: str, measures: Sequence[str]) -> str:
    """Each arm with what it is and its scores, as a table like those of the first page; the best in bold."""
    scores = arm_scores(experiment, task, measures)
    there = [name for name in measures if name in set(scores["measure"])]
    best = {name: best_of(name, scores["value"][scores["measure"] == name]) for name in there}
    cells = {(row.arm, row.measure): row for row in scores.itertuples(index=False)}
    heads = "".join(f'<th scope="col">{html.escape(headed(name, SHORT.get(name, name)))}</th>' for name in there)
    body = ""
    for arm in experiment.arms:
        if any((arm.name, name) in cells for name in there):
            shown = (_cell(cells.get((arm.name, name)), name, best[name]) for name in there)
            body += (
                f'<tr><th scope="row">{html.escape(arm.name)}<small>{html.escape(arm.title)}</small></th>'
                f"{''.join(shown)}</tr>"
            )
    return (
        '<div class="front" role="region" aria-label="Arms" tabindex="0"><table><thead><tr><th scope="col">arm</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(row: Any, name: str, best: float) -> str:
    if row is None:
        return f"<td>{NOTHING}</td>"
    shown = plus_minus(row.value, row.low, row.high, name)
    return f"<td><b>{shown}</b></td>" if row.value == best else f"<td>{shown}</td>"
