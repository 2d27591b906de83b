"""`panglot export`: write results in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result file or model folder.")],
    format: Annotated[  # noqa: A002
        Literal["mteb", "model-index", "trec"],
        typer.Option(
            metavar="FORM",
            help="mteb result, model-index (model card YAML) or trec (run of the top 100).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Output file (.gz is compressed); default: standard output.")
    ] = None,
) -> None:
    """Export results for mteb, a Hub model card, or trec_eval.

    Example: panglot export submissions/bm25@0.3.16 --format model-index

    Example: panglot export submissions/bm25@0.3.16/xquad-r.json --format trec --out run.trec.gz
    """
    from panglot.results.result_record import find_results

    paths = list(find_results([result]))
    if format != "model-index" and len(paths) > 1:
        raise PanglotError(f"{result} contains {len(paths)} results. Name one file, e.g. {paths[0]}.")
    lines = _model_index(paths) if format == "model-index" else _mteb(paths[0]) if format == "mteb" else _trec(paths[0])
    if out is None:
        for line in lines:
            echo(line)
    else:
        _write(out, lines)
        echo(out)


def _model_index(paths: list[Path]) -> Iterable[str]:
    """Return one block for all results of a model."""
    from panglot.interop.mteb_export import model_index
    from panglot.results.result_record import read_result_record

    results = [read_result_record(path) for path in paths]
    models = sorted({result.model.label for result in results})
    if len(models) > 1:
        raise PanglotError(
            f"A model card describes one model; these results are for {', '.join(models)}. Name one folder."
        )
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
    """Write lines, compressed if the name ends in .gz; equal lines give equal bytes."""
    import gzip

    data = "".join(f"{line}\n" for line in lines).encode()
    try:
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise PanglotError(f"Cannot write {path}: {error.strerror}. Choose another path with --out.") from error
