"""The command `panglot`: the one place where names become objects. Each verb imports what it needs in its body."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.errors import PanglotError, UnknownName

if TYPE_CHECKING:
    from suite.task import Task

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How an encoder retrieves within, across and over all languages, and which of them it favours.\n\n"
    "[dim]panglot run use-multilingual --tasks starter[/dim]",
)

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder with the tasks' data; default: the one PANGLOT_DATA names, else it is downloaded."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def main() -> None:
    """Run the command; what a person can mend is shown as one message, exit code 2."""
    try:
        app()
    except PanglotError as error:
        from rich.console import Console

        Console(stderr=True, soft_wrap=True).print("[bold red]Error:[/]", str(error), markup=True, highlight=False)
        sys.exit(2)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="Say all about this task.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the task's items to this file, one JSON a line.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks, or say all about one of them.

    [dim]panglot tasks xquad-r[/dim]
    """
    import json

    from rich.console import Console

    from suite.listing import describe, list_tasks, task_facts
    from tasks import ALL

    chosen = [_task(name)] if name else list(ALL)
    if export:
        if not name:
            raise PanglotError("--export writes one task: name it, as in panglot tasks starter --export items.jsonl")
        _export(chosen[0], export, data_dir)
    elif as_json:
        typer.echo(json.dumps([task_facts(task) for task in chosen], ensure_ascii=False, indent=1))
    else:
        Console().print(describe(chosen[0]) if name else list_tasks(chosen))


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the ways of naming a model.

    [dim]panglot models[/dim]
    """
    import json

    from rich.console import Console

    from suite.encoder import KINDS
    from suite.listing import list_kinds

    if as_json:
        rows = [{"example": kind.example, "sentence": kind.sentence} for kind in KINDS.values()]
        typer.echo(json.dumps(rows, indent=1))
    else:
        Console().print(list_kinds(KINDS.values()))


@app.command()
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
    chosen = [_task(name) for name in _split(tasks)]
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
        outcome = measure(task, loaded, _split(languages), data_dir, progress_bar)
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


@app.command()
def show(
    paths: Annotated[list[Path], typer.Argument(help="Result files, or folders that hold them.")],
    matrix: Annotated[bool, typer.Option("--matrix", help="Print the language × language grids.")] = False,
    bias: Annotated[
        bool, typer.Option("--bias", help="Print every bias measure beside its language-blind value.")
    ] = False,
    by_language: Annotated[
        bool, typer.Option("--by-language", help="Print the scores of each query language.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show results that were written before.

    [dim]panglot show submissions/ --bias[/dim]
    """
    import json

    from rich.console import Console

    from suite.result import find_results, read_result
    from suite.terminal import bias_table, language_table, pair_matrix, score_table

    results = [read_result(path) for path in find_results(paths)]
    if as_json:
        typer.echo(json.dumps([result.plain() for result in results], ensure_ascii=False, indent=1))
        return
    console = Console()
    console.print(score_table(results))
    for result in results:
        for wanted, draw in ((by_language, language_table), (bias, bias_table), (matrix, pair_matrix)):
            if wanted:
                console.print(draw(result))


def _task(name: str) -> Task:
    from tasks import ALL

    known = {task.name: task for task in ALL}
    if name not in known:
        raise UnknownName("task", name, known)
    return known[name]


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _export(task: Task, path: Path, data_dir: Path | None) -> None:
    """Write ids, languages and texts of a task, so that its vectors can be made elsewhere."""
    import json

    from suite.sources import read_pool

    pool = read_pool(task, (), data_dir)
    with path.open("w", encoding="utf-8") as file:
        for role, items in (("query", pool.queries), ("passage", pool.candidates)):
            for id_, text, language in zip(items.ids, items.texts, items.language, strict=True):
                row = {"id": id_, "role": role, "language": pool.languages[language], "text": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    typer.echo(f"{path}: {len(pool.queries)} queries and {len(pool.candidates)} candidates")
