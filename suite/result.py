"""A result: what is said of one model on one task, and the evidence that it follows from.

`<model>@<revision>/<task>.json` holds the scores, `<task>.evidence.parquet` and `<task>.top100.parquet` the evidence.
The JSON follows from the Parquet files: `score_evidence(read_evidence(path))` gives every number again.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from suite.arrays import Floats, Ints
from suite.encoder import ModelCard
from suite.errors import BadResult
from suite.evidence import NOBODY, Evidence
from suite.sample import Score
from suite.summary import Scores

FORMAT = 1
DECIMALS = 10
LARGEST_JSON = 64 << 20

Cell: TypeAlias = Score | None
ByMetric: TypeAlias = dict[str, Score]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaskRecord(_Record):
    """Which content was asked; only results with one fingerprint are comparable."""

    name: str
    fingerprint: str
    headline: str
    languages: tuple[str, ...]
    queries: int
    candidates: int


class EncodingRecord(_Record):
    """How the model read the texts, and how fast.

    `queries` and `candidates` give for each language the share of texts that were cut (`truncated`) and the
    `tokens_per_word`; empty where the encoder counts no tokens.
    """

    texts: int
    fresh: int
    """Texts that were not in the cache."""
    texts_per_second: float | None
    queries: dict[str, dict[str, float]]
    candidates: dict[str, dict[str, float]]


class CurvePoint(_Record):
    """Headline scores of the same vectors in fewer dimensions or bits; not recomputable from the evidence."""

    dimension: int
    form: str
    scores: dict[str, float]


class RunRecord(_Record):
    """Where, when and how fast."""

    created: str
    """UTC, ISO 8601."""
    panglot: str
    python: str
    packages: dict[str, str]
    platform: str
    processor: str
    cores: int
    seconds: dict[str, float]
    """Wall-clock seconds of each step; their names say which."""
    peak_memory_mib: int
    """Largest resident memory of the process."""
    encoding: EncodingRecord | None = None


class Result(_Record):
    """One model on one task. A score is `[value, low, high]` with the ends of its 95 % bootstrap interval.

    `pairs` and the two language tables have a row for each query language and a column for each candidate language,
    in the order of `task.languages`; null where the data gives no value. The other fields are as in `Scores`.
    """

    format: int = FORMAT
    task: TaskRecord
    model: ModelCard
    settings: dict[str, ByMetric]
    balance: ByMetric
    bias: ByMetric
    blind: dict[str, float]
    languages: dict[str, dict[str, ByMetric]]
    worst_language: str
    pairs: dict[str, tuple[tuple[Cell, ...], ...]]
    language_mix: tuple[tuple[float | None, ...], ...]
    language_rank: tuple[tuple[float | None, ...], ...]
    curve: tuple[CurvePoint, ...] = ()
    run: RunRecord

    @classmethod
    def of(
        cls, task: TaskRecord, model: ModelCard, scores: Scores, curve: Sequence[CurvePoint], run: RunRecord
    ) -> Result:
        """Put scores into the form of the file."""
        return cls(
            task=task,
            model=model,
            settings=scores.settings,
            balance=scores.balance,
            bias=scores.bias,
            blind=scores.blind,
            languages=scores.languages,
            worst_language=scores.worst_language,
            pairs={metric: _cells(grid.values) for metric, grid in scores.pairs.items()},
            language_mix=_numbers(scores.language_mix),
            language_rank=_numbers(scores.language_rank),
            curve=tuple(curve),
            run=run,
        )

    def plain(self) -> dict[str, Any]:
        """The scores without intervals, pairs named `query language-candidate language`."""
        names = self.task.languages
        return {
            "task": self.task.name,
            "model": f"{self.model.name}@{self.model.revision}",
            "scores": {
                **{setting: _values(scores) for setting, scores in self.settings.items()},
                "bias": _values(self.bias),
                "balance": _values(self.balance),
            },
            "languages": {
                name: {setting: _values(scores) for setting, scores in settings.items()}
                for name, settings in self.languages.items()
            },
            "pairs": {
                f"{query}-{candidate}": {
                    metric: cell.value
                    for metric, grid in self.pairs.items()
                    if (cell := grid[names.index(query)][names.index(candidate)])
                }
                for query in names
                for candidate in names
            },
        }


def result_folder(root: Path, model: ModelCard) -> Path:
    """Where the results of a model in one state belong, `<org>__<model>@<revision>` below `root`."""
    return root / f"{_slug(model.name.replace('/', '__'))}@{_slug(model.revision)}"


def write_result(root: Path, result: Result, evidence: Evidence, stem: str) -> Path:
    """Write the three files of a result; the JSON comes last and whole, so that where it stands the others do."""
    folder = result_folder(root, result.model)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / f"{stem}.evidence.parquet", lambda path: _write_table(_evidence_table(evidence), path))
    _replace(folder / f"{stem}.top100.parquet", lambda path: _write_table(_top_table(evidence), path))
    target = folder / f"{stem}.json"
    text = _dump(_rounded(result.model_dump(mode="json"))) + "\n"
    _replace(target, lambda path: path.write_text(text, encoding="utf-8"))
    return target


def read_result(path: Path) -> Result:
    """Read one result file.

    :raises BadResult: it is not there, too large, not JSON, or not of this form.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise BadResult(f"{path} is larger than {LARGEST_JSON >> 20} MiB; no result is.")
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadResult(f"{path} cannot be read. {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadResult(f"{path} is no result of format {FORMAT}: {where}: {first['msg']}.") from error


def find_results(paths: Sequence[Path]) -> Iterator[Path]:
    """The result files that the paths name: files themselves, a model's folder, or a folder of such folders.

    :raises BadResult: a path where there is none.
    """
    for path in paths:
        found = [path] if path.is_file() else sorted([*path.glob("*.json"), *path.glob("*@*/*.json")])
        found = [file for file in found if file.name != "card.json"]
        if not found:
            raise BadResult(f"There is no result in {path}. Name a result file, or the folder of a model.")
        yield from found


def read_evidence(path: Path) -> Evidence:
    """The evidence that stands beside a result file.

    :raises BadResult: a file is missing or is no evidence.
    """
    stem = path.with_suffix("")
    try:
        pairs = pq.read_table(f"{stem}.evidence.parquet")
        top = pq.read_table(f"{stem}.top100.parquet")
        return _evidence(pairs, top)
    except (OSError, KeyError, pa.ArrowException, ValueError) as error:
        raise BadResult(f"The evidence beside {path} cannot be read. {error}") from error


def _evidence_table(evidence: Evidence) -> pa.Table:
    """A row for each relevant pair; ids as dictionaries, counts as one column a language."""
    languages = evidence.languages
    asked = evidence.query
    columns = {
        "query": _coded(asked, evidence.query_ids),
        "query_language": _coded(evidence.query_language[asked], languages),
        "group": pa.array(evidence.group[asked].astype(np.int32)),
        "candidate": _coded(evidence.candidate, evidence.candidate_ids),
        "candidate_language": _coded(evidence.language, languages),
        "gain": pa.array(evidence.gain.astype(np.float32)),
        "score": pa.array(evidence.score),
        **{f"above.{name}": pa.array(evidence.above[:, place]) for place, name in enumerate(languages)},
    }
    sizes = dict(zip(languages, evidence.sizes.tolist(), strict=True))
    return pa.table(columns, metadata={"format": str(FORMAT), "sizes": json.dumps(sizes)})


def _top_table(evidence: Evidence) -> pa.Table:
    """A row for each query and place in its list, best first; scores rounded to one part in two thousand."""
    row, place = np.nonzero(evidence.top != NOBODY)
    return pa.table(
        {
            "query": _coded(row, evidence.query_ids),
            "candidate": _coded(evidence.top[row, place], evidence.candidate_ids),
            "candidate_language": _coded(evidence.top_language[row, place], evidence.languages),
            "score": pa.array(_short(evidence.top_score[row, place])),
        },
        metadata={"format": str(FORMAT)},
    )


def _evidence(pairs: pa.Table, top: pa.Table) -> Evidence:
    """Evidence from its two tables."""
    sizes = json.loads(pairs.schema.metadata[b"sizes"])
    languages = tuple(sizes)
    queries = pairs["query"].to_numpy(zero_copy_only=False).astype(str)
    first = np.flatnonzero(np.concatenate([[True], queries[1:] != queries[:-1]]))
    query_ids = queries[first]
    candidates = [table["candidate"].to_numpy(zero_copy_only=False).astype(str) for table in (pairs, top)]
    candidate_ids, candidate = np.unique(np.concatenate(candidates), return_inverse=True)
    listed = _places(top["query"].to_numpy(zero_copy_only=False).astype(str), query_ids)
    rank = np.arange(len(listed)) - np.searchsorted(listed, listed)
    shape = (len(query_ids), int(rank.max(initial=-1)) + 1)
    lists = [np.full(shape, NOBODY), np.full(shape, NOBODY), np.full(shape, -np.inf, np.float32)]
    entries = (candidate[len(pairs) :], _language(top, languages, "candidate_language"), top["score"].to_numpy())
    for filled, values in zip(lists, entries, strict=True):
        filled[listed, rank] = values
    return Evidence(
        query_ids=tuple(query_ids.tolist()),
        candidate_ids=tuple(candidate_ids.tolist()),
        languages=languages,
        sizes=np.array(list(sizes.values())),
        query_language=_language(pairs, languages, "query_language")[first],
        group=pairs["group"].to_numpy()[first],
        query=np.repeat(np.arange(len(first)), np.diff(first, append=len(pairs))),
        candidate=candidate[: len(pairs)],
        language=_language(pairs, languages, "candidate_language"),
        gain=pairs["gain"].to_numpy().astype(np.float64),
        score=pairs["score"].to_numpy(),
        above=np.stack([pairs[f"above.{name}"].to_numpy() for name in languages], axis=1),
        top=lists[0],
        top_language=lists[1],
        top_score=lists[2],
    )


def _language(table: pa.Table, languages: Sequence[str], column: str) -> Ints:
    return _places(table[column].to_numpy(zero_copy_only=False).astype(str), np.array(languages))


def _places(values: np.ndarray, names: np.ndarray) -> Ints:
    """Index of each value among the names."""
    order = np.argsort(names)
    place = order[np.minimum(np.searchsorted(names, values, sorter=order), len(names) - 1)]
    unknown = names[place] != values
    if unknown.any():
        raise ValueError(f"'{values[unknown][0]}' is unknown")
    return place


def _coded(codes: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def _short(scores: Floats) -> Floats:
    """Scores with ten bits of mantissa: their order stays and their file halves."""
    bits = scores.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + (1 << 12)) >> 13 << 13).astype(np.uint32).view(np.float32)


def _write_table(table: pa.Table, path: Path) -> None:
    """Compressed: text by dictionary, numbers byte by byte, whose high bytes repeat."""
    numbers = [field.name for field in table.schema if not pa.types.is_dictionary(field.type)]
    text = [name for name in table.column_names if name not in numbers]
    pq.write_table(
        table, path, compression="zstd", compression_level=9, use_dictionary=text, use_byte_stream_split=numbers
    )


def _replace(path: Path, write: Any) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"


def _cells(values: np.ndarray) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(None if math.isnan(cell[0]) else Score(*cell) for cell in row) for row in values.tolist())


def _numbers(values: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if math.isnan(number) else number for number in row) for row in values.tolist())


def _values(scores: ByMetric) -> dict[str, float]:
    return {name: score.value for name, score in scores.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def _dump(value: Any, indent: str = "") -> str:
    """JSON with sorted keys and a line for each score or row of a table, so that differences read well."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{json.dumps(key)}: {_dump(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(inner, list) for inner in value):
        return "[\n" + ",\n".join(f"{deeper}{_line(row)}" for row in value) + f"\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, sort_keys=True)
