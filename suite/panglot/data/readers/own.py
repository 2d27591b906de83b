"""From records of a user's own files to a pool: languages are completed, queries are checked, and remarks are made.

The readers of own data, `folder` and `pairs`, collect records with their rows, so that every error names its row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from panglot.data.detection import UNKNOWN, detect, installed_detector
from panglot.data.image import IMAGES
from panglot.data.readers.rows import Row
from panglot.data.readers.tables import is_table
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData
from panglot.languages import code_of, find_respelled_languages, is_unknown
from panglot.numbers import percent
from panglot.plain import is_blank

if TYPE_CHECKING:
    from panglot.data.pool import Pool

ANY = "all"
"""The value of `detect` for any language that the detector knows."""

MOST_VERSIONS = 1_000
"""Most queries in a group: versions of one question. All passages of a group in a table answer all its queries."""

MOST_LANGUAGES = 1000
"""Scores are computed for each pair of languages."""

SHOWN = 5
"""Most languages, and most doubtful texts, that a remark names."""


class Read(NamedTuple):
    """The content of a user's files, and remarks about it for the user."""

    pool: Pool
    remarks: tuple[str, ...]


@dataclass
class OwnRecords:
    """The records of a user's files by id, with the rows that they are from.

    The language of a record is empty if its row names none. `unanswered` has the ids of queries that are declared to
    have no answer.
    """

    queries: dict[str, Query] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    unanswered: set[str] = field(default_factory=set)
    query_rows: dict[str, Row] = field(default_factory=dict)
    candidate_rows: dict[str, Row] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def check_groups(self) -> None:
        """Check that no group has too many queries to be versions of one question.

        :raises BadData: one has, as when the group is a category or a document.
        """
        group, size = Counter(query.group for query in self.queries.values()).most_common(1)[0]
        if size > MOST_VERSIONS:
            row = next(self.query_rows[id_] for id_, query in self.queries.items() if query.group == group)
            raise row.error(
                f"the group '{group[:80]}' has {size:,} queries, but a group is one question in several languages. "
                "Name the field 'cluster' if its queries only belong together."
            )

    def to_pool(self, languages: str) -> Read:
        """Build the pool, with languages in alphabetical order.

        Queries without a relevant candidate are dropped, unless they are declared to have none.

        :param languages: of items that name none: `all` to detect any, codes joined by `+` to detect one of these, or
            empty to leave them unknown.
        :raises BadData: some items name a language and some do not; there are too many languages; no query has a
            relevant candidate; or queries of one group are in two clusters.
        """
        from panglot.data.pool import Pool

        self._complete_languages(languages)
        answered = {judgement.query for judgement in self.judgements}
        kept = [query for query in self.queries.values() if query.id in answered]
        if not kept:
            where = next(iter(self.query_rows.values())).path
            raise BadData(f"{where}: no query has a relevant candidate, that is, a grade above 0.")
        if both := next((query for query in kept if query.id in self.unanswered), None):
            raise self.query_rows[both.id].error("the query is declared to have no answer, but it has a relevant one.")
        _check_clusters(self.query_rows, kept)
        unanswered = [query for query in self.queries.values() if query.id in self.unanswered]
        self._remark_on_items(kept, answered)
        spoken = {query.language for query in (*kept, *unanswered)}
        spoken |= {candidate.language for candidate in self.candidates.values()}
        if len(spoken) > MOST_LANGUAGES:
            where = next(iter(self.query_rows.values())).path.parent
            raise BadData(f"{where} has {len(spoken):,} languages, more than {MOST_LANGUAGES:,}. Is the column right?")
        self.remarks += _odd_languages(sorted(language for language in spoken if is_unknown(language)))
        self.remarks += _respelled_languages(sorted(spoken))
        pool = Pool.of(sorted(spoken), kept, self.candidates.values(), self.judgements, unanswered=unanswered)
        return Read(pool, tuple(self.remarks))

    def _complete_languages(self, languages: str) -> None:
        """Detect the languages that are missing, or set them to unknown if all are."""
        items: list[Candidate | Query] = [*self.candidates.values(), *self.queries.values()]
        missing = [item for item in items if not item.language]
        if not missing:
            return
        rows = [*self.candidate_rows.values(), *self.query_rows.values()]
        if languages:
            self._detect(missing, [row for row, item in zip(rows, items, strict=True) if not item.language], languages)
            return
        if len(missing) < len(items):
            row = next(row for row, item in zip(rows, items, strict=True) if not item.language)
            raise row.error("the field 'language' is missing. Set it for every item, or for none, or add --detect all.")
        for item in items:
            self._put(item, UNKNOWN)
        self.remarks.append(
            f"{rows[0].path}: no item names a language; all items get the language '{UNKNOWN}'. "
            "To detect languages, add --detect all, or some codes such as de,en."
        )

    def _put(self, item: Candidate | Query, language: str) -> None:
        if isinstance(item, Query):
            self.queries[item.id] = item._replace(language=language)
        else:
            self.candidates[item.id] = item._replace(language=language)

    def _detect(self, items: Sequence[Candidate | Query], rows: Sequence[Row], languages: str) -> None:
        name = installed_detector("--detect")
        chosen = () if languages == ANY else tuple(dict.fromkeys(languages.split("+")))
        found = list(detect((item.text for item in items), chosen))
        for item, detected in zip(items, found, strict=True):
            self._put(item, detected.language)
        counts = Counter(detected.language for detected in found)
        shares = [f"{language} {percent(count / len(found))}" for language, count in counts.most_common(SHOWN)]
        more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
        files = {row.path for row in rows}
        where = files.pop() if len(files) == 1 else rows[0].path.parent
        self.remarks.append(
            f"{where}: languages were detected by {name} for {len(found):,} of "
            f"{len(self.queries) + len(self.candidates):,} items: {', '.join(shares)}{more}."
        )
        doubtful = [place for place, detected in enumerate(found) if detected.other]
        if doubtful:
            named = [
                f"{rows[place].path.name} {rows[place].unit} {rows[place].number} "
                f"({found[place].language} or {found[place].other}: '{items[place].text[:30]}')"
                for place in doubtful[:SHOWN]
            ]
            more = f", and {len(doubtful) - SHOWN:,} more" if len(doubtful) > SHOWN else ""
            advice = "" if chosen else " To choose among some languages only, name them: --detect de,en."
            self.remarks.append(f"{len(doubtful):,} languages are doubtful: {', '.join(named)}{more}.{advice}")

    def _remark_on_items(self, kept: Sequence[Query], answered: set[str]) -> None:
        explained = answered | self.unanswered
        dropped = [row for id_, row in self.query_rows.items() if id_ not in explained]
        declared = [row for id_, row in self.query_rows.items() if id_ in self.unanswered]
        repeated = [self.query_rows[query.id] for query in kept if self._is_offered_to_itself(query)]
        queries = len(self.queries)
        self.remarks += [
            *_remark("queries dropped, because they have no relevant candidate", dropped, queries),
            *_remark("queries declared to have no answer, which are scored apart", declared, queries),
            *_remark("queries that are their own candidate (to prevent this, set 'excluded')", repeated, queries),
        ]

    def _is_offered_to_itself(self, query: Query) -> bool:
        twin = self.candidates.get(query.id)
        return twin is not None and twin.text == query.text and query.excluded != query.id


