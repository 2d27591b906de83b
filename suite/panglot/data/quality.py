"""What is odd about a pool before anything is encoded: copies, gaps in the judgements, and texts that say nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple, TypeAlias, get_args

from panglot.data.duplicates import near_duplicates
from panglot.data.pool import Items, Pool
from panglot.plain import is_blank

Kind: TypeAlias = Literal[
    "languages without candidates",
    "empty queries",
    "empty passages",
    "duplicate passages",
    "near-duplicate passages",
    "passages in several languages",
    "duplicate queries",
    "queries equal to passages",
    "probable false negatives: copies",
    "probable false negatives: translations",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

MEANINGS: Mapping[Kind, str] = {
    "languages without candidates": "Their queries have no mono score. Is the code the same on both sides?",
    "empty queries": "They ask nothing, but count. Remove them.",
    "empty passages": "They cannot be found and answer nothing. Remove them.",
    "duplicate passages": "The text of another passage in the same language; the copies tie, at the model's expense.",
    "near-duplicate passages": "Nearly the text of another passage in the same language.",
    "passages in several languages": "One text under two languages: not translated, or the language is wrong.",
    "duplicate queries": "The text of another query in the same language; each counts.",
    "queries equal to passages": "A model finds its own text first. Exclude it by 'excluded', or remove it.",
    "probable false negatives: copies": "Not judged relevant, but a copy, or nearly one, of a passage that is.",
    "probable false negatives: translations": "Not judged relevant, but relevant to the question in another language.",
}
"""What each finding means for the scores."""

EXAMPLES = 5
"""Most examples kept of each finding."""


class Finding(NamedTuple):
    """Items, or pairs of a query and a passage, that are odd in one way; `examples` are ids that belong together."""

    kind: Kind
    total: int
    examples: tuple[tuple[str, ...], ...]


class LanguageCounts(NamedTuple):
    """What a pool has in one language; `relevant` is the number of relevant passages of its queries."""

    queries: int
    unanswered: int
    candidates: int
    relevant: int


class Quality(NamedTuple):
    """Counts by language, and findings in the order of `KINDS`; a pool without any has none."""

    languages: Mapping[str, LanguageCounts]
    findings: tuple[Finding, ...]


def inspect(pool: Pool) -> Quality:
    """Inspect the texts and the judgements of a pool; images are not compared."""
    exact, near = _copies(pool)
    relevant = _relevant(pool)
    found: dict[Kind, Iterable[tuple[str, ...]]] = {
        "languages without candidates": _without_candidates(pool),
        "empty queries": _empty(pool.queries),
        "empty passages": _empty(pool.candidates),
        "duplicate passages": _pairs(exact, pool.candidates),
        "near-duplicate passages": _pairs(near, pool.candidates),
        "passages in several languages": _in_several_languages(pool.candidates),
        "duplicate queries": _pairs(_equal(pool.queries), pool.queries),
        "queries equal to passages": _equal_to_passages(pool),
        "probable false negatives: copies": _unjudged_copies(pool, relevant, exact, near),
        "probable false negatives: translations": _unjudged_translations(pool, relevant),
    }
    listed = ((kind, list(dict.fromkeys(found[kind]))) for kind in KINDS)
    findings = tuple(Finding(kind, len(ids), tuple(ids[:EXAMPLES])) for kind, ids in listed if ids)
    return Quality(_count(pool), findings)


def _count(pool: Pool) -> dict[str, LanguageCounts]:
    queries, candidates, unanswered = (
        Counter(items.language.tolist()) for items in (pool.queries, pool.candidates, pool.unanswered)
    )
    relevant = Counter(pool.queries.language[pool.query].tolist())
    return {
        name: LanguageCounts(queries[n], unanswered[n], candidates[n], relevant[n])
        for n, name in enumerate(pool.languages)
    }


def _texts(items: Items) -> Iterator[tuple[int, str]]:
    """The texts that say something."""
    return ((number, text) for number, text in enumerate(items.texts) if not is_blank(text))


def _empty(items: Items) -> Iterator[tuple[str, ...]]:
    blank = (number for number, text in enumerate(items.texts) if is_blank(text))
    return ((items.ids[number],) for number in blank if number not in items.images)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _equal(items: Items) -> list[list[int]]:
    """Groups of items of one language with the same text, apart from case and white space."""
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, text in _texts(items):
        groups[items.language[number], _plain(text)].append(number)
    return [group for group in groups.values() if len(group) > 1]


def _copies(pool: Pool) -> tuple[list[list[int]], list[list[int]]]:
    """Groups of passages of one language with the same text, and with nearly the same text."""
    items = pool.candidates
    exact = _equal(items)
    again = {number for group in exact for number in group[1:]}
    once = [number for number, _ in _texts(items) if number not in again]
    near = []
    for language in range(len(pool.languages)):
        own = [number for number in once if items.language[number] == language]
        near += [[own[place] for place in group] for group in near_duplicates([items.texts[n] for n in own])]
    return exact, near


def _pairs(groups: Iterable[Sequence[int]], items: Items) -> Iterator[tuple[str, ...]]:
    """Each copy with the first of its group."""
    return ((items.ids[other], items.ids[group[0]]) for group in groups for other in group[1:])


def _in_several_languages(items: Items) -> Iterator[tuple[str, ...]]:
    first: dict[str, int] = {}
    for number, text in _texts(items):
        other = first.setdefault(_plain(text), number)
        if items.language[other] != items.language[number]:
            yield items.ids[number], items.ids[other]


def _without_candidates(pool: Pool) -> Iterator[tuple[str, ...]]:
    asked = set(pool.queries.language.tolist()) | set(pool.unanswered.language.tolist())
    return ((pool.languages[n],) for n in sorted(asked) if not pool.sizes[n])


def _equal_to_passages(pool: Pool) -> Iterator[tuple[str, ...]]:
    texts: dict[str, list[int]] = defaultdict(list)
    for number, text in _texts(pool.candidates):
        texts[_plain(text)].append(number)
    for query, text in _texts(pool.queries):
        for number in texts.get(_plain(text), ()):
            if not len(pool.excluded) or pool.excluded[query] != number:
                yield pool.queries.ids[query], pool.candidates.ids[number]


def _relevant(pool: Pool) -> list[set[int]]:
    """The relevant candidates of each query."""
    relevant: list[set[int]] = [set() for _ in range(len(pool.queries))]
    for query, candidate in zip(pool.query.tolist(), pool.candidate.tolist(), strict=True):
        relevant[query].add(candidate)
    return relevant


def _unjudged_copies(
    pool: Pool, relevant: Sequence[set[int]], exact: Sequence[list[int]], near: Iterable[Sequence[int]]
) -> Iterator[tuple[str, ...]]:
    """The first passage not judged of each group of copies of which a query has a relevant one.

    One for each group, since a text that most passages share would make a pair of any two of them.
    """
    equal = {group[0]: group for group in exact}
    groups = [[copy for number in group for copy in equal.pop(number, [number])] for group in near]
    groups += equal.values()
    group_of = {number: place for place, group in enumerate(groups) for number in group}
    for query, own in enumerate(relevant):
        judged = own | ({int(pool.excluded[query])} if len(pool.excluded) else set())
        first = {group_of[number]: number for number in sorted(own, reverse=True) if number in group_of}
        for place, number in sorted(first.items(), key=itemgetter(1)):
            twin = next((copy for copy in groups[place] if copy not in judged), None)
            if twin is not None:
                yield pool.queries.ids[query], pool.candidates.ids[twin], pool.candidates.ids[number]


def _unjudged_translations(pool: Pool, relevant: Sequence[set[int]]) -> Iterator[tuple[str, ...]]:
    """Passages that are judged relevant to another version of the question only."""
    versions: dict[str, list[int]] = defaultdict(list)
    for query, group in enumerate(pool.groups):
        versions[group].append(query)
    for queries in versions.values():
        together = set().union(*(relevant[query] for query in queries))
        for query in queries:
            yield from (
                (pool.queries.ids[query], pool.candidates.ids[number]) for number in sorted(together - relevant[query])
            )
