"""From the columns of evidence files to evidence: read one at a time, since a result can have 134 million cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from panglot.arrays import Bools, Floats, Ints
from panglot.results.parquet import TEXT, Columns
from panglot.retrieve.evidence import NOBODY, Evidence

MOST_CLUSTERS = 200_000
"""A thousand draws of so many take 1.6 GB; MIRACL, whose queries are clusters, has 13,495."""

BLOCK = 1 << 20
"""Codes that are renumbered at once."""

PAIR_COLUMNS: dict[str, pa.DataType] = {
    "query": TEXT,
    "query_language": TEXT,
    "group": pa.int32(),
    "cluster": pa.int32(),
    "candidate": TEXT,
    "candidate_language": TEXT,
    "gain": pa.float32(),
    "score": pa.float32(),
}
"""Of the file of relevant pairs, before the counts."""

LIST_COLUMNS: dict[str, pa.DataType] = {
    "query": TEXT,
    "candidate": TEXT,
    "candidate_language": TEXT,
    "score": pa.float32(),
}


class Named(NamedTuple):
    """A column of text: `codes` [rows] into the `names` that occur, which are sorted."""

    codes: Ints
    names: np.ndarray


class Pairs(NamedTuple):
    """The file of relevant pairs, with the fields of `Evidence`."""

    languages: tuple[str, ...]
    sizes: Ints
    query_ids: np.ndarray
    query_language: Ints
    group: Ints
    cluster: Ints
    query: Ints
    candidate: Named
    language: Ints
    gain: Floats
    score: Floats
    above: Ints
    divided: bool


class Lists(NamedTuple):
    """A file of lists: `top`, `language` and `score` [queries, longest list] as in `Evidence`, filled likewise."""

    names: np.ndarray
    """The candidates that `top` numbers, sorted."""
    top: Ints
    language: Ints
    score: Floats


def read_pairs(
    columns: Columns, sizes: Mapping[str, int], counts: Sequence[str], clusters: Mapping[str, str] | None = None
) -> Pairs:
    """The relevant pairs of a file whose counts have these names.

    Where the rows do not name clusters, `clusters` gives that of each query.

    :raises BadResult: a column is damaged.
    :raises ValueError: the rows contradict each other.
    """
    languages = tuple(sizes)
    asked = _named(columns, "query")
    first = np.flatnonzero(np.diff(asked.codes, prepend=-1))
    query_ids = asked.names[asked.codes[first]]
    if len(np.unique(asked.codes[first])) < len(first) or not len(first):
        raise ValueError("The rows of a query are not next to each other, or there are none.")
    del asked
    query = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=len(columns)))
    per_query = _PerQuery(first, query)
    query_language = per_query(_places(columns, "query_language", languages))
    group = per_query(columns.numbers("group"))
    cluster = _numbered(clusters, query_ids) if clusters is not None else per_query(columns.numbers("cluster"))
    if len(np.unique(cluster)) > MOST_CLUSTERS:
        raise ValueError(f"It has more than {MOST_CLUSTERS:,} clusters, whose bootstrap would not fit in memory.")
    above = np.empty((len(columns), len(counts)), np.int32)
    return Pairs(
        languages=languages,
        sizes=np.array(list(sizes.values())),
        query_ids=query_ids,
        query_language=query_language,
        group=group,
        cluster=cluster,
        query=query,
        candidate=_named(columns, "candidate"),
        language=_places(columns, "candidate_language", languages),
        gain=columns.numbers("gain").astype(np.float64),
        score=columns.numbers("score"),
        above=_filled(above, columns, counts),
        divided=b"divided" in columns.metadata,
    )


def read_lists(columns: Columns, pairs: Pairs, depth: int) -> Lists:
    """The lists of the queries of some pairs, each of up to `depth` candidates.

    :raises BadResult: a column is damaged.
    :raises ValueError: the lists are too long, or not in the order of the queries.
    """
    listed = _places(columns, "query", pairs.query_ids)
    if np.any(np.diff(listed) < 0):
        raise ValueError("The lists are not in the order of the queries.")
    lengths = np.diff(np.searchsorted(listed, np.arange(len(pairs.query_ids) + 1, dtype=np.int32)))
    if lengths.max() > depth:
        raise ValueError(f"A list is longer than {depth}.")
    filled = np.arange(lengths.max()) < lengths[:, None]
    del listed
    offered = _named(columns, "candidate")
    return Lists(
        offered.names,
        _table(offered.codes, filled, NOBODY),
        _table(_places(columns, "candidate_language", pairs.languages), filled, NOBODY),
        _table(columns.numbers("score"), filled, -np.inf),
    )


def check_beginning(short: Lists, whole: Lists) -> None:
    """Whether each short list is the beginning of the whole one.

    :raises ValueError: one is not.
    """
    known = {id_: number for number, id_ in enumerate(whole.names)}
    number = np.array([known.get(id_, NOBODY) for id_ in short.names], np.int32)
    length = short.top.shape[1]
    if (
        whole.top.shape[1] < length
        or np.any(np.where(short.top == NOBODY, NOBODY, number[short.top]) != whole.top[:, :length])
        or np.any(short.language != whole.language[:, :length])
        or np.any(short.score != whole.score[:, :length])
    ):
        raise ValueError(f"The lists of {length} are not the beginning of those of {whole.top.shape[1]}.")


def assemble(pairs: Pairs, lists: Lists) -> Evidence:
    """Evidence of pairs and lists, which share their candidates."""
    names = np.unique(np.concatenate([pairs.candidate.names, lists.names]))
    candidate, listed = (np.searchsorted(names, own) for own in (pairs.candidate.names, lists.names))
    return Evidence(
        query_ids=tuple(pairs.query_ids.tolist()),
        candidate_ids=tuple(names.tolist()),
        languages=pairs.languages,
        sizes=pairs.sizes,
        query_language=pairs.query_language,
        group=pairs.group,
        cluster=pairs.cluster,
        query=pairs.query,
        candidate=_renumber(pairs.candidate.codes, candidate),
        language=pairs.language,
        gain=pairs.gain,
        score=pairs.score,
        above=pairs.above,
        top=_renumber(lists.top, np.append(listed, NOBODY)),  # which NOBODY, as -1, stands for itself
        top_language=lists.language,
        top_score=lists.score,
        divided=pairs.divided,
    )


class _PerQuery:
    """What all rows of a query say alike, [rows] → [queries]; `first` [queries] and `query` [rows] tell them apart."""

    def __init__(self, first: Ints, query: Ints) -> None:
        self._first, self._query = first, query

    def __call__(self, values: Ints) -> Ints:
        own: Ints = values[self._first]
        if np.any(values != own[self._query]):
            raise ValueError("The rows of a query differ in its language, group or cluster.")
        return own


def _numbered(clusters: Mapping[str, str], query_ids: np.ndarray) -> Ints:
    """The cluster of each query as a number from 0, in the order of their names."""
    unknown = next((name for name in query_ids if name not in clusters), None)
    if unknown is not None:
        raise ValueError(f"The task has no query '{unknown[:80]}'.")
    return np.unique([clusters[name] for name in query_ids], return_inverse=True)[1].astype(np.int32)


def _filled(table: Ints, columns: Columns, names: Sequence[str]) -> Ints:
    for place, name in enumerate(names):
        table[:, place] = columns.numbers(name)
    return table


def _table(values: np.ndarray, filled: Bools, fill: float) -> np.ndarray:
    """A table with the values in the filled cells, row by row."""
    if filled.all():
        return values.reshape(filled.shape)
    table = np.full(filled.shape, fill, values.dtype)
    table[filled] = values
    return table


def _named(columns: Columns, name: str) -> Named:
    codes, names = columns.texts(name)
    occurs = np.zeros(len(names), bool)
    for start in range(0, len(codes), BLOCK):
        occurs[codes[start : start + BLOCK]] = True
    used = np.flatnonzero(occurs)
    unique, place = np.unique(np.array(names, object)[used], return_inverse=True)
    number = np.zeros(len(names), np.int32)
    number[used] = place
    return Named(_renumber(codes, number), unique)


def _places(columns: Columns, name: str, known: Sequence[str] | np.ndarray) -> Ints:
    """Index of each value of a column of text among the known ones, [rows]."""
    codes, found = _named(columns, name)
    place = {text: index for index, text in enumerate(known)}
    unknown = next((text for text in found if text not in place), None)
    if unknown is not None:
        raise ValueError(f"'{unknown}' in column {name} is unknown.")
    return _renumber(codes, np.array([place[text] for text in found]))


def _renumber(codes: Ints, number: Ints) -> Ints:
    """`number[codes]` in the place of the codes; a block at a time, since numpy makes 64-bit indices of them."""
    flat = codes.reshape(-1)
    for start in range(0, len(flat), BLOCK):
        flat[start : start + BLOCK] = number[flat[start : start + BLOCK]]
    return codes
