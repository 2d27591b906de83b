"""A user's own data: one table of questions and the passages that answer them, as CSV or Parquet.

    query,passage,language,group
    Which animal is the largest?,The blue whale is the largest animal.,en,size
    Welches Tier ist das größte?,Der Blauwal ist das größte Tier.,de,size

Rows with the same group are one question in several languages: each of their passages answers each of their queries.
Equal texts of one language are one query, or one passage. A row without a query adds a passage that answers nothing; a
row without a passage adds a query that nothing answers. The columns `query-id`, `passage-id`, `query-language`,
`passage-language`, `title`, `cluster` and `score` are optional.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panglot.data.readers.folder import CANDIDATE_IDS, LANGUAGE, QUERY_IDS
from panglot.data.readers.own import OwnRecords, Read, candidate_text, language_of, query_text
from panglot.data.readers.qrels import GRADES, parse_grade
from panglot.data.readers.rows import Names, Row, fields_of, renamed
from panglot.data.readers.tables import check_columns, read_headings, read_table
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData

if TYPE_CHECKING:
    from panglot.data.pool import Pool

PART = "pairs"
"""The name of the only file of such a task."""

COLUMNS: Names = (
    ("query", ("question", "anchor")),
    ("passage", ("text", "document", "doc", "answer", "positive", "context", "candidate", "contents", "content")),
    ("query-id", QUERY_IDS),
    ("passage-id", CANDIDATE_IDS),
    LANGUAGE,
    ("query-language", ("querylang",)),
    ("passage-language", ("passagelang", "candidatelanguage", "documentlanguage", "doclanguage")),
    ("score", GRADES),
    *((name, ()) for name in ("title", "group", "cluster")),
)


def read_pairs(paths: Mapping[str, Path], *, detect: str = "") -> Pool:
    """Read a table of pairs into one pool, with languages in alphabetical order.

    :param detect: how to find missing languages: see `OwnRecords.to_pool`.
    :raises MissingData: the file does not exist.
    :raises BadData: the file is not such a table, or a row is inconsistent with another.
    """
    return read_with_remarks(paths, detect).pool


def read_with_remarks(paths: Mapping[str, Path], detect: str = "") -> Read:
    """Read a table of pairs, with remarks for the user.

    :raises MissingData: see `read_pairs`.
    :raises BadData: see `read_pairs`.
    """
    path = paths[PART]
    table = _Table(OwnRecords(remarks=_columns(path)))
    for row in read_table(path, COLUMNS):
        table.add(row)
    if not table.records.queries:
        raise BadData(f"{path} has no rows with a query.")
    table.records.check_groups()
    table.judge()
    return table.records.to_pool(detect)


def _columns(path: Path) -> list[str]:
    """Check the columns of a table and say which were read under another name, and which were not read."""
    headings = read_headings(path)
    try:
        fields = fields_of(headings, COLUMNS)
    except ValueError as error:
        raise BadData(f"{path}: the columns {error}. Rename one of them.") from error
    check_columns(path, headings, fields, ("query", "passage"))
    remarks = []
    if others := renamed(fields.items()):
        remarks.append(f"{path}: read {others}.")
    if unread := [name for name in headings if name not in fields.values()]:
        remarks.append(f"{path}: columns that were not read: {', '.join(repr(name[:40]) for name in unread[:20])}.")
    return remarks


@dataclass
class _Table:
    """Collects the rows of a table. Passages are relevant to the queries of their group, with the highest grade."""

    records: OwnRecords
    _ids: dict[tuple[str, ...], str] = field(default_factory=dict)
    _queries: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _grades: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, row: Row) -> None:
        """Add the query and the passage of a row."""
        query = self._query(row) if row.values.get("query") is not None else None
        passage = self._passage(row) if row.values.get("passage") is not None else None
        if query is None and passage is None:
            raise row.error("there is neither a query nor a passage.")
        if query is not None and passage is not None:
            grades = self._grades[query.group]
            grades[passage.id] = max(grades.get(passage.id, 0.0), _grade(row))

    def judge(self) -> None:
        """Judge every passage of a group relevant to every query of the group."""
        for group, queries in self._queries.items():
            relevant = {passage: grade for passage, grade in self._grades[group].items() if grade > 0}
            for query in queries:
                self.records.judgements += [Judgement(query, passage, grade) for passage, grade in relevant.items()]
            if not self._grades[group]:
                self.records.unanswered.update(queries)

    def _query(self, row: Row) -> Query:
        text = query_text(row, "query")
        language = language_of(row, "query-language") or language_of(row)
        group, cluster = row.optional_name("group"), row.optional_name("cluster")
        id_ = self._id(row, "query", text, language, group or "")
        query = Query(id_, text, language, group or id_, cluster=cluster)
        if self._is_new(row, query, self.records.queries, self.records.query_rows):
            self._queries[query.group].append(id_)
        return query

    def _passage(self, row: Row) -> Candidate:
        text = candidate_text(row, "passage")
        language = language_of(row, "passage-language") or language_of(row)
        candidate = Candidate(self._id(row, "passage", text, language), text, language)
        self._is_new(row, candidate, self.records.candidates, self.records.candidate_rows)
        return candidate

    def _id(self, row: Row, kind: str, *content: str) -> str:
        """Return the id that the row gives, or make one: `q7` for a query that is first seen in row 7."""
        given = row.optional_name(f"{kind}-id")
        return given or self._ids.setdefault((kind, *content), f"{kind[0]}{row.number}")

    @staticmethod
    def _is_new(
        row: Row, item: Query | Candidate, items: dict[str, Query] | dict[str, Candidate], rows: dict[str, Row]
    ) -> bool:
        known = items.get(item.id)
        if known is None:
            items[item.id] = item  # type: ignore[assignment]
            rows[item.id] = row
            return True
        if known != item:
            field = next(name for name, one, other in zip(item._fields, item, known, strict=True) if one != other)
            raise row.error(
                f"the id '{item.id[:80]}' has another {field} than in {row.unit} {rows[item.id].number}. "
                "Give different items different ids."
            )
        return False


def _grade(row: Row) -> float:
    value = row.values.get("score")
    if value is None:
        return 1.0
    return parse_grade(f"{row.path}, {row.unit} {row.number}", str(value))
