"""Vectors made elsewhere: which file of a folder is read, and what is said about one that does not fit."""

from __future__ import annotations

import io
import pickle
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.cli.names import find_task
from panglot.data.load import read_pool
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.kinds.vectors import StoredVectors
from panglot.errors import BadData, MissingData, PanglotError
from panglot.progress import silent
from tests.helpers.pools import PoolMaker

IDS = ["a", "b", "c"]
VECTORS = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])
ARRAYS: dict[str, Any] = {
    "query_ids": np.array(IDS),
    "query_vectors": VECTORS,
    "candidate_ids": np.array(IDS[::-1]),
    "candidate_vectors": VECTORS[::-1],
}


def _pool(task: str = "mine", is_whole: bool = True) -> Pool:
    queries = [Query(id_, id_, "en", id_) for id_ in IDS]
    candidates = [Candidate(id_, id_, "en") for id_ in IDS]
    return Pool.of(("en",), queries, candidates, [Judgement(id_, id_) for id_ in IDS], task, is_whole)


def _scores(folder: Path, pool: Pool) -> np.ndarray:
    return StoredVectors(folder).scores(pool, silent).block(0, len(pool.queries))


def test_rows_are_found_by_id_and_scored_by_cosine(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    assert _scores(tmp_path, _pool()) == pytest.approx(np.array([[1, 0.6, 0.8], [0.6, 1, 0], [0.8, 0, 1]]))


def test_the_file_of_the_task_is_read_and_no_other(tmp_path: Path) -> None:
    np.savez(tmp_path / "another.npz", **ARRAYS | {"query_vectors": VECTORS[::-1]})
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    np.savez(tmp_path / "zz.npz", **ARRAYS | {"query_vectors": VECTORS[::-1]})
    assert _scores(tmp_path, _pool()).diagonal() == pytest.approx([1, 1, 1])


def test_a_file_may_be_named_by_the_fingerprint(tmp_path: Path) -> None:
    pool = _pool()
    np.savez(tmp_path / f"{pool.fingerprint}.npz", **ARRAYS)
    assert _scores(tmp_path, pool).diagonal() == pytest.approx([1, 1, 1])


def test_two_files_for_one_task_are_refused(tmp_path: Path) -> None:
    pool = _pool()
    for name in ("mine", pool.fingerprint):
        np.savez(tmp_path / f"{name}.npz", **ARRAYS)
    with pytest.raises(BadData, match=rf"two files for mine: mine\.npz and {pool.fingerprint}\.npz\. Keep one\."):
        _scores(tmp_path, pool)


def test_a_folder_without_a_file_for_the_task_is_refused_and_the_expected_name_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "another.npz", **ARRAYS)
    with pytest.raises(MissingData, match=r"no vectors for mine\. Expected mine\.npz; found another\.npz\."):
        _scores(tmp_path, _pool())
    with pytest.raises(MissingData, match=r"no vectors for this pool\. Expected [0-9a-f]{64}\.npz"):
        _scores(tmp_path, _pool(task=""))


def test_a_pool_knows_its_task_and_whether_it_is_whole() -> None:
    task = find_task("starter")
    whole, part = read_pool(task), read_pool(task, ("de",))
    assert (whole.task, whole.is_whole) == ("starter", True)
    assert (part.task, part.is_whole) == ("starter", False)


