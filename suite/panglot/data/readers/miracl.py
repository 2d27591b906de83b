"""The formats of MIRACL (Zhang et al., 2023, arXiv 2210.09984): topics, qrels, and corpora as gzipped JSON Lines.

    topics   query id and query, separated by a tab
    qrels    query id, Q0, passage id and relevance, separated by tabs; relevance 0 means judged as not relevant
    corpus   {"docid": "7#0", "title": "…", "text": "…"}, in any number of .jsonl or .jsonl.gz files per language

The text of a passage is its title, a line feed and its text. Panglot's ids begin with the language, as in `sw:7#0`,
since MIRACL uses the same ids in several languages.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from panglot.data.corpus import Corpus, Passage, Questions
from panglot.data.origins.fetch import check_revision, fetch_file, filling
from panglot.data.origins.hub_rows import HubData
from panglot.data.records import Judgement, Query
from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.files import data_cache, data_root, write_whole
from panglot.lines import open_unpacked
from panglot.progress import Progress

FILE_PASSAGES = 100_000
"""Number of passages in one file of a fetched corpus."""

UNFINISHED = "unfinished"
"""Name of the marker file beside a corpus that is not completely fetched."""


def read_questions(task: Task, languages: Sequence[str], tier: HubCorpora | None = None) -> Questions:
    """Read topics and relevant pairs of some languages; `tier` selects queries if the task uses only some of them.

    :raises MissingData: a file is missing and cannot be downloaded.
    :raises BadData: a file differs from the published one, or the number of queries differs from the task's.
    """
    queries: list[Query] = []
    judgements: list[Judgement] = []
    for language in languages:
        topics = dict(_columns(task, f"{language}.topics", 2))
        if tier and len(topics) > task.sizes[language].queries:
            chosen = tier.read_selection(task, language)
            topics = {id_: text for id_, text in topics.items() if id_ in chosen}
        if len(topics) != task.sizes[language].queries:
            raise BadData(
                f"{task.name}, {language}: expected {task.sizes[language].queries} queries, found {len(topics)}."
            )
        queries += [Query(f"{language}:{id_}", text, language, f"{language}:{id_}") for id_, text in topics.items()]
        judgements += [
            Judgement(f"{language}:{query}", f"{language}:{passage}", float(relevance))
            for query, _, passage, relevance in _columns(task, f"{language}.qrels", 4)
            if query in topics and float(relevance) > 0
        ]
    return Questions(queries, judgements)


def _columns(task: Task, part: str, count: int) -> Iterator[list[str]]:
    """Yield the rows of a tab-separated file without a header."""
    name, _ = task.source.files[part]
    for number, line in enumerate(_content(task, part).decode().rstrip("\n").split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if len(fields) != count:
            raise BadData(f"{task.name}: {name}, line {number} has {len(fields)} columns, not {count}.")
        yield fields


def _content(task: Task, part: str) -> bytes:
    """Return the content of a file, which can be gzipped in the data folder; the decompressed content is verified."""
    name, sha256 = task.source.files[part]
    root = data_root()
    packed = root / task.source.folder / f"{name}.gz" if root else None
    if not packed or not packed.is_file():
        return fetch_file(task, part).read_bytes()
    try:
        content = gzip.decompress(packed.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{packed} is damaged or truncated. {error}. Fetch it again.") from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise BadData(f"{packed} is damaged or changed: its content does not have sha256 {sha256}. Fetch it again.")
    return content


@dataclass(frozen=True)
class JsonlCorpus:
    """The passages of each language, in the order of its files and of their lines.

    `counts` stores the number of passages of each file that was read to its end, so that a later start need not
    decompress it again; it is passed on to other processes.
    """

    files: Mapping[str, tuple[Path, ...]]
    counts: dict[Path, int] = field(default_factory=dict, compare=False)

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        """Yield the passages of one language, beginning at index `start`.

        :raises BadData: a file is truncated, or a line is not a passage.
        """
        first = 0
        for path in self.files[language]:
            if first + self.counts.get(path, start + 1) > start:
                count = 0
                for number, line in _lines(path):
                    if first + count >= start:
                        yield _passage(language, path, number, line)
                    count += 1
                self.counts[path] = count
            first += self.counts[path]


def folder_corpus(folder: Path, languages: Iterable[str]) -> JsonlCorpus:
    """Return the corpus in a folder with one subfolder per language, named by its code or ending in `-CODE`.

    :raises MissingData: a language has no folder with .jsonl or .jsonl.gz files.
    """
    files = {language: tuple(_files(folder, language)) for language in languages}
    for language, found in files.items():
        if not found:
            raise MissingData(f"There are no .jsonl or .jsonl.gz files in {folder / language}.")
    return JsonlCorpus(files)


def _files(folder: Path, language: str) -> list[Path]:
    places = [folder / language, *sorted(folder.glob(f"*-{language}"))]
    return sorted(path for place in places for path in place.glob("*.jsonl*") if path.suffix in (".jsonl", ".gz"))


def _is_whole(folder: Path, language: str) -> bool:
    return bool(_files(folder, language)) and not (folder / language / UNFINISHED).exists()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines of a file with their numbers."""
    try:
        with open_unpacked(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{path} is damaged or truncated. {error}. Fetch it again.") from error


def _passage(language: str, path: Path, number: int, line: bytes) -> Passage:
    try:
        row = json.loads(line)
        id_, title, text = row["docid"], row.get("title") or "", row["text"]
        if not (isinstance(id_, str) and isinstance(title, str) and isinstance(text, str)):
            raise TypeError("docid, title and text must be strings")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(f"{path}, line {number}: not a passage with docid and text. {error!r}") from error
    return Passage(f"{language}:{id_}", f"{title}\n{text}" if title else text)


@dataclass(frozen=True)
class HubCorpora:
    """The location of a task's corpora on the Hugging Face Hub, with a configuration `<language>-corpus` each."""

    path: str
    revision: str

    @property
    def _origin(self) -> str:
        return f"{self.path}@{self.revision}"

    def __call__(self, task: Task, languages: Sequence[str], progress: Progress) -> Corpus:
        """Return the corpora in the data folder if it has all of them, else in the user's cache, where they are put.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached.
        :raises BadData: the cache has another revision.
        """
        given = _given(task)
        if given and all(_is_whole(given, language) for language in languages):
            return folder_corpus(given, languages)
        folder = data_cache(task.name)
        check_revision(task, self._origin, folder)
        for language in languages:
            if not _is_whole(folder, language):
                with filling(task, self._origin, folder):
                    if not _is_whole(folder, language):
                        self._fetch(language, folder / language, task.sizes[language].candidates, progress)
        return folder_corpus(folder, languages)

    def _fetch(self, language: str, folder: Path, size: int, progress: Progress) -> None:
        """Write a corpus file by file; after an interruption, fetching continues after the last complete file."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / UNFINISHED).touch()
        done = len(list(folder.glob("*.jsonl.gz")))
        with progress(f"fetching {language}", size) as advance:
            advance(done * FILE_PASSAGES)
            for number, rows in enumerate(_chunks(self._rows(f"{language}-corpus", done * FILE_PASSAGES)), start=done):
                lines = [json.dumps({name: row[name] for name in ("docid", "title", "text")}) for row in rows]
                write_whole(folder / f"docs-{number:05}.jsonl.gz", partial(_write_gzip, lines=lines))
                advance(len(rows))
        (folder / UNFINISHED).unlink()

    def _rows(self, configuration: str, skipped: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the rows of a configuration; `docid` can be named `_id` or `id` on the Hub."""
        data = HubData(self.path, self.revision)
        splits = data.splits(configuration)
        for row in data.rows(configuration, "dev" if "dev" in splits else splits[0], skipped=skipped):
            yield row | {"docid": str(row.get("docid") or row.get("_id") or row.get("id"))}

    def read_selection(self, task: Task, language: str) -> frozenset[str]:
        """Return the ids of the queries that the task uses, from `queries-<language>.txt` beside its corpora."""
        name, given = f"queries-{language}.txt", _given(task)
        path = given / name if given and (given / name).is_file() else self._selection(task, language, name)
        return frozenset(path.read_text(encoding="utf-8").split())

    def _selection(self, task: Task, language: str, name: str) -> Path:
        """Return the file of that name in the user's cache, which is fetched if it is missing."""
        folder = data_cache(task.name)
        check_revision(task, self._origin, folder)
        if not (folder / name).is_file():
            with filling(task, self._origin, folder):
                ids = [row["docid"] for row in self._rows(f"{language}-queries")]
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / name, lambda unfinished: unfinished.write_text("\n".join(ids), encoding="utf-8"))
        return folder / name


def _given(task: Task) -> Path | None:
    """Return the folder of a task in the data folder, which is only read; None without a data folder."""
    root = data_root()
    return root / task.name if root else None


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, FILE_PASSAGES)):
        yield chunk


def _write_gzip(path: Path, lines: Iterable[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
