"""An ablation as a terminal table and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from panglot.numbers import number
from panglot.score.settings import SETTINGS
from panglot.train.ablation.experiment import MEASURES, ArmRow, Experiment

SETTING_COLOURS = {"mono": "#3b528b", "cross": "#21918c", "multi": "#e08214", "normalised_rank_distance": "#440154"}


def experiment_table(experiment: Experiment, task: str) -> RenderableType:
    """Mean of each arm over seeds on one task, with the standard deviation below."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("arm")
    rows = [row for row in experiment.means if row.task == task]
    names = [name for name in MEASURES if any(name in row.means for row in rows)]
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right")
    for row in rows:
        cells = [_cell(row.means.get(name), row.spread.get(name)) for name in names]
        table.add_row(row.arm, *cells)
    title = f"\n{task}, {experiment.metric[task]}, mean and standard deviation over {len(experiment.seeds)} seeds"
    return Group(Text(title, style="bold"), table)


def _cell(mean: float | None, spread: float | None) -> Text:
    shown = Text(number(mean))
    return shown if spread is None else shown.append(f"\n{number(spread)}", style="dim")


def draw_experiment(experiment: Experiment, path: Path) -> None:
    """Draw mono, cross and multi of each arm with intervals, next to the normalised rank distance.

    Tasks without these settings are not drawn.
    """
    tasks = dict.fromkeys(row.task for row in experiment.means if "mono" in row.means)
    if not tasks:
        return
    figure, axes = plt.subplots(len(tasks), 2, figsize=(9, 3.2 * len(tasks)), squeeze=False)
    for (scores, distance), task in zip(axes, tasks, strict=True):
        rows = [row for row in experiment.means if row.task == task]
        for place, setting in enumerate(SETTINGS):
            _draw_points(scores, rows, setting, 0.2 * (place - 1))
        scores.set_xlabel(f"{task}, {experiment.metric[task]}")
        _draw_points(distance, rows, "normalised_rank_distance", 0.0)
        distance.set_xlabel(f"{task}, normalised rank distance")
        for axis in (scores, distance):
            axis.set_yticks(range(len(rows)), [row.arm for row in rows])
            axis.invert_yaxis()
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _draw_points(axis: Axes, rows: Sequence[ArmRow], measure: str, shift: float) -> None:
    """Draw one point per row with its interval or, without one, its standard deviation over seeds."""
    for place, row in enumerate(rows):
        value, deviation = row.means[measure], row.spread.get(measure, 0.0)
        interval = row.intervals.get(measure)
        below, above = (value - interval.low, interval.high - value) if interval else (deviation, deviation)
        axis.errorbar(
            value,
            place + shift,
            xerr=[[below], [above]],
            fmt="o",
            markersize=3,
            linewidth=1,
            color=SETTING_COLOURS[measure],
            label=measure if place == 0 else None,
        )
