"""Hybrid batches, each of a single kind (arXiv 2408.10536), with LAReQA's samplers (arXiv 2004.05484) as special cases.

Batch n depends only on the seed and on n. A run therefore resumes exactly, and with several processes each draws the
same batch and takes its slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.errors import BadData
from panglot.train.data.contained import UNMARKED
from panglot.train.data.pairs import Pairs
from panglot.train.recipes.recipe import Kind, Recipe

PATIENCE = 50
"""Random draws of a batch before its stratum is searched row by row."""
LOOKED_AT = 1000
"""Rows whose keys are read at a time."""


class Batch(NamedTuple):
    """The rows of a batch, all of one kind."""

    kind: Kind
    rows: list[int]


@dataclass(frozen=True, eq=False)
class Stratum:
    """Rows that may share a batch; `origin` is their data set, `language` that of mono batches."""

    rows: Ints
    origin: int
    language: int | None = None


class Thin(NamedTuple):
    """A data set that is not used because it cannot fill a batch, in one language or overall."""

    kind: Kind
    data_set: str
    language: str | None
    pairs: int

    def __str__(self) -> str:
        where = f" in {self.language}" if self.language else ""
        return f"{self.data_set}{where} for {self.kind} batches: {self.pairs} pairs"


class BatchDrawer:
    """Draws batches in these steps:

    1. the kind, by its probability;
    2. for a mono batch, the language, uniformly as in the paper;
    3. the data set, in proportion to its number of pairs to the power `temper`, among those that can fill a batch;
    4. the pairs, uniformly, skipping each that shares a group, cluster, query or passage with a pair already in the
       batch, or whose passage contains such a pair's query, or whose query is in such a pair's passage.

    :raises BadData: no data set can fill a batch of some kind, or a mono batch in some language.
    """

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self._pairs, self._seed = pairs, recipe.seed
        self._size, self._temper = recipe.training.batch, recipe.sampler.temper
        self._kinds = list(recipe.shares)
        self._cumulated = np.cumsum(list(recipe.shares.values()))
        self.thin: list[Thin] = []
        caption_sets = [pairs.sets.index(data.name) for data in recipe.images]
        self._choices = {kind: self._choices_of(kind, caption_sets) for kind in self._kinds}

    def draw(self, step: int) -> Batch:
        """Batch number `step`, from 0."""
        random = np.random.default_rng([self._seed, step])
        place = int(np.searchsorted(self._cumulated, random.random(), side="right"))
        kind = self._kinds[min(place, len(self._kinds) - 1)]
        choices = self._choices[kind]
        strata, weights = choices[int(random.integers(len(choices)))]
        stratum = strata[int(random.choice(len(strata), p=weights))]
        return Batch(kind, self._fill(stratum.rows, random))

    def _choices_of(self, kind: Kind, caption_sets: Sequence[int]) -> list[tuple[list[Stratum], Floats]]:
        """The data sets of a kind with their weights: a list for each language (mono), or one list."""
        strata = list(_strata(self._pairs, kind, caption_sets))
        full = [stratum for stratum in strata if self._fills(stratum.rows)]
        thin = [stratum for stratum in strata if not any(stratum is other for other in full)]
        self.thin += [self._thin(kind, stratum) for stratum in thin]
        languages = range(len(self._pairs.languages)) if kind == "mono" else [None]
        choices = []
        for language in languages:
            found = [stratum for stratum in full if stratum.language == language]
            if not found:
                where = f" in '{self._pairs.languages[language]}'" if language is not None else ""
                raise BadData(
                    f"No data set has enough pairs for {kind} batches of {self._size}{where}"
                    f"{self._at_most(kind, language)}. Add data, remove the language, or use smaller batches."
                )
            sizes = np.array([len(stratum.rows) for stratum in found], float) ** self._temper
            choices.append((found, sizes / sizes.sum()))
        return choices

    def _thin(self, kind: Kind, stratum: Stratum) -> Thin:
        language = None if stratum.language is None else self._pairs.languages[stratum.language]
        return Thin(kind, self._pairs.sets[stratum.origin], language, len(stratum.rows))

    def _at_most(self, kind: Kind, language: int | None) -> str:
        name = None if language is None else self._pairs.languages[language]
        found = [
            f"{thin.data_set} has {thin.pairs}" for thin in self.thin if (thin.kind, thin.language) == (kind, name)
        ]
        return f" ({', '.join(found)})" if found else ""

    def _fills(self, rows: Ints) -> bool:
        """Whether a batch can be filled from these rows."""
        return self._first_distinct(rows, [], set()) is not None

    def _fill(self, rows: Ints, random: np.random.Generator) -> list[int]:
        chosen: list[int] = []
        seen: set[int] = set()
        for _ in range(PATIENCE):
            drawn = rows[random.integers(len(rows), size=self._size)]
            if self._first_distinct(drawn, chosen, seen) is not None:
                return chosen
        if self._first_distinct(random.permutation(rows), chosen, seen) is None:
            chosen, seen = [], set()
            self._first_distinct(rows, chosen, seen)
        return chosen

    def _first_distinct(self, rows: Ints, chosen: list[int], seen: set[int]) -> list[int] | None:
        """Add the rows that conflict with none before them to `chosen`, in order; None if they do not fill a batch."""
        for start in range(0, len(rows), LOOKED_AT):
            part = rows[start : start + LOOKED_AT]
            for row, keys in zip(part.tolist(), self._pairs.keys[part].tolist(), strict=True):
                marks = self._pairs.apart.get(keys[0], UNMARKED)
                if seen.isdisjoint(keys) and seen.isdisjoint(marks.own):
                    seen.update(keys, marks.barred)
                    chosen.append(row)
                    if len(chosen) == self._size:
                        return chosen
        return None


def _strata(pairs: Pairs, kind: Kind, caption_sets: Sequence[int]) -> Iterator[Stratum]:
    """The rows of a kind, by data set and, for mono batches, by language."""
    same = pairs.query_language == pairs.passage_language
    of_captions = np.isin(pairs.origin, list(caption_sets))
    of_texts = ~of_captions & ~pairs.has_image
    wanted = {
        "mono": of_texts & same,
        "mixed": of_texts & same,
        "cross": of_texts & ~same,
        "image": of_captions & pairs.has_image,
        "captions": of_captions & ~pairs.has_image,
    }[kind]
    for origin in range(len(pairs.sets)):
        of_set = wanted & (pairs.origin == origin)
        if kind == "mono":
            for language in np.unique(pairs.query_language[of_set]).tolist():
                yield Stratum(np.flatnonzero(of_set & (pairs.query_language == language)), origin, language)
        elif of_set.any():
            yield Stratum(np.flatnonzero(of_set), origin)


class BatchSampler:
    """The batches of a run, as a batch sampler for the loaders of sentence-transformers and torch.

    Pass it to `SentenceTransformerTrainingArguments` as `batch_sampler=lambda dataset, **settings: sampler`; the rows
    index the table of pairs. With `split_batches`, each of several processes takes its part of every batch.
    """

    drop_last = False

    def __init__(self, drawer: BatchDrawer, steps: int, batch: int) -> None:
        self._drawer, self._steps = drawer, steps
        self.batch_size = batch

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._steps):
            yield self._drawer.draw(step).rows
