"""`panglot train`: train an encoder from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.names import DataDir, find_task
from panglot.cli.options import Changes
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import require
from panglot.files import check_writable


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file, or name of a built-in recipe.")],
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for models.")] = Path("models"),
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Results folder.")] = Path("submissions"),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train an encoder from a recipe, then score it.

    Resumes an interrupted run. On several GPUs: torchrun --nproc-per-node 4 -m panglot train RECIPE

    Example: panglot train static-hybrid --set training.steps=200
    """
    from panglot.train.recipe_file import read_recipe

    chosen = read_recipe(recipe, changes)
    tasks = [find_task(name) for name in chosen.evaluation]
    require("sentence_transformers", "train", "panglot train")
    require("accelerate", "train", "panglot train")
    check_writable(out, "--out")
    check_writable(results, "--results")
    from rich.text import Text

    from panglot.train.data import read_pairs

    pairs = read_pairs(chosen)  # before loading torch and models, so bad rows are reported at once

    from panglot.cli.view.terminal import progress_bar, score_table
    from panglot.data.catalogue import known_tasks
    from panglot.encode.checkpoints.precision import FELL_BACK
    from panglot.results.result_record import read_result_record
    from panglot.train.card import write_card
    from panglot.train.leak import check_leaks
    from panglot.train.score import score_folder
    from panglot.train.train import is_first_process, train
    from panglot.train.trainer import training_precision

    console = open_console(aside=as_json)
    leaks = check_leaks(pairs, known_tasks().values())
    console.print(Text(str(leaks), "dim"), soft_wrap=True)
    if training_precision(chosen) != chosen.training.precision:
        console.print(Text(FELL_BACK, "yellow"), soft_wrap=True)
    trained = train(chosen, out / chosen.name, pairs, leaks, progress_bar)
    if not is_first_process():
        return
    effort = f"  {trained.training.seconds:.0f} s, {trained.training.steps} steps"
    console.print(Text(str(trained.folder)).append(effort, "dim"), soft_wrap=True)
    precision = trained.training.precision
    paths = score_folder(trained.folder, tasks, results, progress_bar, precision=precision)
    scored = [read_result_record(path) for path in paths]
    if scored:
        write_card(trained.folder, chosen, trained.training, scored)
    if as_json:
        print_json({"folder": str(trained.folder), "results": [result.plain() for result in scored]})
    elif scored:
        console.print(score_table(scored))
