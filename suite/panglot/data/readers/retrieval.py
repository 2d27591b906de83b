"""Retrieval sets in the form that mteb uses: a corpus, queries and judgements (qrels), for each language.

    corpus   id, text, image    a passage, or an image file
    queries  id, text, image
    qrels    query, candidate, gain

The files are Parquet tables, written by `panglot.data.origins.hub_tables`. In a `parallel` set, the same id means the
same query, and the same candidate, in every language: what is relevant in one is relevant in all, and a language can
have queries only. Panglot's ids begin with the language, as in `de:17`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from panglot.data.image import IMAGES
from panglot.data.readers.parquet import read_items, read_rows
from panglot.data.readers.qrels import as_grade
from panglot.data.readers.rows import fault_of_name
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData

if TYPE_CHECKING:
    from panglot.data.pool import Pool

TOLERATED = 0.01
"""Share of judgements of parallel languages that can differ, since files have errors."""
SHARED = "corpus"
"""The name of the part with the candidates of all languages."""


class Subset(NamedTuple):
    """The content of one language: items by their own ids, and the grades of relevant candidates by query."""

    queries: dict[str, Query]
    candidates: dict[str, Candidate]
    grades: dict[str, dict[str, float]]


def read_retrieval(paths: Mapping[str, Path], *, parallel: bool = False, candidates: str = "", asked: str = "") -> Pool:
    """Read the tables of some languages into one pool; queries without a relevant candidate are dropped.

    `candidates` is the language of the texts in a corpus that all languages share, and `asked` that of all queries if
    it is not that of the candidates.

    :raises BadData: a table is not of this form, a judgement names an unknown id, or the languages are not parallel.
    """
    from panglot.data.pool import Pool

    languages = sorted({part.rpartition(".")[0] for part in paths} - {""})
    shared = _candidates(paths[SHARED], candidates) if SHARED in paths else None
    subsets = {language: _subset(paths, language, shared, asked) for language in languages}
    every = _together(subsets)
    judged = list(_joint(subsets) if parallel or shared else _own(subsets))
    answered = {judgement.query for judgement in judged}
    queries = [query for subset in subsets.values() for query in subset.queries.values() if query.id in answered]
    if not queries:
        raise BadData(f"{', '.join(map(str, paths.values())) or 'These languages'}: no query has a relevant candidate.")
    spoken = {item.language for items in (queries, every.values()) for item in items}
    order = sorted(spoken - {IMAGES}) + [IMAGES] * (IMAGES in spoken)
    return Pool.of(order, queries, every.values(), judged)


def _subset(paths: Mapping[str, Path], language: str, shared: dict[str, Candidate] | None, asked: str) -> Subset:
    candidates = shared
    if candidates is None:
        corpus = paths.get(f"{language}.corpus")
        candidates = _candidates(corpus, language) if corpus else {}
    queries = {
        id_: Query(f"{item.language}:{id_}", item.text, item.language, id_, item.image)
        for id_, item in _candidates(paths[f"{language}.queries"], asked or language).items()
    }
    path = paths.get(f"{language}.qrels")
    grades = defaultdict[str, dict[str, float]](dict)
    for number, row in enumerate(read_rows(path, "query", "candidate", "gain") if path else ()):
        query, candidate = row["query"], row["candidate"]
        if query not in queries or candidate not in candidates:
            kind, name = ("query", query) if query not in queries else ("candidate", candidate)
            raise BadData(f"{path}, row {number}: the {kind} '{str(name)[:80]}' is unknown.")
        gain = as_grade(f"{path}, row {number}", row["gain"])
        if grades[query].setdefault(candidate, gain) != gain:
            raise BadData(f"{path}, row {number}: ('{query[:80]}', '{candidate[:80]}') has two different grades.")
    relevant = {query: {id_: gain for id_, gain in own.items() if gain > 0} for query, own in grades.items()}
    return Subset(queries, candidates, {query: own for query, own in relevant.items() if own})


def _candidates(path: Path, language: str) -> dict[str, Candidate]:
    """Return the items of a table by their own ids; images have the language code of images.

    :raises BadData: an id is not a valid name or is duplicated, or a text is not valid Unicode.
    """
    found: dict[str, Candidate] = {}
    for number, (row, image) in enumerate(read_items(path, "image", "id", "text")):
        id_, spoken = row["id"], language if image is None else IMAGES
        fault = f"the id {fault_of_name(id_)}" if fault_of_name(id_) else "duplicate id" if id_ in found else ""
        if fault or "\0" in row["text"]:
            raise BadData(f"{path}, row {number} ('{str(id_)[:80]}'): {fault or 'the text contains a NUL character'}.")
        found[id_] = Candidate(f"{spoken}:{id_}", row["text"], spoken, image)
    return found


def _together(subsets: Mapping[str, Subset]) -> dict[str, Candidate]:
    """Return the candidates of all languages; the same image in several is one candidate.

    :raises BadData: an id means different images.
    """
    every: dict[str, Candidate] = {}
    for language, subset in subsets.items():
        for candidate in subset.candidates.values():
            if every.setdefault(candidate.id, candidate) != candidate:
                raise BadData(f"The image '{candidate.id[:80]}' of {language} differs from that of another language.")
    return every


def _own(subsets: Mapping[str, Subset]) -> Iterator[Judgement]:
    """Yield the judgements of each language for its own candidates."""
    for subset in subsets.values():
        for query, grades in subset.grades.items():
            for candidate, gain in grades.items():
                yield Judgement(subset.queries[query].id, subset.candidates[candidate].id, gain)


def _joint(subsets: Mapping[str, Subset]) -> Iterator[Judgement]:
    """Yield the judgements of all languages for the queries and candidates of each.

    :raises BadData: languages that have a query and a candidate in common judge them differently.
    """
    grades = defaultdict[str, dict[str, float]](dict)
    for subset in subsets.values():
        for name, own in subset.grades.items():
            grades[name] |= own
    _check_parallel(subsets, grades)
    for subset in subsets.values():
        for id_, query in subset.queries.items():
            relevant = {
                other.candidates[candidate].id: gain
                for other in subsets.values()
                for candidate, gain in grades.get(id_, {}).items()
                if candidate in other.candidates
            }
            yield from (Judgement(query.id, candidate, gain) for candidate, gain in relevant.items())


def _check_parallel(subsets: Mapping[str, Subset], grades: Mapping[str, Mapping[str, float]]) -> None:
    compared, missing, example = 0, 0, ""
    for language, subset in subsets.items():
        for query in subset.queries:
            for candidate in grades.get(query, {}):
                if candidate in subset.candidates:
                    compared += 1
                    if candidate not in subset.grades.get(query, {}):
                        missing += 1
                        example = example or f"'{candidate[:80]}' for '{query[:80]}' in {language}"
    if missing > TOLERATED * compared:
        raise BadData(
            f"The languages are not parallel: {missing:,} of {compared:,} judgements are missing in a language that "
            f"has the query and the candidate, the first {example}. Equal ids do not mean equal content."
        )
