"""Vectors whose squares float32 cannot hold, and vectors made smaller: compared as the model compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from panglot.arrays import to_unit_length
from panglot.encode.card import ModelCard
from panglot.encode.scoring import reduced
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder
from panglot.evaluate.run import run
from tests.helpers.pools import PoolMaker
from tests.helpers.tasks import TASKS

Vectors = Callable[[Sequence[str]], np.ndarray]


class Made:
    """Returns what a function makes of the texts."""

    def __init__(self, make: Vectors, similarity: str = "cosine") -> None:
        self._make = make
        self.card = ModelCard.model_validate(
            {"name": "made", "revision": "1", "library": "none", "similarity": similarity}
        )

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        return self._make(texts)


def random(texts: Sequence[str], width: int = 8) -> np.ndarray:
    """A vector of ordinary length for each text."""
    return np.array([np.random.default_rng([*text.encode()]).standard_normal(width) for text in texts], np.float32)


@given(
    arrays(np.float32, (5, 3), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([1e-38, 1e-30, 1e-20, 1e-13, 1, 1e13, 1e19, 1e30, 1e38]),
)
def test_unit_length_at_any_scale(rows: np.ndarray, scale: float) -> None:
    rows = (rows * np.float64(scale)).astype(np.float32)
    unit = rows.copy()
    to_unit_length(unit)
    exact = rows.astype(np.float64)
    length = np.linalg.norm(exact, axis=1, keepdims=True)
    assert unit == pytest.approx(np.divide(exact, length, where=length > 0, out=exact), abs=1e-6)


def test_ordinary_vectors_are_the_plain_float32_quotient() -> None:
    rows = random([str(n) for n in range(50)])
    plain, unit = rows / np.linalg.norm(rows, axis=1, keepdims=True), rows.copy()
    rows[3] *= np.float32(1e30)
    unit[3] = rows[3]
    to_unit_length(unit)
    assert (np.delete(unit, 3, 0) == np.delete(plain, 3, 0)).all()
    assert unit[3] == pytest.approx(plain[3], abs=1e-6)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_cosine_does_not_depend_on_scale(make_pool: PoolMaker, scale: float) -> None:
    pool = make_pool()
    plain = encode_items(Made(random), pool, "query").vectors
    scaled = encode_items(Made(lambda texts: random(texts) * np.float32(scale)), pool, "query").vectors
    assert scaled == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(("scale", "length"), [(1e20, "e\\+20"), (1e-21, "e-2[01]")])
def test_dot_products_that_float32_cannot_hold_are_refused(make_pool: PoolMaker, scale: float, length: str) -> None:
    def make(texts: Sequence[str]) -> np.ndarray:
        return random(texts) * np.where([text == "text 1 de" for text in texts], np.float32(scale), 1)[:, None]

    with pytest.raises(BadEncoder, match=rf"made returned a vector of length \d(\.\d)?{length} for de:c1 \(de\): 'tex"):
        encode_items(Made(make, "dot"), make_pool(), "passage")


@pytest.mark.parametrize("value", [1e300, 1e-300])
def test_numbers_beyond_float32_are_refused(make_pool: PoolMaker, value: float) -> None:
    with pytest.raises(BadEncoder, match="made returned values outside the range of float32 for"):
        encode_items(Made(lambda texts: np.full((len(texts), 2), value)), make_pool(), "query")


class TestReduced:
    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_whole_vectors_score_as_the_headline_does(self, similarity: str) -> None:
        """Lengths differ by text, so that dot product and cosine differ."""

        def make(texts: Sequence[str]) -> np.ndarray:
            return random(texts) * np.array([[1 + len(text)] for text in texts], np.float32)

        result = run(
            TASKS["starter"],
            Made(make, similarity),
            ["de", "en"],
            curve=[(8, "float32"), (4, "float32"), (0, "float32")],
        ).record
        whole, half = (point.scores for point in result.curve)
        headline = {setting: scores[result.task.headline].value for setting, scores in result.settings.items()}
        assert {setting: whole[setting] for setting in headline} == pytest.approx(headline)
        cut = run(TASKS["starter"], Made(lambda texts: make(texts)[:, :4], similarity), ["de", "en"]).record
        shorter = {setting: scores[cut.task.headline].value for setting, scores in cut.settings.items()}
        assert {setting: half[setting] for setting in headline} == pytest.approx(shorter)

    def test_int8_of_dot_products_keeps_lengths(self) -> None:
        vectors: list[Any] = [random(["a", "b"]) * 3, random(["c", "d", "e"]) * 5]
        step = (vectors[1].max(axis=0) - vectors[1].min(axis=0)) / 255
        for whole, small in zip(vectors, reduced(vectors, 8, "int8", "dot"), strict=True):
            inside = (whole >= vectors[1].min(axis=0)) & (whole <= vectors[1].max(axis=0))
            assert (np.abs(whole - small) <= step * 0.51)[inside].all()

    def test_the_vectors_themselves_stay(self) -> None:
        vectors = [random(["a", "b"]), random(["c"])]
        before = [part.copy() for part in vectors]
        reduced(vectors, 8, "float32", "cosine")
        assert all((part == same).all() for part, same in zip(vectors, before, strict=True))
