"""`panglot train`: train an encoder from a recipe."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.interruption import on_interrupt
from panglot.cli.names import DataDir, find_task
from panglot.cli.options import Changes
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import require
from panglot.files import check_writable

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.train.recipes.recipe import Recipe
    from panglot.train.run.record import TrainingRecord


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file, or name of a built-in recipe.")],
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for models.")] = Path("models"),
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Results folder.")] = Path("submissions"),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train an encoder from a recipe, then score it.

    Resumes an interrupted run at its last checkpoint; a finished model is only scored. On several GPUs: torchrun
    --nproc-per-node 4 -m panglot train RECIPE

    Example: panglot train static-hybrid --set training.steps=200
    """
    from panglot.train.recipes.recipe_file import read_recipe

    chosen = read_recipe(recipe, changes)
    tasks = [find_task(name) for name in chosen.evaluation]
    require("sentence_transformers", "train", "panglot train")
    require("accelerate", "train", "panglot train")
    check_writable(out, "--out")
    check_writable(results, "--results")
    from rich.text import Text

    from panglot.train.run.folder import is_first_process
    from panglot.train.run.record import read_training

    folder = out / chosen.name
    console = open_console(aside=as_json)
    training = read_training(chosen, folder)
    if training:
        said = f"{folder} is finished and is not trained again. To train it anew, delete it and {folder}.training."
        console.print(Text(said, "dim"), soft_wrap=True)
    else:
        training = _trained(chosen, folder, console)
    if not is_first_process():
        return
    console.print(Text(str(folder)).append(f"  {training.effort}", "dim"), soft_wrap=True)

    from panglot.cli.view.terminal import progress_bar, score_table
    from panglot.interop.mteb_export import model_index
    from panglot.results.result_record import read_result_record
    from panglot.train.run.card import write_card
    from panglot.train.run.score import score_folder
    from panglot.train.run.train import stored_layers

    stored = stored_layers(chosen, folder)
    paths = score_folder(folder, tasks, results, progress_bar, precision=training.precision, frozen=stored)
    scored = [read_result_record(path) for path in paths]
    if scored:
        write_card(folder, chosen, training, scored, model_index(scored))
    if as_json:
        print_json({"folder": str(folder), "results": [result.to_dict() for result in scored]})
    elif scored:
        console.print(score_table(scored))
        for path in paths:
            console.print(Text(str(path), "dim"), soft_wrap=True)


def _trained(recipe: Recipe, folder: Path, console: PlainConsole) -> TrainingRecord:
    """Read the data, check it, and train the model or resume its training."""
    from rich.text import Text

    from panglot.train.data.read import read_pairs
    from panglot.train.run.record import work_folder

    on_interrupt(f"Checkpoints are kept in {work_folder(folder)}; run the same command again to resume.")
    with _collection_paused():
        pairs = read_pairs(recipe)  # before loading torch and models, so bad rows are reported at once
        for report in pairs.skipped:
            console.print(Text(report, "yellow"), soft_wrap=True)

        from panglot.cli.view.terminal import progress_bar
        from panglot.data.catalogue import known_tasks
        from panglot.encode.checkpoints.precision import FELL_BACK
        from panglot.train.data.leak_cache import check_leaks_once
        from panglot.train.run.train import train
        from panglot.train.steps.arguments import training_precision

        leaks = check_leaks_once(pairs, known_tasks().values())
    console.print(Text(str(leaks), "dim"), soft_wrap=True)
    if training_precision(recipe) != recipe.training.precision:
        console.print(Text(FELL_BACK, "yellow"), soft_wrap=True)
    return train(recipe, folder, pairs, leaks, progress_bar).training


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Pause the garbage collector while libraries and data are loaded, and let it ignore them afterwards.

    Otherwise it goes through their millions of objects again and again, which takes a tenth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
