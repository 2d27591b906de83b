"""`vectors:folder`: vectors made elsewhere, in one file `<task's fingerprint or name>.npz` a task.

The file holds four arrays: `query_ids` [queries] and `candidate_ids` [candidates], text, and `query_vectors`
[queries, dim] and `candidate_vectors` [candidates, dim], floats. Rows may stand in any order; ids say which is which.
`panglot tasks NAME --export FILE` writes the ids and texts of a task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from suite.arrays import Floats
from suite.encoder import ModelCard, Options
from suite.errors import BadData, BadEncoder, MissingData
from suite.pool import Items, Pool
from suite.progress import Progress
from suite.scores import DenseScores, Scores

NAMES = ("query_ids", "query_vectors", "candidate_ids", "candidate_vectors")


def load(folder: str, options: Options) -> StoredVectors:
    """The vectors of a folder.

    :raises BadEncoder: there is no such folder, or no .npz file in it.
    """
    path = Path(folder)
    if not sorted(path.glob("*.npz")):
        raise BadEncoder(f"vectors:{folder}: no .npz file there. Expected {path / 'TASK.npz'} with {', '.join(NAMES)}.")
    return StoredVectors(path)


class StoredVectors:
    """Vectors that are read, not made."""

    ignores_content: Literal[True] = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*.npz")):
            digest.update(path.read_bytes())
        self.card = ModelCard(name=f"vectors:{folder.name}", revision=digest.hexdigest()[:12], library="numpy")

    def scores(self, pool: Pool, progress: Progress) -> Scores:
        """Cosines of the stored vectors of this pool's items."""
        for path in sorted(self._folder.glob("*.npz")):
            arrays = _read(path)
            query_ids = arrays["query_ids"].tolist()
            if pool.queries.ids[0] in query_ids:
                return DenseScores(
                    _rows(path, query_ids, arrays["query_vectors"], pool.queries),
                    _rows(path, arrays["candidate_ids"].tolist(), arrays["candidate_vectors"], pool.candidates),
                )
        raise MissingData(f"No file in {self._folder} has a vector for {pool.queries.ids[0]}.")


def _read(path: Path) -> dict[str, np.ndarray]:
    """The four arrays of a file; nothing in it is ever unpickled."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in NAMES if name not in arrays]
            if missing:
                raise BadData(f"{path} lacks the arrays {', '.join(missing)}.")
            return {name: arrays[name] for name in NAMES}
    except (OSError, ValueError, BadZipFile) as error:
        raise BadData(f"{path} cannot be read. {error}") from error


def _rows(path: Path, ids: Sequence[str], vectors: Floats, items: Items) -> Floats:
    """The vectors of the items, unit length, [items, dim]."""
    if vectors.ndim != 2 or len(vectors) != len(ids):
        raise BadData(f"{path}: {len(ids)} ids but vectors of shape {vectors.shape}.")
    place = {id_: index for index, id_ in enumerate(ids)}
    missing = [id_ for id_ in items.ids if id_ not in place]
    if missing:
        raise MissingData(f"{path} has no vector for {len(missing)} items, the first {', '.join(missing[:5])}.")
    found = vectors[[place[id_] for id_ in items.ids]].astype(np.float32)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(length[:, 0]) & (length[:, 0] > 0)))
    if len(bad):
        raise BadData(f"{path}: {len(bad)} vectors are zero, NaN or infinite, the first that of {items.ids[bad[0]]}.")
    unit: Floats = found / length
    return unit
