"""The evidence files beside a result: `<task>.evidence.parquet`, `<task>.top10.parquet` and `<task>.top100.parquet`.

Every score follows from the first two. Since format 2 a row names the cluster of its query; `panglot rescore` brings
older files up to date, and nothing else reads them. The third holds the same lists further down, for reading errors
and TREC runs; it is as large as the others together, so it may be left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from panglot.arrays import Floats, Ints
from panglot.errors import BadResult
from panglot.fields import Count
from panglot.files import write_whole
from panglot.results.assembly import (
    LIST_COLUMNS,
    PAIR_COLUMNS,
    Lists,
    Pairs,
    assemble,
    check_beginning,
    read_lists,
    read_pairs,
)
from panglot.results.parquet import LIMITS, Columns, Form, Limits, read_footer
from panglot.results.record import FORMAT, first_fault
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

_SIZES = TypeAdapter(dict[str, Count])

NARROW_LIMITS = Limits(file=128 << 20, unfolded=512 << 20, cells=160 << 20)
"""Of narrow evidence: Belebele's 13,395,600 relevant pairs in 122 languages take 92 MiB and 134 million cells,
and the lists of 100 of its 109,800 queries 38 MiB and 44 million."""


class NoEvidence(BadResult):
    """A result that was handed in without evidence, or without a part of it that every score needs."""


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
    """The evidence beside a result file, with the longest lists that are there.

    :raises NoEvidence: a file that every score needs is missing.
    :raises OlderEvidence: the rows do not name the cluster of their query yet.
    :raises BadResult: a file is not evidence, or the short lists are not the beginning of the long ones.
    """
    with _refusals(path):
        pairs = _pairs(path)
        lists = _lists(path, pairs, "top10", SHORT)
        if evidence_file(path, "top100").exists():
            short, lists = lists, _lists(path, pairs, "top100", DEPTH)
            check_beginning(short, lists)
        return assemble(pairs, lists)


def read_older_evidence(path: Path, cluster: Mapping[str, str]) -> Evidence:
    """Evidence of format 1, its short lists only, with the cluster of each query id.

    :raises NoEvidence: a file that every score needs is missing.
    :raises BadResult: a file is not evidence, or it has a query without a cluster.
    """
    with _refusals(path):
        pairs = _pairs(path, cluster)
        return assemble(pairs, _lists(path, pairs, "top10", SHORT))


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say of which result the evidence cannot be read."""
    _check_there(path)
    try:
        yield
    except OlderEvidence as error:
        raise OlderEvidence(f"The evidence beside {path} {error} Run: panglot rescore {path}") from error
    except (BadResult, ValueError) as error:
        raise BadResult(f"The evidence beside {path} cannot be read. {error}") from error


def _check_there(path: Path) -> None:
    """Check that the evidence was handed in: who gets scores alone should learn what follows from that.

    :raises NoEvidence: a file that every score needs is missing.
    """
    files = [evidence_file(path, name) for name in NEEDED]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        lacks = "handed in without evidence" if len(missing) == len(files) else "handed in without all of its evidence"
        raise NoEvidence(
            f"{path}: {lacks} ({' and '.join(missing)} missing), so it cannot be ranked, compared or rescored, nor "
            "exported to mteb or query by query; panglot show prints its scores. Put the evidence beside it, or score "
            "the model again with panglot run."
        )


def _pairs(path: Path, cluster: Mapping[str, str] | None = None) -> Pairs:
    form = _evidence_form if cluster is None else _older_form
    columns = Columns(evidence_file(path, "evidence"), form, NARROW_LIMITS.file)
    sizes = _sizes(columns.metadata)
    return read_pairs(columns, sizes, _count_columns(tuple(sizes)), cluster)


def _lists(path: Path, pairs: Pairs, name: EvidenceName, depth: int) -> Lists:
    limits = NARROW_LIMITS if is_narrow(len(pairs.languages)) else LIMITS
    columns = Columns(evidence_file(path, name), lambda _: Form(LIST_COLUMNS, limits), limits.file)
    return read_lists(columns, pairs, depth)


class EvidenceFacts(NamedTuple):
    """What an evidence file states before a column of it is read: candidates of each language, relevant pairs."""

    sizes: Mapping[str, int]
    pairs: int
    divided: bool


def read_facts(path: Path) -> EvidenceFacts:
    """What the evidence beside a result file states about the pool; little is read, however large it is.

    :raises NoEvidence: a file that every score needs is missing.
    :raises BadResult: the file is not evidence.
    """
    with _refusals(path):
        footer = read_footer(evidence_file(path, "evidence"), NARROW_LIMITS.file)
        return EvidenceFacts(_sizes(footer.metadata), footer.rows, b"divided" in footer.metadata)


def hash_evidence(path: Path) -> dict[EvidenceName, str]:
    """The sha256 of each evidence file that stands beside a result file."""
    files = ((name, evidence_file(path, name)) for name in EVIDENCE_FILES)
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files if file.is_file()}


def is_evidence_of(hashes: Mapping[EvidenceName, str], path: Path) -> bool:
    """Whether the files beside a result are those of the hashes; the longest lists may be left out."""
    files = (evidence_file(path, name) for name in EVIDENCE_FILES)
    if any(file.is_file() and file.stat().st_size > NARROW_LIMITS.file for file in files):
        return False
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
    if metadata.get(b"format") != b"%d" % EVIDENCE_FORMAT:
        stated = metadata.get(b"format", b"").decode(errors="replace")[:20]
        raise ValueError(f"it states the format {stated!a}; this version reads format {EVIDENCE_FORMAT}.")
    languages = tuple(_sizes(metadata))
    columns = {**PAIR_COLUMNS, **dict.fromkeys(_count_columns(languages), pa.int32())}
    return Form(columns, NARROW_LIMITS) if is_narrow(len(languages)) else Form(columns)


def _older_form(metadata: Mapping[bytes, bytes]) -> Form:
    columns, limits = _evidence_form({**metadata, b"format": b"%d" % EVIDENCE_FORMAT})
    return Form({name: kind for name, kind in columns.items() if name != "cluster"}, limits)


def _count_columns(languages: Sequence[str]) -> list[str]:
    return [f"above.{name}" for name in (NARROW if is_narrow(len(languages)) else languages)]


def _sizes(metadata: Mapping[bytes, bytes]) -> dict[str, int]:
    """Candidates of each language, as the file states them.

    :raises ValueError: it does not state them, or not as counts.
    """
    try:
        return _SIZES.validate_json(metadata.get(b"sizes", b""))
    except ValidationError as error:
        raise ValueError(f"its sizes of languages cannot be read. {first_fault(error)}.") from error


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
