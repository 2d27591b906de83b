"""The bridge of `examples/`: a real encoder of texts and images, end to end on the real test splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import rankdata

from panglot.arrays import Floats, Ints
from panglot.data.load import read_pool
from panglot.encode.load import load_model
from panglot.encode.model import Model, sees_images
from panglot.encode.scoring import score_pool
from panglot.errors import MissingData
from tests.helpers.tasks import TASKS

FITTED = ("de", "en", "zh")
"""The bridge is fitted on texts in these languages only, which takes a quarter of the time of all eleven."""
EVERY = 6
"""Of the emoji, every sixth is looked at: to see all of them takes a minute more."""
SIDE = 160
"""Pixels, of which there are half as many as the classifier was trained on."""
KNOWN = ("ar", "de", "en", "es", "fr", "ja", "ko", "ru", "th", "tr", "zh")
"""Languages that USE was trained on."""
TRIED = ("ar", "de", "en", "fr", "ru", "th")
"""Those tried on emoji, whose texts are many."""
DEALS = 4_999


@pytest.fixture(scope="module")
def bridge(data_dir: Path) -> Iterator[Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANGLOT_DATA", str(data_dir))
        patch.syspath_prepend(str(Path(__file__).parents[1]))
        patch.setattr("examples.bridge_encoder.LANGUAGES", FITTED)
        patch.setattr("examples.bridge_encoder._train", _train)
        patch.setattr("examples.bridge_encoder.SIDE", SIDE)
        yield load_model("py:examples.bridge_encoder:make")


def _train(path: Path, *columns: str) -> list[dict[str, Any]]:
    """Rows of the train split, of emoji those of a sixth of the pictures."""
    rows = pq.read_table(path, columns=[*columns, "split"], filters=[("split", "=", "train")]).to_pylist()
    every = EVERY if path.parent.name == "emoji" else 1
    return [row for row in rows if crc32(row["id"].encode()) % every == 0]


class Asked(NamedTuple):
    """Log ranks [captions, images] of one language in one direction, and which caption is of which image, [pairs]."""

    log_rank: Floats
    caption: Ints
    image: Ints


class Directions(NamedTuple):
    """One language against all images."""

    to_image: Asked
    to_text: Asked


def _by_language(bridge: Model, task: str, tried: Sequence[str]) -> dict[str, Directions]:
    pool = read_pool(TASKS[task], [name for name in tried if name in TASKS[task].languages])
    if task == "emoji-t2i":
        images = np.arange(0, len(pool.candidates), EVERY)
        pool = pool.part(np.unique(pool.query[np.isin(pool.candidate, images)]), images)
    scores = score_pool(bridge, pool).scores.block(0, len(pool.queries))
    found = {}
    for name in (name for name in tried if name in pool.languages):
        captions = np.flatnonzero(pool.queries.language == pool.languages.index(name))
        pairs = np.isin(pool.query, captions)
        belong = np.searchsorted(captions, pool.query[pairs]), pool.candidate[pairs]
        ranks = (rankdata(-scores[captions], method="max", axis=axis) for axis in (1, 0))
        found[name] = Directions(*(Asked(np.log(rank), *belong) for rank in ranks))
    return found


def _chance(asked: Sequence[Asked]) -> float:
    """How often images that are dealt out anew stand as high, on geometric average of the ranks, as the true ones.

    The permutation test: had the model no idea, the true deal would be one like any other.
    """
    random = np.random.default_rng(0)
    images = asked[0].log_rank.shape[1]
    deals = [np.arange(images), *(random.permutation(images) for _ in range(DEALS))]
    found = np.array([sum(one.log_rank[one.caption, deal[one.image]].sum() for one in asked) for deal in deals])
    return float(np.mean(found <= found[0]))


@pytest.mark.usefixtures("real_data")
def test_bridge_beats_chance_on_emoji_in_every_language_tried(bridge: Model) -> None:
    assert sees_images(bridge)
    found = _by_language(bridge, "emoji-t2i", TRIED)
    assert tuple(found) == TRIED
    for name, asked in found.items():
        assert _chance([asked.to_image]) < 0.001, name
        assert _chance([asked.to_text]) < 0.001, name
        assert np.exp(asked.to_image.log_rank[asked.to_image.caption, asked.to_image.image].mean()) < 12, name


@pytest.mark.usefixtures("real_data")
def test_bridge_beats_chance_on_storybooks_in_every_complete_language(bridge: Model) -> None:
    """Nine stories are few: one language alone is shown at 5 %, all together at 1 %.

    Russian has three of the stories, on which no language is above chance.
    """
    found = _by_language(bridge, "storybooks-t2i", KNOWN)
    chance = {name: _chance(asked) for name, asked in found.items() if len(asked.to_image.log_rank) == 107}
    assert set(found) - set(chance) == {"ru"}
    assert max(chance.values()) < 0.05, chance
    for direction in zip(*found.values(), strict=True):
        assert _chance(direction) < 0.01


def test_bridge_without_data_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    with pytest.raises(MissingData, match=r"fitted on emoji/images\.parquet"):
        load_model("py:examples.bridge_encoder:make")
