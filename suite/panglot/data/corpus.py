"""A corpus: passages that are too many to hold, read from their beginning as often as needed.

A task over corpora is divided: a query meets the passages of its own language only. Passages of different languages
are not parallel there and nobody judged across languages, so no pool of all would mean anything.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.progress import Progress, silent

SHOWN = 5
"""Ids that a message names."""

STEP = 1024
"""Passages between two reports of progress."""


class Passage(NamedTuple):
    """One passage; its id is that of a candidate, so it says the language too."""

    id: str
    text: str


class Corpus(Protocol):
    """The passages of some languages, in an order that does not change."""

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        """The passages of one language, from the one at `start` on."""


class Questions(NamedTuple):
    """What is asked of a corpus; only relevant pairs are listed."""

    queries: list[Query]
    judgements: list[Judgement]


@dataclass(frozen=True, kw_only=True)
class StreamedTask(Task):
    """A task whose candidates are a corpus: `sizes` says how many, `reader` refuses to hold them.

    `characters` are those of all passages of a language. `questions` reads what is asked and `corpus` finds the
    passages, fetching them where they are not here.
    """

    divided: bool = True
    characters: Mapping[str, int]
    questions: Callable[[Task, Sequence[str], Path | None], Questions]
    corpus: Callable[[Task, Sequence[str], Path | None, Progress], Corpus]


def refuse_to_hold(paths: Mapping[str, Path]) -> Pool:
    """The reader of a task whose candidates are only ever streamed.

    :raises MissingData: always.
    """
    raise MissingData("The candidates of this task are too many to hold; panglot run streams them.")


class Survey(NamedTuple):
    """What one look at the passages of one language gives.

    `fingerprint` does not depend on their order: it is the sum of the passages' digests, modulo 2^128. `found` has the
    texts of those that were looked for, by id.
    """

    size: int
    fingerprint: str
    found: dict[str, str]


def survey(corpus: Corpus, language: str, wanted: Collection[str], progress: Progress = silent) -> Survey:
    """Look at every passage of a language once, in constant memory but for eight bytes each, to find ids that repeat.

    :raises BadData: two passages have one id; how many, and the first few.
    """
    digests, total, found = array("Q"), 0, {}
    with progress(f"looking through {language}", 0) as advance:
        for number, passage in enumerate(corpus.passages(language), start=1):
            digests.append(int.from_bytes(digest(passage.id)))
            total += int.from_bytes(hashlib.blake2b("\0".join(passage).encode(), digest_size=16).digest())
            if passage.id in wanted:
                found[passage.id] = passage.text
            if not number % STEP:
                advance(STEP)
    _refuse_repeated(corpus, language, np.frombuffer(digests, np.uint64))
    return Survey(len(digests), f"{total % (1 << 128):032x}", found)


def digest(id_: str) -> bytes:
    """Eight bytes of an id, which order equal scores: they have nothing to do with its place or language."""
    return hashlib.blake2b(id_.encode(), digest_size=8).digest()


def _refuse_repeated(corpus: Corpus, language: str, digests: np.ndarray) -> None:
    """Look again where digests repeat, since only the ids themselves can tell."""
    ordered = np.sort(digests)
    repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not repeated:
        return
    suspects = (passage.id for passage in corpus.passages(language) if int.from_bytes(digest(passage.id)) in repeated)
    seen, twice = set[str](), dict[str, None]()
    for id_ in suspects:
        if id_ in seen:
            twice[id_] = None
        seen.add(id_)
    if twice:
        raise BadData(f"{language}: {len(twice):,} ids stand twice in the corpus, the first {named(twice)}.")


def named(ids: Iterable[str]) -> str:
    """The first few ids, for a message."""
    return ", ".join(islice(ids, SHOWN))


def judged_pool(
    questions: Questions, languages: Sequence[str], found: Mapping[str, str], allow_missing: bool = False
) -> Pool:
    """The pool of all queries and of the relevant passages alone, whose texts a survey found.

    With `allow_missing`, judgements of passages that the corpus lacks are left out, and queries that have no others.

    :raises BadData: a judgement names a passage that the corpus lacks; how many, and the first few.
    """
    missing = sorted({judgement.candidate for judgement in questions.judgements} - set(found))
    if missing and not allow_missing:
        raise BadData(
            f"The judgements name {len(missing):,} passages that the corpus lacks, the first {named(missing)}. Is it "
            "whole? With --allow-missing these judgements are left out, and the scores compare to nobody's."
        )
    judgements = [judgement for judgement in questions.judgements if judgement.candidate in found]
    answered = {judgement.query for judgement in judgements}
    relevant = dict.fromkeys(judgement.candidate for judgement in judgements)
    language = {query.id: query.language for query in questions.queries}
    of = {judgement.candidate: language[judgement.query] for judgement in judgements}
    return Pool.of(
        languages,
        [query for query in questions.queries if query.id in answered],
        [Candidate(id_, found[id_], of[id_]) for id_ in relevant],
        judgements,
    )
