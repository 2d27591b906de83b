"""The formats of MIRACL (Zhang et al., 2023, arXiv 2210.09984): topics, qrels, corpora as gzipped JSON lines.

    topics   query id and query, divided by a tab
    qrels    query id, Q0, passage id and relevance, divided by tabs; lines of relevance 0 are judged and not relevant
    corpus   {"docid": "7#0", "title": "…", "text": "…"}, in any number of .jsonl or .jsonl.gz files a language

The text of a passage is its title, a line feed and its text. Ids of ours have the language in front, since those of
MIRACL repeat from language to language: `sw:7#0`.
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
from panglot.data.origins.fetch import fetch_file
from panglot.data.pool import Judgement, Query
from panglot.data.task import Task
from panglot.errors import BadData, MissingData, require
from panglot.files import DATA_VARIABLE, cache_dir, data_root, write_whole
from panglot.lines import open_unpacked
from panglot.progress import Progress

FILE_PASSAGES = 100_000
"""Passages in one file of a corpus that is fetched."""

UNFINISHED = "unfinished"
"""Stands beside the files of a corpus that is being fetched."""


def read_questions(
    task: Task, languages: Sequence[str], data_dir: Path | None = None, tier: HubCorpora | None = None
) -> Questions:
    """Topics and relevant pairs of some languages; where the task asks fewer than there are, its tier says which.

    :raises MissingData: a file is not here and cannot be downloaded.
    :raises BadData: a file is not the published one, or other queries are asked than the task says.
    """
    queries: list[Query] = []
    judgements: list[Judgement] = []
    for language in languages:
        asked = dict(_columns(task, f"{language}.topics", 2, data_dir))
        if tier and len(asked) > task.sizes[language].queries:
            chosen = tier.read_asked(task, language, data_dir)
            asked = {id_: text for id_, text in asked.items() if id_ in chosen}
        if len(asked) != task.sizes[language].queries:
            raise BadData(
                f"{task.name}, {language}: expected {task.sizes[language].queries} queries, not {len(asked)}."
            )
        queries += [Query(f"{language}:{id_}", text, language, f"{language}:{id_}") for id_, text in asked.items()]
        judgements += [
            Judgement(f"{language}:{query}", f"{language}:{passage}", float(relevance))
            for query, _, passage, relevance in _columns(task, f"{language}.qrels", 4, data_dir)
            if query in asked and float(relevance) > 0
        ]
    return Questions(queries, judgements)


def _columns(task: Task, part: str, count: int, data_dir: Path | None) -> Iterator[list[str]]:
    """The rows of a table without a heading."""
    name, _ = task.source.files[part]
    for number, line in enumerate(_content(task, part, data_dir).decode().rstrip("\n").split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if len(fields) != count:
            raise BadData(f"{task.name}: {name}, line {number} has {len(fields)} columns, not {count}.")
        yield fields


def _content(task: Task, part: str, data_dir: Path | None) -> bytes:
    """A file's bytes, which may lie gzipped in the data folder; what they unfold to is verified."""
    name, sha256 = task.source.files[part]
    root = data_root(data_dir)
    packed = root / task.source.folder / f"{name}.gz" if root else None
    if not packed or not packed.is_file():
        return fetch_file(task, part, data_dir).read_bytes()
    try:
        content = gzip.decompress(packed.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{packed} is damaged or truncated. {error}. Fetch it again.") from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise BadData(f"{packed} is damaged or changed: it does not unfold to sha256 {sha256}. Fetch it again.")
    return content


@dataclass(frozen=True)
class JsonlCorpus:
    """The passages of each language in its files, in the order of the files and of their lines.

    `counts` remembers how many passages a file holds once it was read to its end, so that reading from later on need
    not unpack it again; it goes along to other processes.
    """

    files: Mapping[str, tuple[Path, ...]]
    counts: dict[Path, int] = field(default_factory=dict, compare=False)

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        """The passages of one language, from the one at `start` on.

        :raises BadData: a file is cut short, or a line is no passage.
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
    """The corpus in a folder that holds one folder a language, called by its code or so that it ends in it.

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


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not empty, with where they stand."""
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
            raise TypeError("docid, title and text must be text")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(f"{path}, line {number}: no passage with docid and text. {error!r}") from error
    return Passage(f"{language}:{id_}", f"{title}\n{text}" if title else text)


@dataclass(frozen=True)
class HubCorpora:
    """Where the corpora of a task are on the Hugging Face Hub: a configuration `<language>-corpus` each."""

    path: str
    revision: str

    def __call__(self, task: Task, languages: Sequence[str], data_dir: Path | None, progress: Progress) -> Corpus:
        """The corpora in the data folder, or in the user's cache, to which what is not there is fetched.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached.
        """
        folder = _folder(task, data_dir)
        for language in languages:
            if not _files(folder, language) or (folder / language / UNFINISHED).exists():
                self._fetch(language, folder / language, task.sizes[language].candidates, progress)
        return folder_corpus(folder, languages)

    def _fetch(self, language: str, folder: Path, size: int, progress: Progress) -> None:
        """Write a corpus file by file; what a killed fetch has written stays and is not fetched again."""
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
        """The rows of a configuration, `docid` being what the Hub may call `_id` or `id`."""
        require("datasets", "st", f"The data set {self.path}")
        from datasets import load_dataset

        try:
            splits = load_dataset(self.path, configuration, revision=self.revision, streaming=True)
            rows = splits["dev"] if "dev" in splits else next(iter(splits.values()))
            for row in rows.skip(skipped):
                yield row | {"docid": str(row.get("docid") or row.get("_id") or row.get("id"))}
        except (OSError, ValueError) as error:
            raise MissingData(
                f"{self.path} ({configuration}) at revision {self.revision} cannot be read from the Hugging Face Hub "
                f"({type(error).__name__}: {str(error)[:200]}). Check the network, or name a folder by --data-dir or "
                f"{DATA_VARIABLE} that holds the corpora. What was fetched stays."
            ) from error

    def read_asked(self, task: Task, language: str, data_dir: Path | None) -> frozenset[str]:
        """The ids of the queries that the task asks, from `queries-<language>.txt` beside its corpora, one a line."""
        folder = _folder(task, data_dir)
        path = folder / f"queries-{language}.txt"
        if not path.is_file():
            ids = [row["docid"] for row in self._rows(f"{language}-queries")]
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda unfinished: unfinished.write_text("\n".join(ids), encoding="utf-8"))
        return frozenset(path.read_text(encoding="utf-8").split())


def _folder(task: Task, data_dir: Path | None) -> Path:
    """Where a task's corpora are: in the data folder if they are there at all, else in the user's cache."""
    root = data_root(data_dir)
    if root and (root / task.name).is_dir():
        return root / task.name
    return cache_dir(task.name)


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, FILE_PASSAGES)):
        yield chunk


def _write_gzip(path: Path, lines: Iterable[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
