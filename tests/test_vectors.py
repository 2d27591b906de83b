"""What an encoder may return, and what is said when it returns something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder
from tests.helpers.counting import Lengths


@pytest.fixture
def pool() -> Pool:
    """Ten candidates in two languages, with one text in both and outer white space on one."""
    texts = ["a", "aa ", "aaa", "bb", "same"]
    return Pool.of(
        ("de", "en"),
        [Query("q1", "same", "de", "1"), Query("q2", "other", "en", "1")],
        [Candidate(f"{language}:{n}", text, language) for language in ("de", "en") for n, text in enumerate(texts)],
        [Judgement("q1", "de:0"), Judgement("q2", "de:0")],
    )


def test_each_text_is_encoded_once_and_stripped(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.batches.BATCH_TEXTS", 2)
    encoder = Lengths()
    vectors = encode_items(encoder, pool, "passage").vectors
    assert sorted(text for _, text in encoder.asked) == ["a", "aa", "aaa", "bb", "same"]
    assert {role for role, _ in encoder.asked} == {"passage"}
    assert vectors.shape == (10, 3)
    assert vectors.dtype == np.float32
    assert (vectors[:5] == vectors[5:]).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(10))


def test_a_query_and_a_passage_of_one_text_are_two(pool: Pool) -> None:
    encoder = Lengths()
    encode_items(encoder, pool, "query")
    encode_items(encoder, pool, "passage")
    assert ("query", "same") in encoder.asked
    assert ("passage", "same") in encoder.asked


def test_dot_products_keep_their_length(pool: Pool) -> None:
    assert encode_items(Lengths(similarity="dot"), pool, "query").vectors.tolist() == [[4, 1, 1], [5, 0, 1]]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_size_of_batches_does_not_matter(pool: Pool, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encode_items(Lengths(), pool, "passage").vectors
    monkeypatch.setattr("panglot.encode.batches.BATCH_TEXTS", size)
    assert (encode_items(Lengths(), pool, "passage").vectors == expected).all()


def _nan(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    vectors[[text == "bb" for text in texts]] = np.nan
    return vectors


def _infinite(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    vectors[[text == "bb" for text in texts]] = np.inf
    return vectors


def _zero(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    vectors[[text == "bb" for text in texts]] = 0
    return vectors


def _raise(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    if "bb" in texts:
        raise RuntimeError("cannot")
    return vectors


def _wider(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    return np.hstack([vectors, vectors]) if "bb" in texts else vectors


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_nan, r"returned NaN or infinity for de:3 \(de\): 'bb' \(1 of 2\)"),
        (_infinite, r"returned NaN or infinity for de:3 \(de\): 'bb'"),
        (_zero, r"returned a zero vector for de:3 \(de\): 'bb'"),
        (_raise, r"failed on de:3 \(de\): 'bb'\. RuntimeError: cannot"),
        (_wider, r"of dimension 3, then of 6, beginning with de:1 \(de\): 'aa'"),
        (lambda vectors, texts: vectors[:, :0], r"array of shape \(2, 0\) for 2 texts, the first de:4"),
        (lambda vectors, texts: vectors[1:], r"array of shape \(1, 3\) for 2 texts"),
        (lambda vectors, texts: vectors[0], r"array of shape \(3,\) for 2 texts"),
        (lambda vectors, texts: vectors.astype(int), r"returned int64 for de:4"),
        (lambda vectors, texts: np.array([["x"] * 3] * len(texts)), r"returned <U1 for de:4"),
    ],
)
def test_invalid_vector_is_named(
    pool: Pool,
    spoil: Callable[[np.ndarray, Sequence[str]], np.ndarray],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panglot.encode.batches.BATCH_TEXTS", 2)
    with pytest.raises(BadEncoder, match=message):
        encode_items(Lengths(spoil), pool, "passage")
