"""A user's own data: three files in the BEIR layout (Thakur et al., 2021), with a language for each item.

    corpus.jsonl   {"_id": "d1", "text": "…", "title": "…" (optional), "language": "en"}
    queries.jsonl  {"_id": "q1", "text": "…", "language": "de"}
                   optional: "group": "7", "cluster": "a", "excluded": "d1", "answerable": false
    qrels.tsv      query-id, corpus-id and score; see `panglot.data.readers.qrels`

Queries with the same `group` are one question in several languages; a query without a group is a group of its own,
named by its id. Queries with the same `cluster` were sampled together, such as the questions about one article; the
default is the group. `excluded` is a candidate that is not ranked for the query: the query itself, if it is also a
candidate. A query that is not `answerable` has no relevant candidate on purpose. Ids and groups are strings; integers
are converted. A table in CSV or Parquet can stand in for each file, with the fields as columns. Every setting that the
data supports is computed: one language gives mono; parallel relevant candidates give language bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from panglot.data.readers.jsonl import read_json_lines
from panglot.data.readers.own import OwnRecords, Read, candidate_text, language_of, query_text
from panglot.data.readers.qrels import read_qrels
from panglot.data.readers.rows import Names, Row, identified
from panglot.data.readers.tables import is_table, read_table
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData

if TYPE_CHECKING:
    from panglot.data.pool import Pool

FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")

LANGUAGE = ("language", ("lang",))
CANDIDATE_IDS = ("docid", "did", "docno", "documentid", "passageid", "pid", "corpusid", "candidateid", "cid")
QUERY_IDS = ("queryid", "qid", "topicid")
CORPUS: Names = (
    ("_id", ("id", *CANDIDATE_IDS)),
    ("text", ("contents", "content", "passage", "document", "body")),
    ("title", ()),
    LANGUAGE,
)
QUERIES: Names = (
    ("_id", ("id", *QUERY_IDS)),
    ("text", ("query", "question")),
    LANGUAGE,
    *((name, ()) for name in ("group", "cluster", "excluded", "answerable")),
)


def read_folder(paths: Mapping[str, Path], *, detect: str = "") -> Pool:
    """Read the three files into one pool, with languages in alphabetical order.

    Queries without a relevant candidate are dropped, unless they are declared to have none.

    :param detect: how to find missing languages: see `OwnRecords.to_pool`.
    :raises MissingData: a file does not exist.
    :raises BadData: a line is not a valid record, an id is duplicated, or a judgement names an unknown id.
    """
    return read_with_remarks(paths, detect).pool


def read_with_remarks(paths: Mapping[str, Path], detect: str = "") -> Read:
    """Read and check everything here, where line numbers are known; the pool does not know them.

    :raises MissingData: see `read_folder`.
    :raises BadData: see `read_folder`.
    """
    records = OwnRecords()
    for row in _items(paths["corpus.jsonl"], CORPUS):
        records.candidates[row.id] = Candidate(row.id, candidate_text(row, "text"), language_of(row))
        records.candidate_rows[row.id] = row
    for row in _items(paths["queries.jsonl"], QUERIES):
        records.queries[row.id] = _query(row, records.candidates)
        records.query_rows[row.id] = row
        if not row.optional_flag("answerable", True):
            records.unanswered.add(row.id)
    records.check_groups()
    records.judgements += _relevant(paths, records)
    return records.to_pool(detect)


def _items(path: Path, names: Names) -> Iterator[Row]:
    return identified(read_table(path, names, ("_id", "text")) if is_table(path.name) else read_json_lines(path, names))


def _query(row: Row, candidates: Mapping[str, Candidate]) -> Query:
    excluded = row.optional_name("excluded")
    if excluded is not None and excluded not in candidates:
        raise row.error(f"the field 'excluded' names '{excluded[:80]}', which is not in the corpus.")
    group, cluster = row.optional_name("group") or row.id, row.optional_name("cluster")
    return Query(row.id, query_text(row, "text"), language_of(row), group, excluded=excluded, cluster=cluster)


def _relevant(paths: Mapping[str, Path], records: OwnRecords) -> Iterator[Judgement]:
    """Yield the judgements of relevant candidates.

    :raises BadData: a judgement names an unknown id, or a relevant candidate that is excluded.
    """
    corpus, queries = paths["corpus.jsonl"].name, paths["queries.jsonl"].name
    for judged in read_qrels(paths["qrels.tsv"]):
        query = records.queries.get(judged.query)
        if query is None:
            raise BadData(f"{judged.where}: no query in {queries} has this id.")
        if judged.candidate not in records.candidates:
            raise BadData(f"{judged.where}: no candidate in {corpus} has this id.")
        if judged.grade > 0:
            if query.excluded == judged.candidate:
                raise BadData(f"{judged.where}: the candidate is relevant, but {queries} excludes it.")
            yield Judgement(judged.query, judged.candidate, judged.grade)