def language_of(row: Row, field: str = "language") -> str:
    """Return the language of a row; empty if it names none.

    :raises BadData: it is not a valid name, or is the code of images.
    """
    language = row.optional_name(field) or ""
    if language.lower() == IMAGES:
        raise row.error(f"the language '{language}' is reserved for images. Use 'und' for an unknown language.")
    return language


def query_text(row: Row, field: str) -> str:
    """Return the text of a query.

    :raises BadData: it is missing, empty or not a string.
    """
    text = row.text(field)
    if is_blank(text):
        raise row.error("the text of the query is empty.")
    return text


def candidate_text(row: Row, field: str) -> str:
    """Return the text of a candidate, its title before it; an empty cell of a table is an empty text.

    :raises BadData: it is missing or not a string.
    """
    read = row.optional_text if is_table(row.path.name) else row.text
    title, text = row.optional_text("title"), read(field)
    return f"{title}\n{text}" if title else text


def _check_clusters(rows: Mapping[str, Row], queries: Iterable[Query]) -> None:
    """Check that all queries of a group are in one cluster; the default cluster is named like the group.

    :raises BadData: queries of one group are in two clusters; the message names both lines.
    """
    first: dict[str, Query] = {}
    for query in queries:
        other = first.setdefault(query.group, query)
        own, expected = (one.cluster or one.group for one in (query, other))
        if own != expected:
            raise rows[query.id].error(
                f"the group '{query.group[:80]}' is in the cluster '{own[:80]}' here, but in '{expected[:80]}' in "
                f"{rows[other.id].unit} {rows[other.id].number}. Put all versions of a question into one cluster."
            )


def _odd_languages(languages: Sequence[str]) -> Iterator[str]:
    if languages:
        named = [
            f"'{name[:40]}'" + (f" (use '{code}')" if (code := code_of(name)) else "") for name in languages[:SHOWN]
        ]
        more = f" and {len(languages) - SHOWN} more" if len(languages) > SHOWN else ""
        yield f"Unknown language codes (expected ISO 639 or BCP 47): {', '.join(named)}{more}."


def _respelled_languages(languages: Sequence[str]) -> Iterator[str]:
    for found in find_respelled_languages(languages):
        named = " and ".join(f"'{name}'" for name in found)
        yield f"{named} are codes of one language, but count as {len(found)} languages. Use one of them everywhere."


def _remark(what: str, rows: Sequence[Row], total: int) -> Iterator[str]:
    if rows:
        id_ = f" ('{rows[0].id}')" if rows[0].id else ""
        first = f"the first in {rows[0].unit} {rows[0].number}{id_}"
        yield f"{rows[0].path}: {what}: {len(rows):,} of {total:,}, {first}."
