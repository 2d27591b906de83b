"""Loss curves of a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from panglot.train.steps.validate import VALIDATION

COLOURS = {"mono": "#3b528b", "cross": "#21918c", "mixed": "#5ec962", "image": "#e08214", "captions": "#b35806"}


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Plot the loss of each kind of batch by step, and the validation score if there is one, to an image file."""
    validated = [entry for entry in history if f"eval_{VALIDATION}" in entry]
    figure, axes = plt.subplots(1, 1 + bool(validated), figsize=(5 + 4 * bool(validated), 3.2), squeeze=False)
    for kind in kinds_logged(history, "loss"):
        points = [(entry["step"], entry[f"loss_{kind}"]) for entry in history if f"loss_{kind}" in entry]
        axes[0, 0].plot(*zip(*points, strict=True), label=kind, color=COLOURS.get(kind), linewidth=1)
    axes[0, 0].set(xlabel="step", ylabel="loss")
    axes[0, 0].legend(frameon=False)
    if validated:
        axes[0, 1].plot([e["step"] for e in validated], [e[f"eval_{VALIDATION}"] for e in validated], marker=".")
        axes[0, 1].set(xlabel="step", ylabel="validation")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def kinds_logged(history: Sequence[dict[str, float]], what: str) -> Iterator[str]:
    """Kinds of batches with logged values of `what`, in order of first occurrence."""
    seen = dict.fromkeys(name for entry in history for name in entry if name.startswith(f"{what}_"))
    return (name.removeprefix(f"{what}_") for name in seen)
