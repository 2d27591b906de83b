"""A user's own data: a folder in the BEIR layout (Thakur et al., 2021), with a language for each item.

    corpus.jsonl   {"_id": "d1", "text": "…", "title": "…" (optional), "language": "en"}
    queries.jsonl  {"_id": "q1", "text": "…", "language": "de"}; optional "group": "7", "cluster": "a", "excluded": "d1"
    qrels.tsv      query-id, corpus-id and score; see `panglot.data.readers.qrels`

Queries with the same `group` are one question in several languages; a query without a group is a group of its own,
named by its id. Queries with the same `cluster` were sampled together, such as the questions about one article; the
default is the group. `excluded` is a candidate that is not ranked for the query: the query itself, if it is also a
candidate. Ids and groups are strings; integers are converted. Every setting that the data supports is computed: one
language gives mono; parallel relevant candidates give language bias.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from panglot.data.image import IMAGES
from panglot.data.readers.jsonl import JsonLine, read_json_lines
from panglot.data.readers.qrels import read_qrels
from panglot.data.records import Candidate, Judgement, Query
from panglot.data.task import Size, Source, Task
from panglot.errors import BadData, MissingData
from panglot.languages import code_of, is_unknown

if TYPE_CHECKING:
    from panglot.data.pool import Pool

FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
UNKNOWN = "und"
"""The language of all items if no item names one (ISO 639-2)."""
TEST_QRELS = "qrels/test.tsv"
"""The file in which BEIR stores the judgements of the test split."""


class Read(NamedTuple):
    """The content of a folder, and remarks about it for the user."""

    pool: Pool
    remarks: tuple[str, ...]


def folder_task(folder: Path) -> Task:
    """Read and check the data in a folder and return it as a task.

    :raises MissingData: the folder or a file does not exist.
    :raises BadData: a line is not a valid record, an id is duplicated, or a judgement names an unknown id.
    """
    files = _find(folder)
    paths = {part: folder / name for part, name in files.items()}
    pool, remarks = _read(paths)
    if files["qrels.tsv"].startswith("qrels/"):
        remarks = (f"{folder}: judgements were read from {files['qrels.tsv']}.", *remarks)
    queries = Counter(pool.queries.language.tolist())
    name = _name(folder)
    return Task(
        name=name,
        title=f"Own data in {name}",
        sizes={
            language: Size(queries[place], candidates)
            for place, (language, candidates) in enumerate(zip(pool.languages, pool.sizes.tolist(), strict=True))
        },
        source=Source(name, {part: (file, _sha256(folder / file)) for part, file in files.items()}, packaged=folder),
        reader=read_folder,
        headline="ndcg@10",
        fingerprint=pool.fingerprint,
        licence="unknown",
        note="User's own data; not part of the benchmark.",
        remarks=remarks,
    )


def read_folder(paths: Mapping[str, Path]) -> Pool:
    """Read the three files into one pool, with languages in alphabetical order.

    Queries without a relevant candidate are dropped.

    :raises MissingData: a file does not exist.
    :raises BadData: a line is not a valid record, an id is duplicated, or a judgement names an unknown id.
    """
    return _read(paths).pool


def _find(folder: Path) -> dict[str, str]:
    """Return the names of the three files in a folder; each can be gzipped."""
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "does not exist"
        raise MissingData(f"{folder} {what}. Give the folder that contains {', '.join(FILES)}.")
    found = {}
    for part in FILES:
        names = [part, f"{part}.gz"]
        here = [name for name in names if os.path.exists(folder / name)]
        if not here and part == "qrels.tsv":
            here = [name for name in (TEST_QRELS, f"{TEST_QRELS}.gz") if os.path.exists(folder / name)]
        if len(here) > 1:
            raise BadData(f"{folder} contains both {here[0]} and {here[1]}. Remove one of them.")
        if here:
            found[part] = here[0]
    missing = [part for part in FILES if part not in found]
    if missing:
        raise MissingData(f"{folder} lacks {', '.join(missing)}. {_advice(folder, missing)}")
    return found


def _advice(folder: Path, missing: Sequence[str]) -> str:
    splits = sorted(path.name for path in (folder / "qrels").glob("*.tsv"))
    if missing == ["qrels.tsv"] and splits:
        return f"Its folder qrels/ contains {', '.join(splits)}: copy the one to use to qrels.tsv."
    return f"A data folder contains {', '.join(FILES)}."


def _name(folder: Path) -> str:
    name = folder.resolve().name or "data"
    if not name.isprintable():
        raise BadData(f"The folder name {name!a} contains non-printable characters. Rename the folder.")
    return name


def _read(paths: Mapping[str, Path]) -> Read:
    """Read and check everything here, where line numbers are known; the pool does not know them."""
    from panglot.data.pool import Pool

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
        raise BadData(f"{paths['qrels.tsv']}: no query has a relevant candidate, that is, a grade above 0.")
    _check_clusters(lines, kept)
    unanswered = [line for id_, line in lines.items() if id_ not in answered]
    repeated = [lines[query.id] for query in kept if _is_offered_to_itself(query, candidates)]
    remarks = [
        *_remark("queries dropped, because they have no relevant candidate", unanswered, len(queries)),
        *_remark("candidates without text", blank, len(candidates)),
        *_remark("queries that are their own candidate (to prevent this, set 'excluded')", repeated, len(queries)),
    ]
    languages = sorted({candidate.language for candidate in candidates.values()} | {query.language for query in kept})
    remarks += _odd_languages([language for language in languages if language and is_unknown(language)])
    if nameless:
        remarks.append(f"{paths['corpus.jsonl']}: no item names a language; all items get the language '{UNKNOWN}'.")
    return Read(Pool.of(languages, kept, candidates.values(), judgements), tuple(remarks))


def _candidate(line: JsonLine) -> Candidate:
    title, text = line.optional_text("title"), line.text("text")
    return Candidate(line.id, f"{title}\n{text}" if title else text, _language(line))


def _query(line: JsonLine, candidates: Mapping[str, Candidate]) -> Query:
    excluded = line.optional_name("excluded")
    if excluded is not None and excluded not in candidates:
        raise line.error(f"the field 'excluded' names '{excluded[:80]}', which is not in the corpus.")
    text = line.text("text")
    if not text.strip():
        raise line.error("the text of the query is empty.")
    group, cluster = line.optional_name("group") or line.id, line.optional_name("cluster")
    return Query(line.id, text, _language(line), group, excluded=excluded, cluster=cluster)


def _language(line: JsonLine) -> str:
    """Return the language of a line; empty if it names none."""
    language = line.optional_name("language") or ""
    if language.lower() == IMAGES:
        raise line.error(f"the language '{language}' is reserved for images. Use 'und' for an unknown language.")
    return language


def _check_languages(paths: Mapping[str, Path], items: Sequence[Candidate | Query]) -> bool:
    """Whether no item names a language.

    :raises BadData: some items name a language and some do not.
    """
    nameless = sum(not item.language for item in items)
    if 0 < nameless < len(items):
        lines = (line for part in ("corpus.jsonl", "queries.jsonl") for line in read_json_lines(paths[part]))
        missing = next(line for line in lines if not _language(line))
        raise missing.error("the field 'language' is missing. Set it for every item, or for none.")
    return nameless > 0


def _check_clusters(lines: Mapping[str, JsonLine], queries: Iterable[Query]) -> None:
    """Check that all queries of a group are in one cluster; the default cluster is named like the group.

    :raises BadData: queries of one group are in two clusters; the message names both lines.
    """
    first: dict[str, Query] = {}
    for query in queries:
        other = first.setdefault(query.group, query)
        own, expected = (one.cluster or one.group for one in (query, other))
        if own != expected:
            raise lines[query.id].error(
                f"the group '{query.group[:80]}' is in the cluster '{own[:80]}' here, but in '{expected[:80]}' in line "
                f"{lines[other.id].number}. Put all versions of a question into one cluster."
            )


def _relevant(path: Path, queries: Mapping[str, Query], candidates: Mapping[str, Candidate]) -> Iterator[Judgement]:
    """Yield the judgements of relevant candidates.

    :raises BadData: a judgement names an unknown id, or a relevant candidate that is excluded.
    """
    for judged in read_qrels(path):
        query = queries.get(judged.query)
        if query is None:
            raise BadData(f"{judged.where}: no query in queries.jsonl has this id.")
        if judged.candidate not in candidates:
            raise BadData(f"{judged.where}: no candidate in corpus.jsonl has this id.")
        if judged.grade > 0:
            if query.excluded == judged.candidate:
                raise BadData(f"{judged.where}: the candidate is relevant, but queries.jsonl excludes it.")
            yield Judgement(judged.query, judged.candidate, judged.grade)


def _is_offered_to_itself(query: Query, candidates: Mapping[str, Candidate]) -> bool:
    twin = candidates.get(query.id)
    return twin is not None and twin.text == query.text and query.excluded != query.id


def _odd_languages(languages: Sequence[str]) -> Iterator[str]:
    if languages:
        named = [f"'{name[:40]}'" + (f" (use '{code}')" if (code := code_of(name)) else "") for name in languages[:5]]
        more = f" and {len(languages) - 5} more" if len(languages) > 5 else ""
        yield f"Unknown language codes (expected ISO 639 or BCP 47): {', '.join(named)}{more}."


def _remark(what: str, lines: Sequence[JsonLine], total: int) -> Iterator[str]:
    if lines:
        first = f"the first in line {lines[0].number} ('{lines[0].id}')"
        yield f"{lines[0].path}: {what}: {len(lines):,} of {total:,}, {first}."


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
