"""Distinct texts in a memory-mapped file: millions take little memory, and each becomes a string when it is read."""

from __future__ import annotations

import hashlib
import mmap
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile, gettempdir
from typing import overload
from weakref import finalize

import numpy as np

from panglot.arrays import Ints
from panglot.errors import PanglotError
from panglot.train.data.words import normalised

CHUNK = 1 << 20
"""Bytes of texts that are read at a time."""
_CODE = ("utf-8", "surrogatepass")


class Texts(Sequence[str]):
    """An immutable sequence of texts: bytes in UTF-8, and the end of each text in them, [texts]."""

    def __init__(self, data: bytes | mmap.mmap, ends: Ints) -> None:
        self._data = data
        self._bounds = np.concatenate([[0], ends])

    def __reduce__(self) -> tuple[type[Texts], tuple[bytes, Ints]]:
        """For processes that load batches: a mapped file cannot be sent to them, its content can."""
        return Texts, (bytes(self._data), self._bounds[1:])

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        if not -len(self) <= place < len(self):
            raise IndexError(place)  # ends an iteration by index
        return self.take(np.array([place % len(self)]))[0]

    def __iter__(self) -> Iterator[str]:
        return (text for _, texts in self.chunks(np.arange(len(self))) for text in texts)

    @property
    def digest(self) -> bytes:
        """A hash of all texts."""
        found = hashlib.sha256(self._bounds.tobytes())
        found.update(self._data)
        return found.digest()

    def take(self, places: Ints) -> list[str]:
        """The texts at these places."""
        starts, ends = self._bounds[:-1][places].tolist(), self._bounds[1:][places].tolist()
        return [self._data[start:end].decode(*_CODE) for start, end in zip(starts, ends, strict=True)]

    def chunks(self, places: Ints) -> Iterator[tuple[Ints, list[str]]]:
        """The texts at these places, a few megabytes at a time, with the places of each chunk."""
        return ((part, self.take(part)) for part in self._parts(places))

    def lines(self, places: Ints) -> Iterator[tuple[Ints, bytes]]:
        """The same as `chunks`, in UTF-8 with a line feed between texts, which must have none of their own."""
        for part in self._parts(places):
            starts, ends = self._bounds[:-1][part].tolist(), self._bounds[1:][part].tolist()
            yield part, b"\n".join([self._data[start:end] for start, end in zip(starts, ends, strict=True)])

    def _parts(self, places: Ints) -> list[Ints]:
        """The places in parts with about `CHUNK` bytes of texts each."""
        sizes = np.cumsum(np.diff(self._bounds)[places])
        return np.split(places, np.flatnonzero(np.diff(sizes // CHUNK)) + 1)


@contextmanager
def _writing() -> Iterator[None]:
    """Say where temporary files are if they cannot be written.

    :raises PanglotError: the disk is full, or the folder is not writable.
    """
    try:
        yield
    except OSError as error:
        raise PanglotError(
            f"Temporary files cannot be written to {gettempdir()}: {error.strerror}. Free some space there, or set "
            "TMPDIR to another folder."
        ) from error


class TextFile:
    """A temporary file to which texts are added, one after another."""

    def __init__(self) -> None:
        with _writing():
            self._file = TemporaryFile()  # noqa: SIM115
        finalize(self, self._file.close)
        self._ends = array("q")

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, texts: Sequence[str]) -> None:
        """Add texts at the end."""
        coded = [text.encode(*_CODE) for text in texts]
        written = self._ends[-1] if self._ends else 0
        self._ends.frombytes((written + np.cumsum([len(text) for text in coded], dtype=np.int64)).tobytes())
        with _writing():
            self._file.write(b"".join(coded))

    def texts(self) -> Texts:
        """All texts that were added."""
        with _writing():
            self._file.flush()
        empty = not self._ends or not self._ends[-1]
        data = b"" if empty else mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return Texts(data, np.array(self._ends, np.int64))


class TextStore:
    """Collects texts, each once, and numbers them. Texts that differ only in case share a second number, their fold.

    Texts count as equal if 64 bits of their hashes agree.
    """

    def __init__(self) -> None:
        self._texts, self._plain = TextFile(), TextFile()
        self._folded = array("q")
        self._hashes = np.empty(0, np.int64)
        """The hashes of all texts, sorted."""
        self._numbers = np.empty(0, np.int64)
        """The numbers of the texts with these hashes."""

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def fold(self) -> Ints:
        """The fold of each text [texts]: the number of the first text that equals it except in case."""
        _, first, inverse = np.unique(np.frombuffer(self._folded, np.int64), return_index=True, return_inverse=True)
        return first[inverse]

    def add(self, texts: Sequence[str]) -> Ints:
        """The numbers of these texts, [texts]; new ones are stored in their order.

        Add many at a time: each call merges their hashes into those of all.
        """
        hashes, first, inverse = np.unique(
            np.fromiter(map(hash, texts), np.int64, len(texts)), return_index=True, return_inverse=True
        )
        places = np.searchsorted(self._hashes, hashes)
        known = places < len(self)
        known[known] = self._hashes[places[known]] == hashes[known]
        numbers = np.empty(len(hashes), np.int64)
        numbers[known] = self._numbers[places[known]]
        new = np.flatnonzero(~known)
        order = new[np.argsort(first[new])]
        numbers[order] = np.arange(len(self), len(self) + len(order))
        self._hashes = np.insert(self._hashes, places[new], hashes[new])
        self._numbers = np.insert(self._numbers, places[new], numbers[new])
        self._store([texts[place] for place in first[order].tolist()])
        return numbers[inverse]

    def texts(self) -> Texts:
        """All texts, by number."""
        return self._texts.texts()

    def plain(self) -> Texts:
        """All texts as `normalised` leaves them, by number."""
        return self._plain.texts()

    def _store(self, texts: list[str]) -> None:
        self._texts.add(texts)
        self._plain.add(normalised(texts))
        self._folded.extend(hash(text.casefold()) for text in texts)
