"""A result: what is said of one model on one task, and the evidence that it follows from.

`<model>@<revision>/<task>.json` holds the scores, `<task>.evidence.parquet` and `<task>.top100.parquet` the evidence.
The JSON follows from the Parquet files: `score_evidence(read_evidence(path))` gives every number again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from suite.arrays import Floats, Ints
from suite.encoder import ModelCard
from suite.errors import BadResult
from suite.evidence import NOBODY, Evidence
from suite.parquet import TEXT, read_table
from suite.ranking import DEPTH
from suite.sample import Score
from suite.summary import Scores

FORMAT: Literal[1] = 1
DECIMALS = 10

NO_RESULTS = ("card.json", ".reported.json", ".attestation.json")
"""Ends of the names of JSON files that stand beside results and are none."""
LARGEST_JSON = 16 << 20
DEEPEST_JSON = 64
MOST_VALUES = 300_000
MOST_FAULTS = 1000
"""Beyond that they are counted, not listed: a list of each wrong value would need gigabytes."""
EVIDENCE_FILES = ("evidence", "top100")
"""What the evidence beside `<task>.json` is called: `<task>.evidence.parquet` and so on."""

Cell: TypeAlias = Score | None
ByMetric: TypeAlias = dict[str, Score]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 31)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaskRecord(_Record):
    """Which content was asked; only results with one fingerprint are comparable."""

    name: str
    fingerprint: str
    headline: str
    languages: tuple[str, ...]
    queries: Count
    candidates: Count


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
    in the order of `task.languages`; null where the data gives no value. `evidence` has the sha256 of each file beside
    this one; `write_result` fills it in. The other fields are as in `Scores`.
    """

    format: Literal[1] = FORMAT
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
    evidence: dict[str, str] = {}
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


Record = TypeVar("Record", bound=BaseModel)

_PAIR_COLUMNS: dict[str, pa.DataType] = {
    "query": TEXT,
    "query_language": TEXT,
    "group": pa.int32(),
    "candidate": TEXT,
    "candidate_language": TEXT,
    "gain": pa.float32(),
    "score": pa.float32(),
}
_TOP_COLUMNS: dict[str, pa.DataType] = {
    "query": TEXT,
    "candidate": TEXT,
    "candidate_language": TEXT,
    "score": pa.float32(),
}
_SIZES = TypeAdapter(dict[str, Count])
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONG_INTEGER = re.compile(rb"(?<![\d.])\d{16,}")


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
    result = result.model_copy(update={"evidence": hash_evidence(target)})
    text = _dump(_rounded(result.model_dump(mode="json"))) + "\n"
    _replace(target, lambda path: path.write_text(text, encoding="utf-8"))
    return target


def read_result(path: Path) -> Result:
    """Read one result file.

    :raises BadResult: it is not there, too large, not JSON, or not of this form.
    """
    return read_record(path, Result)


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read one JSON file of a stated form.

    :raises BadResult: it is not there, too large, nested too deeply, not JSON, or not of this form.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise BadResult(f"{path} is larger than {LARGEST_JSON >> 20} MiB; no result is.")
        data = path.read_bytes()
        _check_json(data)
        return kind.model_validate_json(data)
    except OSError as error:
        raise BadResult(f"{path} cannot be read. {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        raise BadResult(f"{path} is no {kind.__name__.lower()} of format {FORMAT}: {_first_fault(error)}.") from error


def hash_evidence(path: Path) -> dict[str, str]:
    """The sha256 of each evidence file that stands beside a result file."""
    files = ((name, evidence_file(path, name)) for name in EVIDENCE_FILES)
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files if file.is_file()}


def evidence_file(path: Path, name: str) -> Path:
    """Where one of `EVIDENCE_FILES` belongs, beside a result file."""
    return path.with_name(f"{path.stem}.{name}.parquet")


def find_results(paths: Sequence[Path]) -> Iterator[Path]:
    """The result files that the paths name: files themselves, a model's folder, or a folder of such folders.

    :raises BadResult: a path where there is none.
    """
    for path in paths:
        found = [path] if path.is_file() else sorted([*path.glob("*.json"), *path.glob("*@*/*.json")])
        found = [file for file in found if not file.name.endswith(NO_RESULTS)]
        if not found:
            raise BadResult(f"There is no result in {path}. Name a result file, or the folder of a model.")
        yield from found


def read_evidence(path: Path) -> Evidence:
    """The evidence that stands beside a result file.

    :raises BadResult: a file is missing or is no evidence.
    """
    try:
        pairs = read_table(evidence_file(path, "evidence"), _evidence_columns)
        top = read_table(evidence_file(path, "top100"), lambda _: _TOP_COLUMNS)
        return _evidence(pairs, top)
    except (BadResult, ValueError) as error:
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
            "score": pa.array(shorten(evidence.top_score[row, place])),
        },
        metadata={"format": str(FORMAT)},
    )


