"""`panglot compare`: do two models differ, where, and what could have been found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from panglot.cli.options import MetricName, TaskName
from panglot.cli.output import AsJson, open_console, print_json
from panglot.errors import BadResult, UnknownName

if TYPE_CHECKING:
    from panglot.results.result_record import ResultRecord

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
    from panglot.cli.view.comparison import Names, comparison_json, comparison_view
    from panglot.data.catalogue import known_tasks
    from panglot.results.facts import read_evidence_of
    from panglot.score.comparison import paired as tests

    known = known_tasks()
    compared = []
    for pair in _pairs(_results(one), _results(other), task):
        record = pair.one.result.task
        evidence, other_evidence = (read_evidence_of(*named, known.get(record.name)) for named in pair)
        draws = tests.enough_draws(len(record.languages))
        try:
            comparison = tests.compare(evidence, other_evidence, metric or record.headline, draws)
        except BadResult as error:
            raise BadResult(f"{pair.one.path} and {pair.other.path} cannot be compared. {error}") from error
        comparison = comparison.only(setting, language)
        compared.append((Names(record.name, *(named.model for named in pair)), comparison))
    if as_json:
        print_json([comparison_json(*names_and_comparison) for names_and_comparison in compared])
        return
    console = open_console()
    for names, comparison in compared:
        console.print(comparison_view(names, comparison, matrix))


class _Named(NamedTuple):
    """A result and where it stands."""

    path: Path
    result: ResultRecord

    @property
    def model(self) -> str:
        return self.result.model.label


class _Pair(NamedTuple):
    """Results of two models on one content."""

    one: _Named
    other: _Named


def _results(path: Path) -> dict[tuple[str, str], _Named]:
    """The results of one model, by name and fingerprint of their tasks.

    :raises BadResult: there are none, or those of several models.
    """
    from panglot.results.result_record import find_results, read_result_record

    found = [_Named(file, read_result_record(file)) for file in find_results([path])]
    models = sorted({named.model for named in found})
    if len(models) > 1:
        raise BadResult(f"{path} holds results of {len(models)} models ({', '.join(models[:3])} …). Name one of them.")
    return {(named.result.task.name, named.result.task.fingerprint): named for named in found}


def _pairs(
    one: Mapping[tuple[str, str], _Named], other: Mapping[tuple[str, str], _Named], task: str | None
) -> Iterator[_Pair]:
    """What both have results on.

    :raises UnknownName: they have none on that task.
    :raises BadResult: they have no task in common, or another content of one.
    """
    shared = {name for name, _ in one} & {name for name, _ in other}
    if not shared:
        listed = (", ".join(sorted({name for name, _ in results})) for results in (one, other))
        raise BadResult("The two have no task in common: A has {}, B has {}.".format(*listed))
    if task is not None and task not in shared:
        raise UnknownName("task of both", task, shared)
    for name in sorted(shared) if task is None else [task]:
        contents = [key for key in one if key[0] == name and key in other]
        if not contents:
            first, second = (
                next(value for key, value in results.items() if key[0] == name) for results in (one, other)
            )
            raise BadResult(_why(name, first, second))
        yield from (_Pair(one[key], other[key]) for key in contents)


def _why(name: str, one: _Named, other: _Named) -> str:
    """Why two results on one task cannot be compared."""
    first, second = one.result.task, other.result.task
    if first.languages != second.languages:
        reason = f"A was asked in {', '.join(first.languages)}, B in {', '.join(second.languages)}"
    else:
        reason = f"its content was another (fingerprints {first.fingerprint[:12]} and {second.fingerprint[:12]})"
    return f"{one.path} and {other.path} cannot be compared on {name}: {reason}. Score both on the same content."
