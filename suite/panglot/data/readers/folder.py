"""Data of one's own: a folder in the layout of BEIR (Thakur et al., 2021), with a language for each item.

    corpus.jsonl   {"_id": "d1", "text": "…", "title": "…" (optional), "language": "en"}
    queries.jsonl  {"_id": "q1", "text": "…", "language": "de"}; optional "group": "7", "cluster": "a", "excluded": "d1"
    qrels.tsv      query-id, corpus-id and score; see `panglot.data.readers.qrels`

Queries with one `group` are the same question in several languages; one without is a group of its own, named by its
id. Those with one `cluster` were drawn together, as questions on one article; without it that is the group. The
candidate that is `excluded` is not offered to the query: the query itself, where it is also a candidate. Ids
and groups are text; whole numbers are read as their digits. Every setting that the data allows is computed: one
language gives mono; parallel relevants give language bias.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from panglot.data.image import IMAGES
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.jsonl import JsonLine, read_json_lines
from panglot.data.readers.qrels import read_qrels
from panglot.data.task import Size, Source, Task
from panglot.errors import BadData, MissingData
from panglot.languages import code_of, is_unknown

FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
UNKNOWN = "und"
"""The language of all items where none is named (ISO 639-2)."""
TEST_QRELS = "qrels/test.tsv"
"""Where BEIR has the judgements of its test split."""


class Read(NamedTuple):
    """What a folder holds, and what a person should know of it."""

    pool: Pool
    remarks: tuple[str, ...]


def folder_task(folder: Path) -> Task:
    """The task that a folder holds; it is read and checked here.

    :raises MissingData: a file is not there.
    :raises BadData: a line that is not a record, an item that is named twice or judged but absent.
    """
    files = _find(folder)
    paths = {part: folder / name for part, name in files.items()}
    pool, remarks = _read(paths)
    if files["qrels.tsv"].startswith("qrels/"):
        remarks = (f"{folder}: the judgements are those of {files['qrels.tsv']}.", *remarks)
    counts = np.bincount(pool.queries.language, minlength=len(pool.languages))
    name = _name(folder)
    return Task(
        name=name,
        title=f"Own data in {name}",
        sizes={
            language: Size(int(queries), int(candidates))
            for language, queries, candidates in zip(pool.languages, counts, pool.sizes, strict=True)
        },
        source=Source(name, {part: (file, _sha256(folder / file)) for part, file in files.items()}, packaged=folder),
        reader=read_folder,
        headline="ndcg@10",
        fingerprint=pool.fingerprint,
        licence="unknown",
        note="Data of one's own; not part of the suite.",
        remarks=remarks,
    )


def read_folder(paths: Mapping[str, Path]) -> Pool:
    """Read the three files into one pool, languages in alphabetical order; queries without a relevant leave."""
    return _read(paths).pool


def _find(folder: Path) -> dict[str, str]:
    """The name of each of the three files in a folder; each may be gzipped."""
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "does not exist"
        raise MissingData(f"{folder} {what}. Name the folder that holds {', '.join(FILES)}.")
    found = {}
    for part in FILES:
        names = [part, f"{part}.gz"]
        here = [name for name in names if os.path.exists(folder / name)]
        if not here and part == "qrels.tsv":
            here = [name for name in (TEST_QRELS, f"{TEST_QRELS}.gz") if os.path.exists(folder / name)]
        if len(here) > 1:
            raise BadData(f"{folder} holds both {here[0]} and {here[1]}. Remove one of them.")
        if here:
            found[part] = here[0]
    missing = [part for part in FILES if part not in found]
    if missing:
        raise MissingData(f"{folder} lacks {', '.join(missing)}. {_advice(folder, missing)}")
    return found


def _advice(folder: Path, missing: Sequence[str]) -> str:
    splits = sorted(path.name for path in (folder / "qrels").glob("*.tsv"))
    if missing == ["qrels.tsv"] and splits:
        return f"Its folder qrels/ holds {', '.join(splits)}: copy the one to use to qrels.tsv."
    return f"A folder with one's own data holds {', '.join(FILES)}."


def _name(folder: Path) -> str:
    name = folder.resolve().name or "data"
    if not name.isprintable():
        raise BadData(f"The name of the folder {name!a} has characters that cannot be shown. Rename it.")
    return name


def _read(paths: Mapping[str, Path]) -> Read:
    """Everything is checked here, where the lines are known; the pool knows no files."""
    candidates, blank = dict[str, Candidate](), []
    for line in read_json_lines(paths["corpus.jsonl"]):
        candidates[line.id] = _candidate(line)
        if not candidates[line.id].text.strip():
            blank.append(line)
    lines = {line.id: line for line in read_json_lines(paths["queries.jsonl"])}
    queries = {line.id: _query(line, candidates) for line in lines.values()}
    nameless = _check_languages(paths, [*candidates.values(), *queries.values()])
    if nameless:
        candidates = {id_: candidate._replace(language=UNKNOWN) for id_, candidate in candidates.items()}
        queries = {id_: query._replace(language=UNKNOWN) for id_, query in queries.items()}
    judgements = list(_relevant(paths["qrels.tsv"], queries, candidates))
    answered = {judgement.query for judgement in judgements}
    kept = [query for query in queries.values() if query.id in answered]
    if not kept:
        raise BadData(f"{paths['qrels.tsv']}: no query has a relevant candidate, that is, one with a grade above 0.")
    _check_clusters(lines, kept)
    unanswered = [line for id_, line in lines.items() if id_ not in answered]
    repeated = [lines[query.id] for query in kept if _is_offered_to_itself(query, candidates)]
    remarks = [
        *_remark("queries without a relevant candidate, left out", unanswered, len(queries)),
        *_remark("candidates without text", blank, len(candidates)),
        *_remark("queries offered to themselves (the field 'excluded' prevents it)", repeated, len(queries)),
    ]
    languages = sorted({candidate.language for candidate in candidates.values()} | {query.language for query in kept})
    remarks += _odd_languages([language for language in languages if language and is_unknown(language)])
    if nameless:
        remarks.append(f"{paths['corpus.jsonl']}: no item names a language, so all are in one, '{UNKNOWN}'.")
    return Read(Pool.of(languages, kept, candidates.values(), judgements), tuple(remarks))


def _candidate(line: JsonLine) -> Candidate:
    title, text = line.optional_text("title"), line.text("text")
    return Candidate(line.id, f"{title}\n{text}" if title else text, _language(line))


def _query(line: JsonLine, candidates: Mapping[str, Candidate]) -> Query:
    excluded = line.optional_name("excluded")
    if excluded is not None and excluded not in candidates:
        raise line.error(f"the candidate '{excluded[:80]}', which the field 'excluded' names, is not in the corpus.")
    text = line.text("text")
    if not text.strip():
        raise line.error("the text is empty, so there is nothing to search for.")
    group, cluster = line.optional_name("group") or line.id, line.optional_name("cluster")
    return Query(line.id, text, _language(line), group, left_out=excluded, cluster=cluster)


def _language(line: JsonLine) -> str:
    """The language that a line names; empty if none."""
    language = line.optional_name("language") or ""
    if language.lower() == IMAGES:
        raise line.error(f"the language '{language}' is reserved for images. Texts of no known language are 'und'.")
    return language


def _check_languages(paths: Mapping[str, Path], items: Sequence[Candidate | Query]) -> bool:
    """Whether no item names its language.

    :raises BadData: some do and some do not.
    """
    nameless = sum(not item.language for item in items)
    if 0 < nameless < len(items):
        lines = (line for part in ("corpus.jsonl", "queries.jsonl") for line in read_json_lines(paths[part]))
        missing = next(line for line in lines if not _language(line))
        raise missing.error("no text in the field 'language'. Name the language of every item, or of none.")
    return nameless > 0


def _check_clusters(lines: Mapping[str, JsonLine], queries: Iterable[Query]) -> None:
    """Refuse a group whose queries are in two clusters; a query that names none is in that of its group's name.

    :raises BadData: naming both lines.
    """
    first: dict[str, Query] = {}
    for query in queries:
        other = first.setdefault(query.group, query)
        own, expected = (one.cluster or one.group for one in (query, other))
        if own != expected:
            raise lines[query.id].error(
                f"the group '{query.group[:80]}' is in the cluster '{own[:80]}' here, but in '{expected[:80]}' in line "
                f"{lines[other.id].number}. Versions of one question belong to one cluster."
            )


def _relevant(path: Path, queries: Mapping[str, Query], candidates: Mapping[str, Candidate]) -> Iterator[Judgement]:
    """The judgements of relevant candidates; each must be of items that are there."""
    for judged in read_qrels(path):
        query = queries.get(judged.query)
        if query is None:
            raise BadData(f"{judged.where}: there is no query of that id in queries.jsonl.")
        if judged.candidate not in candidates:
            raise BadData(f"{judged.where}: there is no candidate of that id in corpus.jsonl.")
        if judged.grade > 0:
            if query.left_out == judged.candidate:
                raise BadData(f"{judged.where}: the candidate is relevant here, but excluded in queries.jsonl.")
            yield Judgement(judged.query, judged.candidate, judged.grade)


def _is_offered_to_itself(query: Query, candidates: Mapping[str, Candidate]) -> bool:
    twin = candidates.get(query.id)
    return twin is not None and twin.text == query.text and query.left_out != query.id


def _odd_languages(languages: Sequence[str]) -> Iterator[str]:
    if languages:
        named = [f"'{name[:40]}'" + (f" (use '{code}')" if (code := code_of(name)) else "") for name in languages[:5]]
        more = f" and {len(languages) - 5} more" if len(languages) > 5 else ""
        yield f"Not language codes of ISO 639 or BCP 47, so nothing is known of them: {', '.join(named)}{more}."


def _remark(what: str, lines: Sequence[JsonLine], total: int) -> Iterator[str]:
    if lines:
        first = f"the first in line {lines[0].number} ('{lines[0].id}')"
        yield f"{lines[0].path}: {what}: {len(lines):,} of {total:,}, {first}."


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
