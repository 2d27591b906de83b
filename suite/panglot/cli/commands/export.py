"""`panglot export`: results in the forms that others read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result file, or the folder of a model.")],
    format: Annotated[  # noqa: A002
        Literal["mteb", "model-index", "trec"],
        typer.Option(
            metavar="FORM",
            help="mteb: its result file; model-index: YAML of a model card; trec: a run of the best 100.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: the terminal. A name in .gz is compressed.")
    ] = None,
) -> None:
    """Write a result for mteb, a model card of the Hub, or trec_eval.

    Example: panglot export submissions/bm25@0.3.16 --format model-index
    """
    from panglot.results.result_record import find_results

    paths = list(find_results([result]))
    if format != "model-index" and len(paths) > 1:
        raise PanglotError(f"{result} holds {len(paths)} results. Name one file, as in {paths[0]}.")
    lines = _model_index(paths) if format == "model-index" else _mteb(paths[0]) if format == "mteb" else _trec(paths[0])
    if out is None:
        for line in lines:
            echo(line)
    else:
        _write(out, lines)
        echo(out)


def _model_index(paths: list[Path]) -> Iterable[str]:
    """One block for all results of a model."""
    from panglot.interop.mteb_export import model_index
    from panglot.results.result_record import read_result_record

    results = [read_result_record(path) for path in paths]
    models = sorted({result.model.label for result in results})
    if len(models) > 1:
        raise PanglotError(f"A model card is of one model; there are results of {', '.join(models)}.")
    return model_index(results).splitlines()


def _mteb(path: Path) -> Iterable[str]:
    import json

    from panglot.interop.mteb_export import mteb_result
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    result = read_result_record(path)
    return json.dumps(mteb_result(result, read_evidence_of(path, result)), indent=1).splitlines()


def _trec(path: Path) -> Iterable[str]:
    from panglot.interop.trec import run_lines
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    result = read_result_record(path)
    return run_lines(read_evidence_of(path, result), result.model.label)


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write lines, compressed where the name ends in .gz; the same lines always give the same bytes."""
    import gzip

    data = "".join(f"{line}\n" for line in lines).encode()
    try:
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise PanglotError(f"{path} cannot be written. {error.strerror}.") from error
