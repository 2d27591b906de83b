"""`panglot ablate`: train variants of a recipe with several seeds and tabulate them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.names import DataDir, find_task
from panglot.cli.options import Changes
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import BadData, require
from panglot.files import check_writable


def ablate(
    grid: Annotated[Path, typer.Argument(metavar="GRID", help="TOML file, or name of a built-in ablation.")],
    changes: Changes = [],  # noqa: B006
    finished: Annotated[bool, typer.Option("--finished", help="Show finished models only; train nothing.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for models and results.")] = Path(
        "ablation"
    ),
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Output file for the table; default: in --out.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train, score and compare variants of a recipe.

    Trains every arm with every seed and tests the arms against each other. Keeps finished models.

    Example: panglot ablate static --out runs/static
    """
    require("sentence_transformers", "train", "panglot ablate")
    require("accelerate", "train", "panglot ablate")
    check_writable(out, "--out")
    from rich.text import Text

    from panglot.cli.view.ablation import draw_experiment, experiment_table
    from panglot.cli.view.terminal import progress_bar
    from panglot.data.catalogue import known_tasks
    from panglot.encode.checkpoints.precision import FELL_BACK
    from panglot.results.record import write_record
    from panglot.train.ablation.bench import Bench
    from panglot.train.ablation.grid import plan, read_ablation
    from panglot.train.ablation.summary import summarise
    from panglot.train.steps.arguments import training_precision

    console = open_console(aside=as_json)
    ablation = read_ablation(grid)
    planned = plan(ablation, grid.parent, changes)
    if any(training_precision(model.recipe) != model.recipe.training.precision for model in planned):
        console.print(Text(FELL_BACK, "yellow"), soft_wrap=True)
    bench = Bench(out, find_task, known_tasks().values(), progress_bar)
    scored = []
    for number, model in enumerate(planned, start=1):
        if finished and not bench.has(model):
            continue
        scored += bench.make(model)
        done = scored[-1]
        effort = f"  {done.steps} steps, {done.seconds:.0f} s"
        console.print(Text(f"{number}/{len(planned)} {done.planned.recipe.name}").append(effort, "dim"), soft_wrap=True)
    if not scored:
        raise BadData(f"{out} contains no finished model of {ablation.name}. Omit --finished to train them.")
    experiment = summarise(ablation, scored)
    target = table or out / f"{ablation.name}.json"
    write_record(target, experiment)
    draw_experiment(experiment, out / f"{ablation.name}.png")
    if as_json:
        print_json(experiment.model_dump(mode="json"))
        return
    for task in experiment.metric:
        console.print(experiment_table(experiment, task))
    console.print(str(target), soft_wrap=True)