def _evidence_columns(metadata: Mapping[bytes, bytes]) -> dict[str, pa.DataType]:
    above = {f"above.{language}": pa.int32() for language in _sizes(metadata)}
    return {**_PAIR_COLUMNS, **above}


def _sizes(metadata: Mapping[bytes, bytes]) -> dict[str, int]:
    """Candidates of each language, as the file states them."""
    return _SIZES.validate_json(metadata.get(b"sizes", b""))


def _evidence(pairs: pa.Table, top: pa.Table) -> Evidence:
    """Evidence from its two tables."""
    sizes = _sizes(pairs.schema.metadata)
    languages = tuple(sizes)
    asked, asked_names = _decoded(pairs, "query")
    first = np.flatnonzero(np.diff(asked, prepend=-1))
    query_ids = asked_names[asked[first]]
    if len(np.unique(asked[first])) < len(first) or not len(first):
        raise ValueError("The rows of a query do not stand together, or there are none.")
    query = np.repeat(np.arange(len(first)), np.diff(first, append=len(pairs)))
    query_language, group = _places(pairs, "query_language", languages), pairs["group"].to_numpy()
    if any(np.any(values != values[first][query]) for values in (query_language, group)):
        raise ValueError("The rows of a query differ in its language or group.")
    candidate_ids, (candidate, offered) = _shared(_decoded(pairs, "candidate"), _decoded(top, "candidate"))
    listed = _places(top, "query", query_ids)
    if np.any(np.diff(listed) < 0):
        raise ValueError("The lists do not stand in the order of the queries.")
    rank = np.arange(len(listed)) - np.searchsorted(listed, listed)
    if rank.max(initial=-1) >= DEPTH:
        raise ValueError(f"A list is longer than {DEPTH}.")
    shape = (len(query_ids), int(rank.max(initial=-1)) + 1)
    lists = [np.full(shape, NOBODY), np.full(shape, NOBODY), np.full(shape, -np.inf, np.float32)]
    entries = (offered, _places(top, "candidate_language", languages), top["score"].to_numpy())
    for filled, values in zip(lists, entries, strict=True):
        filled[listed, rank] = values
    return Evidence(
        query_ids=tuple(query_ids.tolist()),
        candidate_ids=tuple(candidate_ids.tolist()),
        languages=languages,
        sizes=np.array(list(sizes.values())),
        query_language=query_language[first],
        group=group[first],
        query=query,
        candidate=candidate,
        language=_places(pairs, "candidate_language", languages),
        gain=pairs["gain"].to_numpy().astype(np.float64),
        score=pairs["score"].to_numpy(),
        above=np.stack([pairs[f"above.{name}"].to_numpy() for name in languages], axis=1),
        top=lists[0],
        top_language=lists[1],
        top_score=lists[2],
    )


def _decoded(table: pa.Table, column: str) -> tuple[Ints, np.ndarray]:
    """A column of text as codes [rows] and the different names that occur, sorted."""
    if not len(table):
        return np.empty(0, np.int64), np.empty(0, object)
    values = table[column].chunk(0)
    names, codes = np.array(values.dictionary.to_pylist(), object), values.indices.to_numpy()
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    unique, place = np.unique(names[used], return_inverse=True)
    number = np.zeros(len(names), np.int64)
    number[used] = place
    return number[codes], unique


def _shared(*columns: tuple[Ints, np.ndarray]) -> tuple[np.ndarray, list[Ints]]:
    """Several columns of text with one list of names."""
    names = np.unique(np.concatenate([names for _, names in columns]))
    return names, [np.searchsorted(names, own)[codes] if len(own) else codes for codes, own in columns]


def _places(table: pa.Table, column: str, names: Sequence[str] | np.ndarray) -> Ints:
    """Index of each value of a column of text among the names, [rows]."""
    codes, found = _decoded(table, column)
    place = {name: index for index, name in enumerate(names)}
    unknown = next((name for name in found if name not in place), None)
    if unknown is not None:
        raise ValueError(f"'{unknown}' in column {column} is unknown.")
    return np.array([place[name] for name in found], np.int64)[codes]


def _check_json(data: bytes) -> None:
    """Refuse what would cost a parser much before it is parsed."""
    if data.count(b'"') > 4 * MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    outside = _STRINGS.sub(b"", data)
    if _LONG_INTEGER.search(outside):
        raise ValueError("it has a number of more than 15 digits")
    if outside.count(b",") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    brackets = np.frombuffer(outside.translate(None, _NO_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1).astype(np.int8)
    if np.cumsum(steps, dtype=np.int32).max(initial=0) > DEEPEST_JSON:
        raise ValueError(f"it is nested more than {DEEPEST_JSON} levels deep")


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    if error.error_count() > MOST_FAULTS:
        return f"it has {error.error_count():,} faults"
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:200] or "the file"
    return f"{where}: {first['msg'][:200]}"


def _coded(codes: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def shorten(scores: Floats) -> Floats:
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
