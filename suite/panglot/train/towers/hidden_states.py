"""A store of hidden states on disk: what the frozen first layers of an encoder make of each text.

Each process that writes has its own pair of files, which only grow: `*.states` holds float16 numbers and `*.index` one
record for each text. States are written before their records, so a process that is killed leaves nothing half-known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
import numpy.typing as npt

Halves = npt.NDArray[np.float16]

KEY_BYTES = 16
_RECORD = np.dtype([("key", f"S{KEY_BYTES}"), ("start", "<i8"), ("tokens", "<i4")])


class _Place(NamedTuple):
    """Where the states of one text are: in which file, from which token on, and how many tokens."""

    file: Path
    start: int
    tokens: int


class StateStore:
    """Hidden states [tokens, dimension] by a key of 16 bytes.

    :param folder: holds the states of one encoder up to one layer; created when first written to.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._dimension = dimension
        self._places: dict[bytes, _Place] = {}
        for index in sorted(folder.glob("*.index")):
            self._add_places(index)
        self._own, self._written = folder / f"{uuid4().hex}.states", 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, key: bytes) -> Halves:
        """The states of a text, [tokens, dimension].

        :raises KeyError: there are none.
        """
        place = self._places[key]
        width = 2 * self._dimension
        with place.file.open("rb", buffering=0) as file:
            file.seek(place.start * width)
            return np.frombuffer(file.read(place.tokens * width), "<f2").reshape(place.tokens, self._dimension)

    def add(self, states: Mapping[bytes, Halves]) -> None:
        """Store the states of new texts."""
        self._own.parent.mkdir(parents=True, exist_ok=True)
        records = np.empty(len(states), _RECORD)
        with self._own.open("ab") as file:
            for place, (key, own) in enumerate(states.items()):
                file.write(own.astype("<f2").tobytes())
                records[place] = key, self._written, len(own)
                self._places[key] = _Place(self._own, self._written, len(own))
                self._written += len(own)
        with self._own.with_suffix(".index").open("ab") as file:
            file.write(records.tobytes())

    def _add_places(self, index: Path) -> None:
        """Add the texts of another process's files; records whose states are not all there are ignored."""
        states = index.with_suffix(".states")
        complete = states.stat().st_size // (2 * self._dimension) if states.is_file() else 0
        data = index.read_bytes()
        for key, start, tokens in np.frombuffer(data, _RECORD, len(data) // _RECORD.itemsize).tolist():
            if start >= 0 and tokens > 0 and start + tokens <= complete:
                self._places[key.ljust(KEY_BYTES, b"\0")] = _Place(states, start, tokens)
