"""`panglot show`: look at results again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.commands.names import AsJson


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
