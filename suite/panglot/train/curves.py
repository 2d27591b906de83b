"""Loss curves, and what an ablation found, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from panglot.score.comparison.contributions import SETTINGS
from panglot.train.experiment import ArmRow, Experiment
from panglot.train.trainer import kinds_logged

COLOURS = {"mono": "#3b528b", "cross": "#21918c", "mixed": "#5ec962", "image": "#e08214", "captions": "#b35806"}


SETTING_COLOURS = {"mono": "#3b528b", "cross": "#21918c", "multi": "#e08214", "normalised_rank_distance": "#440154"}


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Loss of each kind of batch by step, and the validation beside it where there was one."""
    validated = [entry for entry in history if "eval_bitext" in entry]
    figure, axes = plt.subplots(1, 1 + bool(validated), figsize=(5 + 4 * bool(validated), 3.2), squeeze=False)
    for kind in kinds_logged(history, "loss"):
        points = [(entry["step"], entry[f"loss_{kind}"]) for entry in history if f"loss_{kind}" in entry]
        axes[0, 0].plot(*zip(*points, strict=True), label=kind, color=COLOURS.get(kind), linewidth=1)
    axes[0, 0].set(xlabel="step", ylabel="loss")
    axes[0, 0].legend(frameon=False)
    if validated:
        axes[0, 1].plot([e["step"] for e in validated], [e["eval_bitext"] for e in validated], marker=".")
        axes[0, 1].set(xlabel="step", ylabel="validation: bitext accuracy")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_experiment(experiment: Experiment, path: Path) -> None:
    """Mono, cross and multi of each arm with intervals, and beside them how much languages are favoured."""
    tasks = dict.fromkeys(row.task for row in experiment.means if "mono" in row.means)
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
    """One point a row, with its interval over questions or, where there is none, its deviation over seeds."""
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
