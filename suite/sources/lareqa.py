"""The format of XQuAD-R and MLQA-R: SQuAD 1.1 with sentence breaks (Roy et al., 2020, arXiv 2004.05484).

Every sentence is a candidate, none filtered and none merged. The relevant sentence of a question is the one that holds
the first character of its answer; questions with one id are translations of each other, and the sentence of each is
relevant to all of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.errors import BadData
from suite.pool import Candidate, Judgement, Pool, Query


def sentence_pool(paths: Mapping[str, Path]) -> Pool:
    """Read one file per language into one pool of sentences.

    :raises BadData: a file that is not of this format, or a question whose answer lies in no sentence.
    """
    queries: list[Query] = []
    candidates: list[Candidate] = []
    relevant: dict[str, list[str]] = defaultdict(list)
    for language, path in paths.items():
        for number, paragraph in enumerate(paragraphs(path), start=1):
            context, breaks = paragraph["context"], paragraph["sentence_breaks"]
            ids = [f"{language}:{number}:{place}" for place in range(len(breaks))]
            candidates += [
                Candidate(id_, context[start:end], language) for id_, (start, end) in zip(ids, breaks, strict=True)
            ]
            for question in paragraph["qas"]:
                group = question["id"]
                queries.append(Query(f"{language}:{group}", question["question"], language, group))
                relevant[group].append(ids[_sentence_of(question, breaks, path)])
    judgements = (Judgement(query.id, candidate) for query in queries for candidate in relevant[query.group])
    return Pool.of(tuple(paths), queries, candidates, judgements)


def paragraphs(path: Path) -> Iterator[dict[str, Any]]:
    """The paragraphs of one file, in order.

    :raises BadData: the file is not of this format.
    """
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for article in articles:
            yield from article["paragraphs"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path} is not a SQuAD file with sentence breaks: {error!r}.") from error


def _sentence_of(question: dict[str, Any], breaks: list[tuple[int, int]], path: Path) -> int:
    start = question["answers"][0]["answer_start"]
    for place, (first, end) in enumerate(breaks):
        if first <= start < end:
            return place
    raise BadData(f"{path}: the answer of question {question['id']} starts in no sentence (character {start}).")
