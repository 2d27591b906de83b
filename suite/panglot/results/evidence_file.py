"""The evidence files beside a result: `<task>.evidence.parquet`, `<task>.top10.parquet` and `<task>.top100.parquet`.

Every score follows from the first two. Since format 2 a row names the cluster of its query; `panglot rescore` brings
older files up to date, and nothing else reads them. The third holds the same lists further down, for reading errors
and TREC runs; it is as large as the others together, so it may be left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from panglot.arrays import Floats, Ints
from panglot.errors import BadResult
from panglot.fields import Count
from panglot.files import write_whole
from panglot.results.parquet import TEXT, Form, Limits, read_footer, read_table
from panglot.results.record import FORMAT
from panglot.retrieve.evidence import NARROW, NOBODY, Evidence, is_narrow
from panglot.retrieve.ranking import DEPTH

EvidenceName: TypeAlias = Literal["evidence", "top10", "top100"]
EVIDENCE_FILES: tuple[EvidenceName, ...] = get_args(EvidenceName)
"""What the evidence beside `<task>.json` is called: `<task>.evidence.parquet` and so on."""

NEEDED = EVIDENCE_FILES[:2]
"""Without these no score can be checked."""

EVIDENCE_FORMAT = 2
"""Stated in the file of relevant pairs."""

SHORT = 10
"""Length of the lists from which scores follow."""

MOST_CLUSTERS = 200_000
"""A thousand draws of so many take 1.6 GB; MIRACL, whose queries are clusters, has 13,495."""

_PAIR_COLUMNS: dict[str, pa.DataType] = {
    "query": TEXT,
    "query_language": TEXT,
    "group": pa.int32(),
    "cluster": pa.int32(),
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
_TOP_FORM = Form(_TOP_COLUMNS)
_SIZES = TypeAdapter(dict[str, Count])

NARROW_LIMITS = Limits(file=128 << 20, unfolded=512 << 20, cells=160 << 20)
"""Of narrow evidence: Belebele's 13,395,600 relevant pairs in 122 languages take 92 MiB and 134 million cells."""


