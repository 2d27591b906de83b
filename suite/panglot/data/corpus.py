"""A corpus: more passages than fit in memory, streamed from the beginning as often as needed.

A task over corpora is divided: a query is ranked against the passages of its own language only. The passages of
different languages are not parallel and there are no judgements across languages, so a pool of all languages would not
be meaningful.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from panglot.data.records import Candidate, Judgement, Query
from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.progress import Progress, silent

if TYPE_CHECKING:
    from panglot.data.pool import Pool

SHOWN = 5
"""Number of ids named in a message."""

STEP = 1024
"""Passages between two progress updates."""


class Passage(NamedTuple):
    """One passage; its id is the candidate id, which includes the language."""

    id: str
    text: str


class Corpus(Protocol):
    """The passages of some languages, in a fixed order."""

    def passages(self, language: str, start: int = 0) -> Iterator[Passage]:
        """Yield the passages of one language, beginning at index `start`."""


class Questions(NamedTuple):
    """Queries and relevant pairs of a corpus."""

    queries: list[Query]
    judgements: list[Judgement]


@dataclass(frozen=True, kw_only=True)
class StreamedTask(Task):
    """A task whose candidates are a corpus: `sizes` has their number; `reader` always raises.

    `characters` is the number of characters in all passages of each language. `questions` reads the queries and
    judgements; `corpus` finds the passages and fetches them if they are not available locally.
    """

    divided: bool = True
    characters: Mapping[str, int]
    questions: Callable[[Task, Sequence[str]], Questions]
    corpus: Callable[[Task, Sequence[str], Progress], Corpus]


def refuse_to_hold(paths: Mapping[str, Path]) -> Pool:
    """Stand in for the reader of a task whose candidates can only be streamed.

    :raises MissingData: always.
    """
    raise MissingData("This task has too many candidates to hold in memory. Use panglot run, which streams them.")


class Survey(NamedTuple):
    """Facts about the passages of one language, from one pass.

    `fingerprint` is independent of their order: it is the sum of the passages' digests, modulo 2^128. `found` has the
    texts of the wanted passages, by id.
    """

    size: int
    fingerprint: str
    found: dict[str, str]


def survey(corpus: Corpus, language: str, wanted: Collection[str], progress: Progress = silent) -> Survey:
    """Read every passage of a language once; memory is constant except for eight bytes each, to find duplicate ids.

    :raises BadData: duplicate ids; the message gives their number and the first few.
    """
    digests, total, found = array("Q"), 0, {}
    with progress(f"scanning {language}", 0) as advance:
        for number, passage in enumerate(corpus.passages(language), start=1):
            digests.append(int.from_bytes(digest(passage.id)))
            total += int.from_bytes(hashlib.blake2b("\0".join(passage).encode(), digest_size=16).digest())
            if passage.id in wanted:
                found[passage.id] = passage.text
            if not number % STEP:
                advance(STEP)
    _refuse_repeated(corpus, language, digests)
    return Survey(len(digests), f"{total % (1 << 128):032x}", found)


def digest(id_: str) -> bytes:
    """Hash an id to the eight bytes that order equal scores, independent of position and language."""
    return hashlib.blake2b(id_.encode(), digest_size=8).digest()


def _refuse_repeated(corpus: Corpus, language: str, digests: array[int]) -> None:
    """Compare the ids of passages whose digests repeat, since different ids can share a digest."""
    import numpy as np

    ordered = np.sort(np.frombuffer(digests, np.uint64))
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
        raise BadData(
            f"{language}: {len(twice):,} duplicate ids in the corpus, the first {named(twice)}. Passage ids must be "
            "unique."
        )


def named(ids: Iterable[str]) -> str:
    """Format the first few ids for a message."""
    return ", ".join(islice(ids, SHOWN))


def judged_pool(
    questions: Questions, languages: Sequence[str], found: Mapping[str, str], allow_missing: bool = False
) -> Pool:
    """Return the pool of all queries and of the relevant passages only, whose texts a survey found.

    With `allow_missing`, judgements of passages that are not in the corpus are dropped, as are queries without others.

    :raises BadData: judged passages are not in the corpus; the message gives their number and the first few.
    """
    from panglot.data.pool import Pool

    missing = sorted({judgement.candidate for judgement in questions.judgements} - set(found))
    if missing and not allow_missing:
        raise BadData(
            f"{len(missing):,} judged passages are not in the corpus, the first {named(missing)}. Check that the "
            "corpus is complete. --allow-missing ignores these judgements, but then the scores cannot be compared."
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
