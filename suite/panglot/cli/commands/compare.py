"""`panglot compare`: do two models differ, where, and what could have been found."""

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
    typer.Option(metavar="mono|cross|multi", help="Only this, its languages in full."),
]


def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help="A result file or the folder of a model.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    task: TaskName = None,
    setting: Setting = None,
    language: Annotated[str | None, typer.Option(metavar="en", help="Only queries in this language.")] = None,
    metric: MetricName = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="The language × language grid too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Test whether two models differ, and where.

    In every setting, query language and pair of languages, with what could have been found.

    Example: panglot compare submissions/bm25@0.3.16 submissions/random@1
    """
    from panglot.cli.view.comparison import comparison_json, comparison_view
    from panglot.results.compare import compare_results

    compared = [
        compare_results(*pair, metric).only(setting, language) for pair in _pairs(_results(one), _results(other), task)
    ]
    if as_json:
        print_json([comparison_json(comparison) for comparison in compared])
        return
    console = open_console()
    for comparison in compared:
        console.print(comparison_view(comparison, matrix))


def _results(path: Path) -> dict[tuple[str, str], Result]:
    """The results of one model, by name and fingerprint of their tasks.

    :raises BadResult: there are none, or those of several models.
    """
    from panglot.results.result import read_result
    from panglot.results.result_record import find_results

    found = [read_result(file) for file in find_results([path])]
    models = sorted({result.model.label for result in found})
    if len(models) > 1:
        raise BadResult(f"{path} holds results of {len(models)} models ({', '.join(models[:3])} …). Name one of them.")
    return {(result.task, result.record.task.fingerprint): result for result in found}


def _pairs(
    one: Mapping[tuple[str, str], Result], other: Mapping[tuple[str, str], Result], task: str | None
) -> Iterator[tuple[Result, Result]]:
    """What both have results on; of a task that they have on different content only, the first of each.

    :raises UnknownName: they have none on that task.
    :raises BadResult: they have no task in common.
    """
    shared = {name for name, _ in one} & {name for name, _ in other}
    if not shared:
        listed = (", ".join(sorted({name for name, _ in results})) for results in (one, other))
        raise BadResult("The two have no task in common: A has {}, B has {}.".format(*listed))
    if task is not None and task not in shared:
        raise UnknownName("task of both", task, shared)
    for name in sorted(shared) if task is None else [task]:
        contents = [key for key in one if key[0] == name and key in other]
        if contents:
            yield from ((one[key], other[key]) for key in contents)
        else:
            yield _first(one, name), _first(other, name)


def _first(results: Mapping[tuple[str, str], Result], task: str) -> Result:
    return next(result for (name, _), result in results.items() if name == task)
