"""`panglot show`: look at results again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.names import DataDir, find_task
from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.errors import PanglotError


def show(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Result files, or folders that contain them.")],
    matrix: Annotated[bool, typer.Option("--matrix", help="Also print the language × language grids.")] = False,
    bias: Annotated[
        bool, typer.Option("--bias", help="Every bias measure, with the value of a language-blind ranker.")
    ] = False,
    by_language: Annotated[bool, typer.Option("--by-language", help="Scores by query language.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The scores as a Markdown table, e.g. for a pull request.")
    ] = False,
    gallery: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML page of example queries and candidates.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="For --gallery: folder or task file of your own data."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show saved results.

    Example: panglot show submissions/use-multilingual@0.2.1 --bias
    """
    from panglot.cli.view.terminal import bias_table, language_table, no_answer_table, pair_matrix, score_table
    from panglot.results.result_record import find_results, read_result_record

    files = list(find_results(paths))
    results = [read_result_record(path) for path in files]
    if gallery:
        _write_gallery(files, gallery, task)
        return
    if as_json:
        print_json([result.to_dict() for result in results])
        return
    if markdown:
        from panglot.cli.view.markdown import score_markdown

        for line in score_markdown(results):
            echo(line)
        return
    console = open_console()
    console.print(score_table(results))
    for result in results:
        for wanted, draw in ((by_language, language_table), (bias, bias_table), (matrix, pair_matrix)):
            if wanted:
                console.print(draw(result))
        if result.no_answer:
            console.print(no_answer_table(result))


def _write_gallery(files: list[Path], target: Path, own: str | None) -> None:
    """Write the gallery of one result; `own` is the path of its task if the task is not built in.

    :raises PanglotError: several results, an unknown task, or data that does not match the result.
    """
    from panglot.cli.view.gallery import gallery
    from panglot.data.catalogue import known_tasks
    from panglot.data.load import read_pool
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    if len(files) != 1:
        raise PanglotError(f"--gallery shows one result, but {len(files)} were given. Name one file.")
    result = read_result_record(files[0])
    task = find_task(own) if own else known_tasks().get(result.task.name)
    if task is None:  # a task name from a file is never used as a path
        raise PanglotError(
            f"{files[0]}: {result.task.name} is not a task in this suite. Give its folder or task file with --task."
        )
    pool = read_pool(task, result.task.languages)
    if pool.fingerprint != result.task.fingerprint:
        raise PanglotError(f"{files[0]}: the fingerprint does not match the {result.task.name} data here.")
    target.write_text(gallery(result, read_evidence_of(files[0], result), pool), encoding="utf-8")
    echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
