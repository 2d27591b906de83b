"""The format of Belebele (Bandarkar et al., 2024, arXiv 2308.16884): one JSON Lines file per language.

    {"link": "https://…", "question_number": 1, "flores_passage": "…", "question": "…"}

The passage of a question is relevant in every language. A passage is identified by its link, a question by the link and
its number. The questions about one linked article are a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urldefrag

from pydantic import AfterValidator, BaseModel

from panglot.data.origins.hub_rows import HubData
from panglot.data.readers.jsonl import ItemId, ItemText, parse_json
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData
from panglot.files import write_whole
from panglot.lines import read_lines
from panglot.progress import Progress

if TYPE_CHECKING:
    from panglot.data.pool import Pool


def _check_link(link: str) -> str:
    urldefrag(link)
    return link


class _Row(BaseModel):
    link: Annotated[ItemId, AfterValidator(_check_link)]
    question_number: int | ItemId
    flores_passage: ItemText
    question: ItemText


FIELDS = tuple(_Row.model_fields)


def parallel_pool(paths: Mapping[str, Path]) -> Pool:
    """Read one file per language into one pool of passages.

    :raises BadData: a file is not in this format, or the passages of the languages are not parallel.
    """
    from panglot.data.pool import Pool

    queries: list[Query] = []
    candidates: list[Candidate] = []
    links: dict[str, list[str]] = {}
    for language, path in paths.items():
        passages: dict[str, str] = {}
        for row in _rows(path):
            passages.setdefault(row.link, row.flores_passage)
            group = f"{row.link}#{row.question_number}"
            article = urldefrag(row.link).url
            queries.append(Query(f"{language}:{group}", row.question, language, group, cluster=article))
        candidates += [Candidate(f"{language}:{link}", text, language) for link, text in passages.items()]
        links[language] = sorted(passages)
    for language, own in links.items():
        if own != links[next(iter(links))]:
            raise BadData(
                f"The passages of {language} differ from those of {next(iter(links))}; Belebele files must be parallel."
            )
    judgements = (
        Judgement(query.id, f"{language}:{query.group.rpartition('#')[0]}") for query in queries for language in paths
    )
    return Pool.of(tuple(paths), queries, candidates, judgements)


def _rows(path: Path) -> Iterator[_Row]:
    return (
        parse_json(line, _Row, f"{path}, line {number}: not a Belebele question.") for number, line in read_lines(path)
    )


@dataclass(frozen=True)
class HubLanguages:
    """The location of a data set on the Hugging Face Hub that has one configuration per language."""

    path: str
    revision: str

    def __call__(self, folder: Path, progress: Progress, name: str) -> None:
        """Write the file `name`, which is `<language>.jsonl`, into a folder.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data.
        """
        language = name.removesuffix(".jsonl")
        with progress(f"fetching {self.path} {language}", 0) as advance:

            def write(path: Path) -> None:
                with path.open("wb") as file:
                    for row in HubData(self.path, self.revision).rows(language, "test", FIELDS):
                        file.write(f"{json.dumps(row)}\n".encode())
                        advance(1)

            write_whole(folder / name, write)