def test_a_part_of_a_task_is_scored_from_the_file_of_the_whole(tmp_path: Path, make_pool: PoolMaker) -> None:
    pool = make_pool()
    sides = {"query": pool.queries.ids, "candidate": pool.candidates.ids}
    arrays = {f"{role}_ids": np.array(ids) for role, ids in sides.items()} | {
        f"{role}_vectors": np.eye(len(ids), 7) + 1 for role, ids in sides.items()
    }
    np.savez(tmp_path / f"{pool.fingerprint}.npz", **arrays)
    assert _scores(tmp_path, pool).shape == (len(pool.queries), len(pool.candidates))
    part = pool.only(pool.languages[:1])
    np.savez(tmp_path / f"{part.fingerprint}.npz", **arrays)
    assert _scores(tmp_path, part).shape == (len(part.queries), len(part.candidates))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query_ids": np.array(["a", "b", "x"])}, r"query_ids lacks 1 of 3 ids of the task, the first 'c'\."),
        (
            {"candidate_ids": np.array([*IDS, "x", "y"]), "candidate_vectors": np.ones((5, 2))},
            r"candidate_ids has 2 ids that are not in the task, the first 'x'\.",
        ),
        (
            {"query_ids": np.array([*IDS, "b"]), "query_vectors": np.ones((4, 2))},
            r"query_ids has 1 duplicate ids, the first 'b'\.",
        ),
        ({"query_vectors": VECTORS[1:]}, r"query_ids has 3 ids, but query_vectors has shape \(2, 2\)\."),
        ({"query_vectors": np.ones((3, 0))}, r"query_vectors has shape \(3, 0\)\."),
        ({"query_vectors": np.ones((3, 4))}, r"query_vectors have 4 dimensions, candidate_vectors 2\."),
        ({"query_vectors": np.ones(3)}, r"query_vectors is float64 of shape \(3,\)\. Expected floats of shape"),
        ({"query_vectors": VECTORS.astype(np.int8)}, r"query_vectors is int8 of shape \(3, 2\)\. Expected floats"),
        ({"query_vectors": VECTORS.astype(complex)}, r"query_vectors is complex128"),
        ({"query_ids": np.arange(3)}, r"query_ids is int64 of shape \(3,\)\. Expected strings"),
        ({"query_ids": np.array("a")}, r"query_ids is <U1 of shape \(\)\. Expected strings"),
        ({"query_ids": np.array(IDS, object)}, r"cannot be read as an \.npz file\. .*allow_pickle"),
        *(
            ({"candidate_vectors": np.array([*VECTORS[:2], bad])}, r"1 of candidate_vectors are zero, .* of 'a'\.")
            for bad in ([0, 0], [1, np.nan], [-np.inf, 1])
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_name_and_the_id(
    changed: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **ARRAYS | changed)
    with pytest.raises((BadData, MissingData), match=message) as caught:
        _scores(tmp_path, _pool())
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 2.0**-14, 1e30, 1e-30, 1e300])
def test_any_finite_length_gives_the_same_cosines(kind: type, scale: float, tmp_path: Path) -> None:
    with np.errstate(over="ignore", under="ignore"):
        vectors = (VECTORS * scale).astype(kind)
    if not (np.isfinite(vectors).all() and vectors.any(axis=1).all()):
        vectors = VECTORS.astype(kind)  # this type cannot hold the scale
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"query_vectors": vectors})
    expected = [[1, 0.6, 0.8], [0.6, 1, 0], [0.8, 0, 1]]
    assert _scores(tmp_path, _pool()) == pytest.approx(np.array(expected), abs=2e-3 if kind == np.float16 else 1e-6)


def _archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        pickle.dumps([1]),
        _archive(),
        _archive(query_ids=b"", query_vectors=b"x", candidate_ids=b"", candidate_vectors=b""),
        _archive(query_ids=b"\x93NUMPY\x01\x00", query_vectors=b"", candidate_ids=b"", candidate_vectors=b""),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(BadData, match=r"mine\.npz"):
        _scores(tmp_path, _pool())


def test_a_bare_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", VECTORS)
    (tmp_path / "mine.npy").rename(tmp_path / "mine.npz")
    with pytest.raises(BadData, match=r"mine\.npz is not an \.npz file\. Write it with numpy\.savez\."):
        _scores(tmp_path, _pool())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_with_flipped_bytes_is_refused_or_right(data: st.DataObject) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **ARRAYS)
    damaged = bytearray(content.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mine.npz").write_bytes(damaged)
        try:
            scores = _scores(Path(folder), _pool())
        except PanglotError as error:
            told = str(error)
        else:
            told = "mine.npz" if scores.diagonal() == pytest.approx([1, 1, 1]) else "other scores"
    assert "mine.npz" in told
