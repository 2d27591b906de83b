"""Questions with the passages that answer them, from four data sets of reading comprehension, one language each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from panglot.data.builders.training.part import Files, Row, clean

AROUND, FURTHER = 400, 60
"""Characters kept on either side of the answer, and how many more until a space."""

ARCD = "data/arcd-train.json"
CMRC = ("data/cmrc2018_trial.json", "data/cmrc2018_dev.json")
ENELPI = "data/2020-enelpi-squad-dataset"
IAPP = "squad_format/data.zip"
_IAPP_SPLIT = re.compile(r"(?:.*/)?(?:train|valid|test)\.jsonl")


def arcd_rows(files: Files) -> Iterator[Row]:
    """ARCD: paragraphs of the Arabic Wikipedia."""
    for context, qa in _squad(files.json(ARCD)):
        yield from _row("arcd", "ar", str(qa["id"]), context, qa["question"], *_answer(qa))


def cmrc_rows(files: Files) -> Iterator[Row]:
    """CMRC 2018: paragraphs of the Chinese Wikipedia; answers have no position, so the first occurrence counts."""
    for name in CMRC:
        for paragraph in files.json(name):
            for qa in paragraph["qas"]:
                yield from _row(
                    "cmrc2018", "zh", qa["query_id"], paragraph["context_text"], qa["query_text"], qa["answers"][0], 0
                )


def enelpi_rows(files: Files) -> Iterator[Row]:
    """enelpi 2020: Ottoman history in Turkish; the numbers of questions are unique in a file only."""
    for name in sorted(files):
        path = PurePosixPath(name)
        prefix = f"{path.parent.name}_{path.stem.replace('_data', '')}"
        for context, qa in _squad(files.json(name)):
            yield from _row("enelpi-2020", "tr", f"{prefix}_{qa['id']}", context, qa["question"], *_answer(qa))


def iapp_rows(files: Files) -> Iterator[Row]:
    """iApp Wiki QA: articles of the Thai Wikipedia; the paragraph with the answer is taken."""
    for name, content in files.zipped(IAPP):
        if not _IAPP_SPLIT.fullmatch(name):
            continue
        for qa in files.json_lines(name, content):
            answers = qa["answers"]
            answer, start = answers["text"][0], answers["answer_start"][0]
            yield from _row("iapp-wiki-qa", "th", qa["question_id"], qa["context"], qa["question"], answer, start)


def _squad(content: Any) -> Iterator[tuple[str, Any]]:
    """Each question of a file in the format of SQuAD, with its paragraph."""
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                yield paragraph["context"], qa


def _answer(qa: Any) -> tuple[str, int]:
    first = qa["answers"][0]
    return first["text"], int(first["answer_start"])


def _row(source: str, language: str, id_: str, context: str, question: str, answer: str, start: int) -> Iterator[Row]:
    """The row of one question; none if its paragraph does not contain the answer."""
    answer = clean(answer)
    before = 0
    found = []
    for line in context.split("\n"):
        paragraph = clean(line)
        place = _nearest(paragraph, answer, len(clean(line[: max(start - before, 0)])))
        if place is not None:
            found.append((abs(before + place - start), paragraph, place))
        before += len(line) + 1
    if not answer or not found:
        return
    _, paragraph, place = min(found)
    digest = hashlib.sha1(clean(context).encode(), usedforsecurity=False).hexdigest()
    yield {
        "source": source,
        "id": id_,
        "lang": language,
        "question": clean(question),
        "passage": window(paragraph, place, place + len(answer)),
        "answer": answer,
        "context_id": f"{source}:{digest[:12]}",
    }


def _nearest(text: str, part: str, place: int) -> int | None:
    """Where the part occurs closest to a place in the text."""
    places = [match.start() for match in re.finditer(f"(?={re.escape(part)})", text)]
    return min(places, key=lambda found: abs(found - place), default=None)


def window(text: str, start: int, end: int) -> str:
    """About `AROUND` characters on either side of a part of the text, up to the next spaces if they are near.

    A text that is not longer than the part with `AROUND` characters on both sides is returned whole.
    """
    if len(text) <= 2 * AROUND + end - start:
        return text
    first, last = max(start - AROUND, 0), min(end + AROUND, len(text))
    least, most = max(first - FURTHER, 0), min(last + FURTHER, len(text))
    while first > least and text[first - 1] != " ":
        first -= 1
    while last < most and text[last] != " ":
        last += 1
    return text[first:last].strip()
