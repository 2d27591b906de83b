"""An ablation as a table in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from panglot.train.experiment import MEASURES, Experiment


def experiment_table(experiment: Experiment, task: str) -> RenderableType:
    """Mean over seeds of each arm on one task, and below it the standard deviation over seeds."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("arm")
    rows = [row for row in experiment.means if row.task == task]
    names = [name for name in MEASURES if any(name in row.means for row in rows)]
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right")
    for row in rows:
        cells = [_cell(row.means.get(name), row.spread.get(name)) for name in names]
        table.add_row(row.arm, *cells)
    title = f"\n{task}, {experiment.metric[task]}, mean over {len(experiment.seeds)} seeds and deviation"
    return Group(Text(title, style="bold"), table)


def _cell(mean: float | None, spread: float | None) -> Text:
    if mean is None:
        return Text("–")
    shown = Text(f"{mean:.3f}" if abs(mean) < 100 else f"{mean:,.0f}")
    return (
        shown
        if spread is None
        else shown.append(f"\n{spread:.3f}" if spread < 100 else f"\n{spread:,.0f}", style="dim")
    )
