"""The inputs of a step: rows of the table of pairs, and what the model reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from panglot.data.image import decode, in_memory
from panglot.errors import BadData
from panglot.train.data.pairs import NO_INDEX, Pairs
from panglot.train.recipes.recipe import Kind, Recipe
from panglot.train.towers.build import FEATURES


class PairRows(Dataset[dict[str, Any]]):
    """The table of pairs as a torch data set: a row has a query, a passage and the kind of its batch.

    With hard negatives, rows that have a negative include it. Images are represented by their index in `pairs.images`.
    """

    column_names = ("query", "passage", "negative", "label")

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self._pairs, self._hard = pairs, recipe.loss.negatives == "hard"
        self._alone: Kind = "mixed" if recipe.sampler.kind == "mixed" else "mono"
        self._caption_sets = frozenset(pairs.sets.index(data.name) for data in recipe.images)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        """The rows of one batch."""
        pairs = self._pairs
        passages, negatives = pairs.passage[rows], pairs.negative[rows]
        images = pairs.has_image[rows]
        columns = {
            "query": pairs.texts.take(pairs.query[rows]),
            "passage": passages.tolist() if images.any() else pairs.texts.take(passages),
            "label": [self.kind_of(row) for row in rows],
        }
        found = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for place in np.flatnonzero(negatives != NO_INDEX).tolist() if self._hard else ():
            found[place]["negative"] = pairs.texts[int(negatives[place])]
        return found

    def kind_of(self, row: int) -> Kind:
        """The kind of batch of a pair."""
        if self._pairs.has_image[row]:
            return "image"
        if int(self._pairs.origin[row]) in self._caption_sets:
            return "captions"
        return self._alone if self._pairs.query_language[row] == self._pairs.passage_language[row] else "cross"


class Collator:
    """Converts rows to model inputs: tokens of prompt and text, image features, or pixels."""

    def __init__(self, model: Any, recipe: Recipe, images: Sequence[bytes], features: torch.Tensor | None) -> None:
        self._model, self._images, self._features = model, images, features
        self._prompts = {"query": recipe.prompts.query, "passage": recipe.prompts.passage}

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch, labelled with its kind. It may have fewer negatives than rows: they only extend the candidates."""
        batch: dict[str, Any] = {"label": rows[0]["label"]}
        for column in {column for row in rows for column in row} - {"label"}:
            for name, value in self._read(column, [row[column] for row in rows if column in row]).items():
                batch[f"{column}_{name}"] = value
        return dict(sorted(batch.items(), key=lambda item: _place(item[0])))

    def _read(self, column: str, values: list[Any]) -> dict[str, Any]:
        if isinstance(values[0], str):
            prompt = self._prompts["query" if column == "query" else "passage"]
            return self._model.preprocess(values, prompt=prompt or None)
        if self._features is not None:
            return {"sentence_embedding": self._features[values], "task": FEATURES}
        return self._model.preprocess([decode(in_memory(self._images[value])) for value in values])


def _place(name: str) -> int:
    """Sort key: queries, passages, negatives, because the loss identifies columns by their order."""
    return next((place for place, column in enumerate(PairRows.column_names) if name.startswith(f"{column}_")), 3)


def check_negatives(pairs: Pairs, recipe: Recipe, processes: int) -> None:
    """Check that hard negatives exist if the recipe uses them, and for all rows with several processes.

    :raises BadData: no pair has a negative, or some rows have none and there are several processes.
    """
    if recipe.loss.negatives != "hard":
        return
    has_one = pairs.negative != NO_INDEX
    if not has_one.any():
        raise BadData("loss.negatives is 'hard', but no pair has a negative. Set data.negative to their column.")
    partly = [name for place, name in enumerate(pairs.sets) if len(set(has_one[pairs.origin == place].tolist())) > 1]
    if partly and processes > 1:
        raise BadData(
            f"Some rows of {', '.join(partly)} have no negative, but several processes need one in each row. Add them, "
            "or train in one process."
        )