class OlderEvidence(BadResult):
    """Evidence of format 1, whose rows do not name the cluster of their query."""


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write the files of the evidence that belongs beside the result file `path`."""
    write_pairs(path, evidence)
    for name, depth in zip(EVIDENCE_FILES[1:], (SHORT, DEPTH), strict=True):
        write_table(_top_table(evidence, depth), evidence_file(path, name))


def write_pairs(path: Path, evidence: Evidence) -> None:
    """Write only the relevant pairs, with their counts."""
    write_table(_evidence_table(evidence), evidence_file(path, EVIDENCE_FILES[0]))


def read_evidence(path: Path) -> Evidence:
    """The evidence that stands beside a result file, with the longest lists that are there.

    :raises OlderEvidence: the rows do not name the cluster of their query yet.
    :raises BadResult: a file is missing or is no evidence, or the lists are not each other's beginning.
    """
    try:
        pairs = read_table(evidence_file(path, "evidence"), _evidence_form, NARROW_LIMITS.file)
        short = _evidence(pairs, read_table(evidence_file(path, "top10"), lambda _: _TOP_FORM), SHORT)
        if not evidence_file(path, "top100").exists():
            return short
        whole = _evidence(pairs, read_table(evidence_file(path, "top100"), lambda _: _TOP_FORM), DEPTH)
        _check_beginning(short, whole)
        return whole
    except OlderEvidence as error:
        raise OlderEvidence(f"The evidence beside {path} {error} Run: panglot rescore {path}") from error
    except (BadResult, ValueError) as error:
        raise BadResult(f"The evidence beside {path} cannot be read. {error}") from error


def read_older_evidence(path: Path, cluster: Mapping[str, str]) -> Evidence:
    """Evidence of format 1, its short lists only, with the cluster of each query id.

    :raises BadResult: a file is missing or is not evidence, or it has a query without a cluster.
    """
    try:
        pairs = read_table(evidence_file(path, "evidence"), _older_form, NARROW_LIMITS.file)
        codes, names = _decoded(pairs, "query")
        unknown = next((name for name in names if name not in cluster), None)
        if unknown is not None:
            raise ValueError(f"The task has no query '{unknown[:80]}'.")
        number = np.unique([cluster[name] for name in names], return_inverse=True)[1].astype(np.int32)
        pairs = pairs.append_column("cluster", pa.array(number[codes]))
        return _evidence(pairs, read_table(evidence_file(path, "top10"), lambda _: _TOP_FORM), SHORT)
    except (BadResult, ValueError) as error:
        raise BadResult(f"The evidence beside {path} cannot be read. {error}") from error


class EvidenceFacts(NamedTuple):
    """What an evidence file states before a column of it is read: candidates of each language, relevant pairs."""

    sizes: Mapping[str, int]
    pairs: int
    divided: bool


def read_facts(path: Path) -> EvidenceFacts:
    """What the evidence beside a result file states about the pool; little is read, however large it is.

    :raises BadResult: the file is missing or is no evidence.
    """
    try:
        footer = read_footer(evidence_file(path, "evidence"), NARROW_LIMITS.file)
        return EvidenceFacts(_sizes(footer.metadata), footer.rows, b"divided" in footer.metadata)
    except (BadResult, ValueError) as error:
        raise BadResult(f"The evidence beside {path} cannot be read. {error}") from error


def _check_beginning(short: Evidence, whole: Evidence) -> None:
    known = {id_: number for number, id_ in enumerate(whole.candidate_ids)}
    number = np.array([known.get(id_, NOBODY) for id_ in short.candidate_ids])
    place = slice(short.top.shape[1])
    if (
        whole.top.shape[1] < short.top.shape[1]
        or np.any(np.where(short.top == NOBODY, NOBODY, number[short.top]) != whole.top[:, place])
        or np.any(short.top_language != whole.top_language[:, place])
        or np.any(short.top_score != whole.top_score[:, place])
    ):
        raise ValueError(f"The lists of {SHORT} are not the beginning of those of {DEPTH}.")


def hash_evidence(path: Path) -> dict[EvidenceName, str]:
    """The sha256 of each evidence file that stands beside a result file."""
    files = ((name, evidence_file(path, name)) for name in EVIDENCE_FILES)
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files if file.is_file()}


def is_evidence_of(hashes: Mapping[EvidenceName, str], path: Path) -> bool:
    """Whether the files beside a result are those of the hashes; the longest lists may be left out."""
    here = hash_evidence(path)
    return here == {name: sha256 for name, sha256 in hashes.items() if name in here or name in NEEDED}


def evidence_file(path: Path, name: str) -> Path:
    """Where one of `EVIDENCE_FILES` belongs, beside a result file."""
    return path.with_name(f"{path.stem}.{name}.parquet")


def _evidence_table(evidence: Evidence) -> pa.Table:
    """A row for each relevant pair; ids as dictionaries, counts as one column a language, or as those of `NARROW`."""
    languages = evidence.languages
    asked = evidence.query
    columns = {
        "query": _coded(asked, evidence.query_ids),
        "query_language": _coded(evidence.query_language[asked], languages),
        "group": pa.array(evidence.group[asked].astype(np.int32)),
        "cluster": pa.array(evidence.cluster[asked].astype(np.int32)),
        "candidate": _coded(evidence.candidate, evidence.candidate_ids),
        "candidate_language": _coded(evidence.language, languages),
        "gain": pa.array(evidence.gain.astype(np.float32)),
        "score": pa.array(evidence.score),
        **{name: pa.array(evidence.above[:, place]) for place, name in enumerate(_count_columns(languages))},
    }
    sizes = dict(zip(languages, evidence.sizes.tolist(), strict=True))
    divided = {"divided": "1"} if evidence.divided else {}
    return pa.table(columns, metadata={"format": str(EVIDENCE_FORMAT), "sizes": json.dumps(sizes), **divided})


def _top_table(evidence: Evidence, depth: int) -> pa.Table:
    """A row for each query and place in its list, best first; scores rounded to one part in two thousand."""
    row, place = np.nonzero(evidence.top[:, :depth] != NOBODY)
    return pa.table(
        {
            "query": _coded(row, evidence.query_ids),
            "candidate": _coded(evidence.top[row, place], evidence.candidate_ids),
            "candidate_language": _coded(evidence.top_language[row, place], evidence.languages),
            "score": pa.array(shorten(evidence.top_score[row, place])),
        },
        metadata={"format": str(FORMAT)},
    )


def _evidence_form(metadata: Mapping[bytes, bytes]) -> Form:
    if metadata.get(b"format") == b"1" and b"sizes" in metadata:
        raise OlderEvidence("is of format 1, which does not say which queries were drawn together.")
    languages = tuple(_sizes(metadata))
    columns = {**_PAIR_COLUMNS, **dict.fromkeys(_count_columns(languages), pa.int32())}
    return Form(columns, NARROW_LIMITS) if is_narrow(len(languages)) else Form(columns)


def _older_form(metadata: Mapping[bytes, bytes]) -> Form:
    columns, limits = _evidence_form({**metadata, b"format": b"%d" % EVIDENCE_FORMAT})
    return Form({name: kind for name, kind in columns.items() if name != "cluster"}, limits)


def _count_columns(languages: Sequence[str]) -> list[str]:
    return [f"above.{name}" for name in (NARROW if is_narrow(len(languages)) else languages)]


def _sizes(metadata: Mapping[bytes, bytes]) -> dict[str, int]:
    """Candidates of each language, as the file states them."""
    return _SIZES.validate_json(metadata.get(b"sizes", b""))


def _evidence(pairs: pa.Table, top: pa.Table, depth: int) -> Evidence:
    """Evidence from its two tables, the second with lists of up to `depth`."""
    sizes = _sizes(pairs.schema.metadata)
    languages = tuple(sizes)
    asked, asked_names = _decoded(pairs, "query")
    first = np.flatnonzero(np.diff(asked, prepend=-1))
    query_ids = asked_names[asked[first]]
    if len(np.unique(asked[first])) < len(first) or not len(first):
        raise ValueError("The rows of a query do not stand together, or there are none.")
    query = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=len(pairs)))
    query_language = _places(pairs, "query_language", languages)
    group, cluster = pairs["group"].to_numpy(), pairs["cluster"].to_numpy()
    if any(np.any(values != values[first][query]) for values in (query_language, group, cluster)):
        raise ValueError("The rows of a query differ in its language, group or cluster.")
    if len(np.unique(cluster[first])) > MOST_CLUSTERS:
        raise ValueError(f"It has more than {MOST_CLUSTERS:,} clusters, whose bootstrap would not fit in memory.")
    candidate_ids, (candidate, offered) = _shared(_decoded(pairs, "candidate"), _decoded(top, "candidate"))
    listed = _places(top, "query", query_ids)
    if np.any(np.diff(listed) < 0):
        raise ValueError("The lists do not stand in the order of the queries.")
    rank = np.arange(len(listed)) - np.searchsorted(listed, listed)
    if rank.max(initial=-1) >= depth:
        raise ValueError(f"A list is longer than {depth}.")
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
        cluster=cluster[first],
        query=query,
        candidate=candidate,
        language=_places(pairs, "candidate_language", languages),
        gain=pairs["gain"].to_numpy().astype(np.float64),
        score=pairs["score"].to_numpy(),
        above=np.stack([pairs[name].to_numpy() for name in _count_columns(languages)], axis=1),
        top=lists[0],
        top_language=lists[1],
        top_score=lists[2],
        divided=b"divided" in pairs.schema.metadata,
    )


def _decoded(table: pa.Table, column: str) -> tuple[Ints, np.ndarray]:
    """A column of text as codes [rows] and the different names that occur, sorted."""
    if not len(table):
        return np.empty(0, np.int32), np.empty(0, object)
    values = table[column].chunk(0)
    names, codes = np.array(values.dictionary.to_pylist(), object), values.indices.to_numpy()
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    unique, place = np.unique(names[used], return_inverse=True)
    number = np.zeros(len(names), np.int32)
    number[used] = place
    return number[codes], unique


def _shared(*columns: tuple[Ints, np.ndarray]) -> tuple[np.ndarray, list[Ints]]:
    """Several columns of text with one list of names."""
    names = np.unique(np.concatenate([names for _, names in columns]))
    return names, [np.searchsorted(names, own).astype(np.int32)[codes] if len(own) else codes for codes, own in columns]


def _places(table: pa.Table, column: str, names: Sequence[str] | np.ndarray) -> Ints:
    """Index of each value of a column of text among the names, [rows]."""
    codes, found = _decoded(table, column)
    place = {name: index for index, name in enumerate(names)}
    unknown = next((name for name in found if name not in place), None)
    if unknown is not None:
        raise ValueError(f"'{unknown}' in column {column} is unknown.")
    return np.array([place[name] for name in found], np.int32)[codes]


def _coded(codes: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def shorten(scores: Floats) -> Floats:
    """Scores with ten bits of mantissa: their order stays and their file halves."""
    bits = scores.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + (1 << 12)) >> 13 << 13).astype(np.uint32).view(np.float32)


def write_table(table: pa.Table, path: Path) -> None:
    """Compressed: text by dictionary, numbers byte by byte, whose high bytes repeat."""
    numbers = [field.name for field in table.schema if not pa.types.is_dictionary(field.type)]
    text = [name for name in table.column_names if name not in numbers]
    how = {"compression": "zstd", "compression_level": 9, "use_dictionary": text, "use_byte_stream_split": numbers}
    write_whole(path, lambda unfinished: pq.write_table(table, unfinished, **how))
