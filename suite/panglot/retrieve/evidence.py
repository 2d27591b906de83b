"""Evidence: how many candidates of each language score at least as high as each relevant candidate.

`COUNTED_ONCE` and `TIES` state the rules.

Counts for every language grow with the cube of the number of languages: for 122 parallel languages they would take
gigabytes. In pools of more than `WIDEST` languages the counts are therefore *narrow*: each relevant candidate keeps
three. Every setting, metric and measure of the whole pool follows from them, but no other choice of languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from panglot.arrays import Bools, Floats, Ints, compact
from panglot.errors import BadResult

COUNTED_ONCE = (
    "`above[q, r, l]` is counted once. The rank of r for q in any pool made of whole languages L is then `1 + "
    "sum over l in L of above[q, r, l]`, so every setting, every subset of languages, every metric and every "
    "interval follows from the same small arrays."
)
TIES = (
    "Ties count against the encoder: a candidate that scores exactly as high as r counts as above it. "
    "Relevant candidates that tie with each other share out the last places of their tie, so no two of them have the "
    "same rank."
)

NOBODY = -1
"""Padding in `top` where the pool holds fewer candidates than the list is long."""

WIDEST = 32
"""Maximum number of languages for which counts per language are kept."""

PART_PAIRS = 1_000_000
"""Relevant pairs in a part of evidence."""

NARROW = ("within", "asked", "together")
"""Narrow counts: in the candidate's language, in the query's language, and in the whole pool."""
WITHIN, ASKED, TOGETHER = range(3)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks of relevant candidates in cells (one query in one pool), ordered by cell and then by rank.

    `cell`, `pair`, `rank`, `shift` and `gain` are aligned, [pairs]. `pair` is the row in the evidence; `shift` leads
    from a relevant candidate's place to the middle of those that it is tied with.
    """

    cell: Ints
    pair: Ints
    rank: Ints
    shift: Floats
    gain: Floats
    cells: int

    @cached_property
    def place(self) -> Ints:
        """Position among the relevant candidates of the cell, counting from 1, [pairs]."""
        relevants = self.relevants
        first = (np.cumsum(relevants) - relevants).astype(np.int32)
        return np.arange(1, len(self.cell) + 1, dtype=np.int32) - np.repeat(first, relevants)

    @property
    def middle(self) -> Floats:
        """Mean position among the relevant candidates of the cell, counting ties as half, [pairs]."""
        return self.place + self.shift

    @cached_property
    def relevants(self) -> Ints:
        """Number of relevant candidates in each cell, [cells]; most metrics divide by it."""
        return np.bincount(self.cell, minlength=self.cells)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one model retrieved from one pool; all scores derive from it.

    Per query, [queries]: `query_language`, `group` (its parallel question), `cluster` (its sampling unit). Per relevant
    pair, ordered by query, [pairs]: `query`, `language` of the candidate, `candidate`, `gain`, the model's `score`, and
    `above` [pairs, languages], or [pairs, 3] if `narrow`. `top` [queries, depth] lists the best candidates of the whole
    pool, best first, `top_language` their languages and `top_score` their scores; equal scores are ordered by a hash of
    the ids. `sizes` [languages] counts the candidates. `query_ids` and `candidate_ids` are the ids behind the indices.
    If `divided`, each query was ranked against its own language only: there are no counts across languages, and the
    pool of all languages is not meaningful. `close` is the number of pairs of a relevant candidate and another whose
    scores are within rounding, so that they may change places on the processor; None unless a device has ranked all.
    Files do not keep it.
    """

    query_ids: tuple[str, ...]
    candidate_ids: tuple[str, ...]
    languages: tuple[str, ...]
    sizes: Ints
    query_language: Ints
    group: Ints
    cluster: Ints
    query: Ints
    candidate: Ints
    language: Ints
    gain: Floats
    score: Floats
    above: Ints
    top: Ints
    top_language: Ints
    top_score: Floats
    divided: bool = False
    close: int | None = None

    @property
    def queries(self) -> int:
        """Number of queries."""
        return len(self.query_language)

    @property
    def narrow(self) -> bool:
        """Whether `above` holds the counts of `NARROW` instead of one per language."""
        return is_narrow(len(self.languages))

    @property
    def pair_query_language(self) -> Ints:
        """The query language of each pair, [pairs]."""
        return self.query_language[self.query]

    @property
    def above_within(self) -> Ints:
        """Candidates above each relevant candidate that are in its own language, [pairs]."""
        return self.above[:, WITHIN] if self.narrow else self.above[np.arange(len(self.above)), self.language]

    @property
    def above_in_query_language(self) -> Ints:
        """Candidates above each relevant candidate that are in the query's language, [pairs]."""
        return self.above[:, ASKED] if self.narrow else self.above[np.arange(len(self.above)), self.pair_query_language]

    @property
    def above_together(self) -> Ints:
        """Candidates above each relevant candidate in the whole pool, [pairs]."""
        return self.above[:, TOGETHER] if self.narrow else self.above.sum(axis=1)

    @cached_property
    def within(self) -> Ranking:
        """Ranks in pools of one language each; cell = query × languages + candidate language."""
        cell = self.query.astype(np.int64) * len(self.languages) + self.language
        return rank_cells(cell, 1 + self.above_within, self.gain, self.queries * len(self.languages))

    @cached_property
    def together(self) -> Ranking:
        """Ranks in the pool of all languages; cell = query."""
        return rank_cells(self.query.astype(np.int64), 1 + self.above_together, self.gain, self.queries)

    def parts(self) -> list[Evidence]:
        """Return the evidence of consecutive queries, in parts of about `PART_PAIRS` pairs, which rank in less memory.

        Only what is stated per query or per pair is divided; `group` and `cluster` keep their numbers.
        """
        count = -(-len(self.query) // PART_PAIRS)
        if count <= 1:
            return [self]
        first_pair = np.searchsorted(self.query, np.arange(self.queries + 1))
        cuts = np.linspace(0, self.queries, count + 1).astype(int).tolist()
        return [self._part(slice(*pair), slice(*first_pair[list(pair)])) for pair in pairwise(cuts)]

    def _part(self, queries: slice, pairs: slice) -> Evidence:
        per_query = ("query_language", "group", "cluster", "top", "top_language", "top_score")
        per_pair = ("candidate", "language", "gain", "score", "above")
        return replace(
            self,
            query_ids=self.query_ids[queries],
            query=self.query[pairs] - queries.start,
            **{name: getattr(self, name)[queries] for name in per_query},
            **{name: getattr(self, name)[pairs] for name in per_pair},
        )

    def only(self, languages: Sequence[str]) -> Evidence:
        """Return the evidence that the same model would give on a pool of these languages only.

        Queries without a remaining relevant candidate are dropped. `top` can become shorter, since candidates below the
        list of the whole pool are not known.

        :raises BadResult: the counts are narrow and `languages` are not all languages.
        """
        if tuple(languages) == self.languages:
            return self
        if self.narrow:
            raise BadResult(
                f"This result covers {len(self.languages)} languages and cannot be reduced to fewer: above {WIDEST} "
                "languages only counts for the whole pool are kept. Run the model on the languages that you need: "
                "panglot run … --languages " + ",".join(languages[:9])
            )
        kept = np.array([self.languages.index(language) for language in languages])
        new = np.full(len(self.languages), NOBODY)
        new[kept] = np.arange(len(kept))
        pairs = np.isin(self.query_language, kept)[self.query] & np.isin(self.language, kept)
        query_kept = np.bincount(self.query[pairs], minlength=self.queries) > 0
        number = np.cumsum(query_kept) - 1
        listed = np.isin(self.top_language, kept)[query_kept]
        return Evidence(
            query_ids=tuple(np.array(self.query_ids, object)[query_kept]),
            candidate_ids=self.candidate_ids,
            languages=tuple(languages),
            sizes=self.sizes[kept],
            query_language=new[self.query_language[query_kept]],
            group=np.unique(self.group[query_kept], return_inverse=True)[1],
            cluster=np.unique(self.cluster[query_kept], return_inverse=True)[1],
            query=number[self.query[pairs]],
            candidate=self.candidate[pairs],
            language=new[self.language[pairs]],
            gain=self.gain[pairs],
            score=self.score[pairs],
            above=self.above[np.ix_(pairs, kept)],
            top=_pack(self.top[query_kept], listed, NOBODY),
            top_language=_pack(new[self.top_language[query_kept]], listed, NOBODY),
            top_score=_pack(self.top_score[query_kept], listed, -np.inf),
            divided=self.divided,
        )


def is_narrow(languages: int) -> bool:
    """Whether a pool with this number of languages has narrow counts."""
    return languages > WIDEST


def narrow_counts(counts: Ints, language: Ints, query_language: Ints) -> Ints:
    """Reduce counts [pairs, languages] to those of `NARROW`, [pairs, 3], if there are too many languages to keep all.

    `language` [pairs] is the language of the relevant candidates, `query_language` [pairs] that of the queries.
    """
    if not is_narrow(counts.shape[1]):
        return counts
    row = np.arange(len(counts))
    return np.stack([counts[row, language], counts[row, query_language], counts.sum(axis=1)], axis=1)


def self_counts(language: Ints, query_language: Ints, languages: int) -> Ints:
    """Return what each relevant candidate contributes to its own counts, [pairs, counts]; subtracted at the end."""
    if not is_narrow(languages):
        return (language[:, None] == np.arange(languages)).astype(np.int8)
    everywhere = np.ones(len(language), np.int8)
    return np.stack([everywhere, language == query_language, everywhere], axis=1)


def rank_cells(cell: Ints, raw: Ints, gain: Floats, cells: int) -> Ranking:
    """Turn raw ranks, which count ties as above, into ranks: tied relevant candidates share the last ranks of the tie.

    `cell`, `raw` and `gain` are aligned, [pairs]; the result is ordered by cell and rank.

    There can be millions of pairs: everything is kept in 32 bits, and shifts, multiples of a half, take no memory if
    nothing is tied.
    """
    raw = raw.astype(np.int32)
    key = cell * (1 << 32) + raw  # one key, nearly in order already: seven times as fast as two
    order = np.argsort(key, kind="stable").astype(np.int32)
    del key
    cell, raw = cell[order].astype(np.int32), raw[order]
    tie = np.flatnonzero(np.diff(cell, prepend=-1) | np.diff(raw, prepend=-1))
    length = np.diff(tie, append=len(cell))
    into_tie = (np.arange(len(cell)) - np.repeat(tie, length)).astype(np.int32)
    spread = np.repeat(length.astype(np.int32), length)
    rank, shift = raw - spread + 1 + into_tie, ((spread - 1) / 2 - into_tie).astype(np.float32)
    return Ranking(cell, order, rank, compact(shift), compact(gain[order]), cells)


def _pack(values: np.ndarray, kept: Bools, fill: float) -> np.ndarray:
    """Move the kept entries of each row to the front and fill the rest, [rows, longest row]."""
    order = np.argsort(~kept, axis=1, kind="stable")
    count = kept.sum(axis=1)
    packed = np.take_along_axis(values, order, axis=1)
    packed[np.arange(kept.shape[1]) >= count[:, None]] = fill
    return packed[:, : count.max(initial=0)]
