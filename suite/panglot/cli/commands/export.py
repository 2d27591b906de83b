"""`panglot export`: write results in the formats of other tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from panglot.cli.output import echo
from panglot.errors import PanglotError
from panglot.files import make_parent
from panglot.plain import plain_json

Form: TypeAlias = Literal["mteb", "model-index", "hub-eval", "eee", "csv", "jsonl", "trec"]

SEVERAL = ("model-index", "hub-eval", "csv", "jsonl")
"""Formats that take several results."""
OF_ONE_MODEL = ("model-index", "hub-eval")
OF_QUERIES = ("csv", "jsonl", "eee")


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result file or model folder.")],
    format: Annotated[  # noqa: A002
        Form,
        typer.Option(
            metavar="FORM",
            help="mteb result; for the Hub: hub-eval (.eval_results) or model-index (model card); eee (Every Eval "
            "Ever); csv or jsonl (tidy scores); trec (run of the top 100).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Output file (.gz is compressed), a folder for eee; default: standard output."
        ),
    ] = None,
    per_query: Annotated[
        bool, typer.Option("--per-query", help="For csv, jsonl and eee: the scores of each query.")
    ] = False,
    as_mteb_task: Annotated[
        bool, typer.Option("--as-mteb-task", help="For mteb: as its own task with the same cells, e.g. Belebele.")
    ] = False,
    source: Annotated[
        str, typer.Option(metavar="URL", help="For hub-eval: a page about the results; default: Panglot's repository.")
    ] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="For eee: the person or organization that measured.")] = "",
) -> None:
    """Export results for other tools: mteb, the Hub, Every Eval Ever, tables, trec_eval.

    Example: panglot export submissions/bm25@0.3.16 --format hub-eval --out .eval_results/panglot.yaml

    Example: panglot export submissions/bm25@0.3.16/xquad-r.json --format csv --per-query --out queries.csv.gz
    """
    from panglot.results.result_record import find_results

    paths = list(find_results([result]))
    if format not in SEVERAL and len(paths) > 1:
        raise PanglotError(f"{result} contains {len(paths)} results. Name one file, e.g. {paths[0]}.")
    restricted = (
        (per_query, "--per-query", OF_QUERIES),
        (as_mteb_task, "--as-mteb-task", ("mteb",)),
        (by, "--by", ("eee",)),
        (source, "--source", ("hub-eval",)),
    )
    for given, option, forms in restricted:
        if given and format not in forms:
            raise PanglotError(f"{option} applies to --format {', '.join(forms)}, not to {format}.")
    if format in OF_ONE_MODEL:
        _check_one_model(paths)
    if format == "eee":
        _export_eee(paths[0], out, per_query, by)
        return
    lines = _lines(format, paths, per_query, as_mteb_task, source)
    if out is None:
        for line in lines:
            echo(line)
    else:
        _write(out, lines)
        echo(out)


def _lines(form: Form, paths: list[Path], per_query: bool, as_mteb_task: bool, source: str) -> Iterable[str]:
    if form in ("csv", "jsonl"):
        return _table(paths, "csv" if form == "csv" else "jsonl", per_query)
    if form == "mteb":
        return _mteb(paths[0], as_mteb_task)
    if form == "trec":
        return _trec(paths[0])
    return _model_index(paths) if form == "model-index" else _hub_eval(paths, source)


def _check_one_model(paths: list[Path]) -> None:
    """Check that all results are of one model in one state."""
    from panglot.results.result_record import read_result_record

    models = sorted({read_result_record(path).model.label for path in paths})
    if len(models) > 1:
        raise PanglotError(
            f"A model card describes one model; these results are for {', '.join(models)}. Name one folder."
        )


def _model_index(paths: list[Path]) -> Iterable[str]:
    """Return one block for all results of a model."""
    from panglot.interop.mteb_export import model_index
    from panglot.results.result_record import read_result_record

    return model_index([read_result_record(path) for path in paths]).splitlines()


def _hub_eval(paths: list[Path], source: str) -> Iterable[str]:
    """Return one entry for each setting of each result."""
    from panglot.fields import LINK
    from panglot.interop.hub_eval import hub_entries, yaml_lines
    from panglot.results.result_record import read_result_record

    if source and not re.fullmatch(LINK, source):
        raise PanglotError(
            f"--source must be the address of a page, such as https://example.org/results, not '{source}'."
        )
    return yaml_lines(hub_entries([read_result_record(path) for path in paths], source))


def _mteb(path: Path, as_mteb_task: bool) -> Iterable[str]:
    from panglot.interop.mteb_export import mteb_result
    from panglot.interop.mteb_own import mteb_own_result
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    result = read_result_record(path)
    form = mteb_own_result if as_mteb_task else mteb_result
    return json.dumps(form(result, read_evidence_of(path, result)), indent=1).splitlines()


def _table(paths: list[Path], form: Literal["csv", "jsonl"], per_query: bool) -> Iterable[str]:
    from panglot.interop.tidy import Row, query_rows, score_rows, table_lines
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    def rows() -> Iterator[Row]:
        for path in paths:
            result = read_result_record(path)
            yield from query_rows(result, read_evidence_of(path, result)) if per_query else score_rows(result)

    return table_lines(rows(), form)


def _export_eee(path: Path, folder: Path | None, per_query: bool, by: str) -> None:
    """Print the record of a result, or write it and its queries where the datastore has them, below a folder."""
    from panglot.interop.every_eval_ever import aggregate, path_of, samples
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    result = read_result_record(path)
    if folder is None and per_query:
        raise PanglotError("--per-query writes two files. Name a folder for them with --out.")
    lines = list(samples(result, read_evidence_of(path, result))) if per_query else None
    record = plain_json(json.dumps(aggregate(result, by, lines), indent=1, ensure_ascii=False, allow_nan=False))
    if folder is None:
        for line in record.splitlines():
            echo(line)
        return
    target = folder / f"{path_of(result)}.json"
    for file, content in ((target, [record]), (target.with_name(f"{target.stem}_samples.jsonl"), lines)):
        if content is not None:
            _write(file, content)
            echo(file)


def _trec(path: Path) -> Iterable[str]:
    from panglot.interop.trec import run_lines
    from panglot.results.evidence_file import evidence_file
    from panglot.results.facts import read_evidence_of
    from panglot.results.result_record import read_result_record

    result = read_result_record(path)
    return run_lines(read_evidence_of(path, result), result.model.label, evidence_file(path, "top100").name)


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write lines, compressed if the name ends in .gz; equal lines give equal bytes."""
    import gzip

    data = "".join(f"{line}\n" for line in lines).encode()
    make_parent(path, "--out")
    try:
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise PanglotError(f"Cannot write {path}: {error.strerror}. Choose another path with --out.") from error
