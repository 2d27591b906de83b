"""`panglot compare`: test where two models differ, with detectable effect sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panglot.cli.options import MetricName, TaskName
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import BadResult, UnknownName

if TYPE_CHECKING:
    from panglot.results.result import Result

Setting = Annotated[
    Literal["mono", "cross", "multi"] | None,
    typer.Option(metavar="mono|cross|multi", help="Only this setting, in full detail."),
]


def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help="Result file or model folder.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Result file or model folder.")],
    task: TaskName = None,
    setting: Setting = None,
    query_language: Annotated[str | None, typer.Option(metavar="en", help="Only queries in this language.")] = None,
    metric: MetricName = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="Also print the language × language grid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Test whether and where two models differ.

    Tests every setting, query language and language pair, and shows the smallest detectable difference.

    Example: panglot compare submissions/bm25@0.3.16 submissions/random@1

    Example: panglot compare submissions/bm25@0.3.16 submissions/random@1 --task xquad-r --setting cross
    """
    from panglot.cli.view.comparison import comparison_json, comparison_view
    from panglot.results.compare import compare_results

    compared = [
        compare_results(*pair, metric).only(setting, query_language)
        for pair in _pairs(_results(one), _results(other), task)
    ]
    if as_json:
        print_json([comparison_json(comparison) for comparison in compared])
        return
    console = open_console()
    for comparison in compared:
        console.print(comparison_view(comparison, matrix))


def _results(path: Path) -> dict[tuple[str, str], Result]:
    """Return the results of one model, keyed by task name and fingerprint.

    :raises BadResult: no results, or results of several models.
    """
    from panglot.results.result import read_result
    from panglot.results.result_record import find_results

    found = [read_result(file) for file in find_results([path])]
    models = sorted({result.model.label for result in found})
    if len(models) > 1:
        raise BadResult(
            f"{path} contains results of {len(models)} models ({', '.join(models[:3])} …). Name one folder."
        )
    return {(result.task, result.record.task.fingerprint): result for result in found}


def _pairs(
    one: Mapping[tuple[str, str], Result], other: Mapping[tuple[str, str], Result], task: str | None
) -> Iterator[tuple[Result, Result]]:
    """Yield pairs of results on the same task; if the contents differ, the first result of each.

    :raises UnknownName: the task is not among the common tasks.
    :raises BadResult: no common task.
    """
    shared = {name for name, _ in one} & {name for name, _ in other}
    if not shared:
        listed = (", ".join(sorted({name for name, _ in results})) for results in (one, other))
        raise BadResult("A and B have no task in common: A has {}; B has {}.".format(*listed))
    if task is not None and task not in shared:
        raise UnknownName("shared task", task, shared)
    for name in sorted(shared) if task is None else [task]:
        contents = [key for key in one if key[0] == name and key in other]
        if contents:
            yield from ((one[key], other[key]) for key in contents)
        else:
            yield _first(one, name), _first(other, name)


def _first(results: Mapping[tuple[str, str], Result], task: str) -> Result:
    return next(result for (name, _), result in results.items() if name == task)
