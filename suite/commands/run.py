"""`panglot run`: score a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.commands.names import DataDir, find_task, split


def run(
    model: Annotated[str, typer.Argument(help="What to score; panglot models lists the ways of naming it.")],
    tasks: Annotated[str, typer.Option(help="Names of tasks, divided by commas.")] = "starter",
    languages: Annotated[str, typer.Option(help="Only these, as in en,de,zh; default: all of the task.")] = "",
    out: Annotated[Path, typer.Option(help="Where results are written.")] = Path("submissions"),
    matrix: Annotated[bool, typer.Option("--matrix", help="Print the language × language grid too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Score a model: one encoding pass, four answers.

    [dim]panglot run intfloat/multilingual-e5-small --tasks xquad-r,mlqa-r --matrix[/dim]
    """
    chosen = [find_task(name) for name in split(tasks)]
    from rich.console import Console

    console = Console()
    console.print(f"[bold]{model}[/] on {', '.join(task.name for task in chosen)}", highlight=False)

    from suite.encoder import load_model
    from suite.result import write_result
    from suite.run import run as measure
    from suite.terminal import pair_matrix, progress_bar, score_table

    loaded = load_model(model)
    results, written = [], []
    for task in chosen:
        outcome = measure(task, loaded, split(languages), data_dir, progress_bar)
        written.append(write_result(out, outcome.result, outcome.evidence, outcome.stem))
        results.append(outcome.result)
        if matrix:
            console.print(pair_matrix(outcome.result))
    console.print(score_table(results))
    for path, result in zip(written, results, strict=True):
        seconds = sum(result.run.seconds.values())
        console.print(
            f"{path}  [dim]{seconds:.1f} s, {result.run.peak_memory_mib:,} MiB[/]", highlight=False, soft_wrap=True
        )
