"""The format of XQuAD-R and MLQA-R: SQuAD 1.1 with sentence breaks (Roy et al., 2020, arXiv 2004.05484).

Every sentence is a candidate; none is filtered or merged. The relevant sentence of a question is the one that contains
the first character of its answer. Questions with the same id are translations of each other, and the sentence of each
is relevant to all of them. Articles that share questions, in any language, form a cluster.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from panglot.data.readers.jsonl import ItemId, ItemText, parse_json
from panglot.data.records import Candidate, Judgement, Query
from panglot.errors import BadData
from panglot.lines import read_all_lines

if TYPE_CHECKING:
    from panglot.data.pool import Pool


class Answer(BaseModel):
    """Where an answer begins in its context."""

    answer_start: int


class Question(BaseModel):
    """A question and its answers, of which the first counts."""

    id: ItemId
    question: ItemText
    answers: Annotated[list[Answer], Field(min_length=1)]


class Paragraph(BaseModel):
    """A text with the beginning and the end of each sentence, and questions about it."""

    context: ItemText
    sentence_breaks: list[tuple[int, int]]
    qas: list[Question]


class _Article(BaseModel):
    paragraphs: list[Paragraph]


class _File(BaseModel):
    data: list[_Article]


def sentence_pool(paths: Mapping[str, Path], *, paragraphs_per_article: int = 0) -> Pool:
    """Read one file per language into one pool of sentences.

    :param paragraphs_per_article: draw only so many paragraphs of each article, the same in all languages; 0 for all.
    :raises BadData: a file is not in this format, or an answer does not start in any sentence.
    """
    from panglot.data.pool import Pool

    queries: list[Query] = []
    candidates: list[Candidate] = []
    relevant: dict[str, list[str]] = defaultdict(list)
    articles: dict[tuple[str, int], list[str]] = defaultdict(list)
    for language, path in paths.items():
        for number, article, paragraph in _drawn(path, paragraphs_per_article):
            context, breaks = paragraph.context, paragraph.sentence_breaks
            ids = [f"{language}:{number}:{place}" for place in range(len(breaks))]
            candidates += [
                Candidate(id_, context[start:end], language) for id_, (start, end) in zip(ids, breaks, strict=True)
            ]
            for question in paragraph.qas:
                group = question.id
                queries.append(Query(f"{language}:{group}", question.question, language, group))
                relevant[group].append(ids[_sentence_of(question, breaks, path)])
                articles[language, article].append(group)
    cluster = join_articles(articles.values())
    judgements = (Judgement(query.id, candidate) for query in queries for candidate in relevant[query.group])
    return Pool.of(
        tuple(paths), [query._replace(cluster=cluster[query.group]) for query in queries], candidates, judgements
    )


def _drawn(path: Path, per_article: int) -> Iterator[tuple[int, int, Paragraph]]:
    """Yield number, article and content of the paragraphs of a file that are drawn.

    In each article these are the paragraphs whose first question id has the smallest hashes. Translations share the
    ids, so the same paragraphs are drawn in every language, whatever their order.
    """
    found: dict[int, list[tuple[str, int, Paragraph]]] = defaultdict(list)
    for number, (article, paragraph) in enumerate(paragraphs(path), start=1):
        asked = min((question.id for question in paragraph.qas), default="")
        found[article].append((hashlib.sha256(asked.encode()).hexdigest(), number, paragraph))
    for article, own in found.items():
        kept = {number for _, number, _ in sorted(own, key=lambda each: each[:2])[: per_article or len(own)]}
        yield from ((number, article, paragraph) for _, number, paragraph in own if number in kept)


def paragraphs(path: Path) -> Iterator[tuple[int, Paragraph]]:
    """Yield the article number and the content of each paragraph of a file, in order.

    :raises BadData: the file is not in this format.
    """
    text = "".join(line for _, line in read_all_lines(path))
    read = parse_json(text, _File, f"{path} is not a SQuAD file with sentence breaks:")
    for number, article in enumerate(read.data):
        yield from ((number, paragraph) for paragraph in article.paragraphs)


def join_articles(articles: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return the cluster of each question: articles that share a question form one cluster.

    `articles` has the question ids of each article. A cluster is named by its smallest question id, so that the order
    of the articles does not matter.
    """
    cluster: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for questions in articles:
        met = {cluster.get(question, question) for question in questions}
        together = {*questions}.union(*(members.pop(name, set()) for name in met))
        name = min(met)
        members[name] = together
        cluster.update(dict.fromkeys(together, name))
    return cluster


def _sentence_of(question: Question, breaks: Sequence[tuple[int, int]], path: Path) -> int:
    start = question.answers[0].answer_start
    for place, (first, end) in enumerate(breaks):
        if first <= start < end:
            return place
    raise BadData(
        f"{path}: the answer to question {question.id} starts at character {start}, which is outside every sentence."
    )
