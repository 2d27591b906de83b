"""`vectors:FOLDER`: precomputed vectors, in one file `TASK.npz` per task.

The file has four arrays: `query_ids` [queries] and `candidate_ids` [candidates], strings, and `query_vectors`
[queries, dim] and `candidate_vectors` [candidates, dim], floats. Rows can be in any order; the ids identify them.
`panglot tasks NAME --export FILE` writes the ids and texts of a task.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, Literal
from zipfile import is_zipfile

import numpy as np

from panglot.arrays import Floats
from panglot.data.pool import Items, Pool
from panglot.encode.card import ModelCard
from panglot.encode.options import Options
from panglot.errors import BadData, BadEncoder, MissingData
from panglot.progress import Progress
from panglot.retrieve.similarity import DenseScores, ScoreBlocks

NAMES = ("query_ids", "query_vectors", "candidate_ids", "candidate_vectors")


def load(folder: str, options: Options) -> StoredVectors:
    """Return the vectors in a folder.

    :raises BadEncoder: the folder does not exist, or contains no .npz file.
    """
    path = Path(folder)
    if not sorted(path.glob("*.npz")):
        raise BadEncoder(f"vectors:{folder}: no .npz file found. Expected {path / 'TASK.npz'} with {', '.join(NAMES)}.")
    return StoredVectors(path)


class StoredVectors:
    """A scorer that reads precomputed vectors."""

    ignores_content: Literal[True] = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*.npz")):
            digest.update(path.read_bytes())
        self.card = ModelCard(name=f"vectors:{folder.name}", revision=digest.hexdigest()[:12], library="numpy")

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Return cosine scores of the stored vectors of this pool's items.

        :raises MissingData: there is no file for the pool's task, or it lacks some of the items.
        :raises BadData: there are two files for the task, or a file is damaged or does not have one vector per item.
        """
        path = self._file(pool)
        arrays = _read(path)
        sides = [
            _Side(path, role, arrays[f"{role}_ids"], arrays[f"{role}_vectors"]).of(items, pool.is_whole)
            for role, items in (("query", pool.queries), ("candidate", pool.candidates))
        ]
        if sides[0].shape[1] != sides[1].shape[1]:
            raise BadData(
                f"{path}: query_vectors have {sides[0].shape[1]} dimensions, candidate_vectors {sides[1].shape[1]}."
            )
        return DenseScores(*sides)

    def _file(self, pool: Pool) -> Path:
        """Return the file named after the pool's task or fingerprint; other files are never read.

        :raises MissingData: neither file exists.
        :raises BadData: both files exist.
        """
        named, marked = (self._folder / f"{name}.npz" for name in (pool.task, pool.fingerprint))
        here = [path for path in (named, marked) if path.is_file()]
        if len(here) > 1:
            raise BadData(f"{self._folder} has two files for {pool.task}: {named.name} and {marked.name}. Keep one.")
        if here:
            return here[0]
        found = ", ".join(path.name for path in sorted(self._folder.glob("*.npz")))
        raise MissingData(
            f"{self._folder} has no vectors for {pool.task or 'this pool'}. "
            f"Expected {named.name if pool.task else marked.name}; found {found}."
        )


class _Side:
    """The validated ids and vectors of the queries or of the candidates in a file.

    :raises BadData: an array has the wrong type or shape, or ids are duplicated.
    """

    def __init__(self, path: Path, role: str, ids: Any, vectors: Any) -> None:
        self._path, self._role, self._vectors = path, role, vectors
        if not (isinstance(ids, np.ndarray) and ids.ndim == 1 and ids.dtype.kind == "U"):
            raise BadData(f"{path}: {role}_ids is {_shown(ids)}. Expected strings of shape (items,).")
        if not (isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype.kind == "f"):
            raise BadData(f"{path}: {role}_vectors is {_shown(vectors)}. Expected floats of shape (items, dimension).")
        if len(vectors) != len(ids) or not vectors.shape[1]:
            raise BadData(f"{path}: {role}_ids has {len(ids)} ids, but {role}_vectors has shape {vectors.shape}.")
        self._place = {id_: index for index, id_ in enumerate(ids.tolist())}
        if len(self._place) < len(ids):
            twice = [id_ for id_, times in Counter(ids.tolist()).items() if times > 1]
            raise BadData(f"{path}: {role}_ids has {len(twice)} duplicate ids, the first '{twice[0]}'.")

    def of(self, items: Items, is_whole: bool) -> Floats:
        """Return the vectors of these items, of unit length, [items, dim].

        :raises MissingData: an item has no vector.
        :raises BadData: an id is unknown, if `is_whole`; or a vector is zero, NaN or infinite.
        """
        missing = [id_ for id_ in items.ids if id_ not in self._place]
        if missing:
            raise MissingData(
                f"{self._path}: {self._role}_ids lacks {len(missing)} of {len(items)} ids of the task, "
                f"the first '{missing[0]}'."
            )
        if is_whole and len(self._place) > len(items):
            extra = list(self._place.keys() - set(items.ids))
            first = min(extra, key=lambda id_: self._place[id_])
            raise BadData(
                f"{self._path}: {self._role}_ids has {len(extra)} ids that are not in the task, the first '{first}'."
            )
        found = self._vectors[[self._place[id_] for id_ in items.ids]]
        largest = np.abs(found).max(axis=1, keepdims=True)
        bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
        if len(bad):
            raise BadData(
                f"{self._path}: {len(bad)} of {self._role}_vectors are zero, NaN or infinite, "
                f"the first that of '{items.ids[bad[0]]}'."
            )
        scaled = (found / largest).astype(np.float32)  # keeps squares within the range of float32
        unit: Floats = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        return unit


def _read(path: Path) -> dict[str, Any]:
    """Read the four arrays of a file without unpickling anything."""
    if not is_zipfile(path):
        raise BadData(f"{path} is not an .npz file. Write it with numpy.savez.")
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in NAMES if name in file}
    except Exception as error:  # numpy, zipfile and zlib raise many types for damaged files
        raise BadData(f"{path} cannot be read as an .npz file. {type(error).__name__}: {error}") from error
    missing = [name for name in NAMES if name not in arrays]
    if missing:
        raise BadData(f"{path} lacks the arrays {', '.join(missing)}.")
    return arrays


def _shown(array: Any) -> str:
    return f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "not an array"
