"""The vector cache, so that nothing is encoded twice.

A shelf has the vectors of one model in one role; its name is a hash of everything in the model card that affects
vectors. A shard is a file with the keys, vectors and token counts of some texts, named by its own SHA-256. It is
written to a temporary file and renamed, so that it is complete or absent, and damage is detected when it is read.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np

from panglot.arrays import Bools, Floats, Ints, read_arrays
from panglot.encode.card import ModelCard, Role
from panglot.errors import PanglotError
from panglot.files import cache_dir, check_writable

FORMAT = 1
VECTORS = "vectors"
"""The folder of the user's cache that holds vectors."""
UNCOUNTED = -1
"""Token count of a text whose encoder cannot count tokens."""

KEY_BYTES = 16
"""Length of the hash that identifies a text."""

PROCESS = uuid4().hex
"""Part of the key of unpinned models, so that no other process reuses their vectors."""

_NOT_IN_THE_KEY = frozenset({"parameters", "licence", "note"})
"""Card fields that do not affect vectors."""


@dataclass(frozen=True)
class Stored:
    """Vectors [texts, dim] and token counts [texts] where `there` [texts] is True; other rows are undefined."""

    there: Bools
    vectors: Floats
    tokens: Ints


class VectorCache:
    """A vector cache: all shelves below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def shelf(self, card: ModelCard, role: Role | Literal["image", "pair"]) -> Shelf:
        """Return the shelf of one model in one role; another prompt, precision, length or library is another shelf.

        The shelf of an unpinned model belongs to this process and is deleted when it ends. Images and pairs have
        shelves of their own, with keys made from the hashes of their bytes.
        """
        facts = {"format": FORMAT, "role": role, **card.model_dump(mode="json", exclude=set(_NOT_IN_THE_KEY))}
        facts["prompts"] = "" if role == "image" or role == "pair" else card.prompts.get(role, "")
        if not card.pinned:
            facts["process"] = PROCESS
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in card.name)[-60:]
        shelf = Shelf(self.root / f"{name}.{role}.{hashlib.sha256(text.encode()).hexdigest()[:16]}", text)
        if not card.pinned:
            forget_at_exit(shelf.folder)
        return shelf

    def shelves(self) -> Iterator[Shelf]:
        """Yield every existing shelf."""
        for facts in sorted(self.root.glob("*/shelf.json")):
            yield Shelf(facts.parent, facts.read_text(encoding="utf-8"))


def forget_at_exit(folder: Path) -> None:
    """Delete a folder of vectors, which no other process can use, when this process ends."""
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def open_cache(folder: Path | None = None, no_cache: bool = False) -> VectorCache | None:
    """The vector cache in a folder, by default the user's own; none with `no_cache`.

    :raises PanglotError: nothing can be written there.
    """
    if no_cache:
        return None
    root = folder or cache_dir(VECTORS)
    check_writable(root, "--cache")
    return VectorCache(root)


class Shelf:
    """The cached vectors of one model in one role, by text."""

    def __init__(self, folder: Path, facts: str) -> None:
        self.folder = folder
        self.facts = facts

    def find(self, texts: Sequence[str]) -> Stored | None:
        """Return what is cached for these texts, or None if nothing is.

        Shards that are damaged, or whose dimension differs from the others, are deleted; their texts are encoded again.
        """
        place = {_key(text): index for index, text in enumerate(texts)}
        found: Stored | None = None
        width: int | None = json.loads(self.facts).get("dimension")
        for path in self.shards():
            shard = _read(path)
            if shard is None or shard[1].shape[1] != (width := width or shard[1].shape[1]):
                path.unlink(missing_ok=True)
                continue
            keys, vectors, tokens = shard
            rows = [(row, place[key]) for row, key in enumerate(keys) if key in place]
            if not rows:
                continue
            if found is None:
                shape = (len(texts), vectors.shape[1])
                found = Stored(np.zeros(len(texts), bool), np.empty(shape, np.float32), np.zeros(len(texts), np.int32))
            here, there = np.array(rows).T
            found.vectors[there], found.tokens[there], found.there[there] = vectors[here], tokens[here], True
        return found

    def add(self, texts: Sequence[str], vectors: Floats, tokens: Ints) -> None:
        """Write one shard with `vectors` [texts, dim] and `tokens` [texts].

        :raises PanglotError: the disk is full; shards written before remain valid.
        """
        from filelock import FileLock

        content = io.BytesIO()
        keys = np.frombuffer(b"".join(map(_key, texts)), np.uint8).reshape(len(texts), -1)
        np.savez(content, keys=keys, vectors=vectors.astype(np.float32), tokens=tokens.astype(np.int32))
        data = content.getvalue()
        unfinished = self.folder / f".{os.getpid()}.unfinished"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data)
            with FileLock(self.folder / ".lock"):
                if not (self.folder / "shelf.json").exists():
                    (self.folder / "shelf.json").write_text(self.facts, encoding="utf-8")
                os.replace(unfinished, self.folder / f"{hashlib.sha256(data).hexdigest()}.npz")
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise PanglotError(
                    f"The disk with the vector cache {self.folder.parent} is full. Existing entries remain valid. Free "
                    "some space (panglot cache prune), choose another folder with --cache, or use --no-cache."
                ) from error
            raise

    def shards(self) -> list[Path]:
        """Return the files of this shelf."""
        return sorted(self.folder.glob("*.npz"))

    @property
    def size(self) -> int:
        """Size on disk in bytes."""
        return sum(path.stat().st_size for path in self.shards())

    @property
    def unused_days(self) -> float:
        """Days since a shard was added last."""
        return (time.time() - max((path.stat().st_mtime for path in self.shards()), default=0)) / 86_400

    def damaged(self) -> list[Path]:
        """Return the shards whose content does not match their name."""
        return [path for path in self.shards() if _read(path) is None]

    def remove(self) -> None:
        """Delete the shelf."""
        from filelock import FileLock

        with FileLock(self.folder / ".lock"):
            for path in [*self.shards(), self.folder / "shelf.json", *self.folder.glob(".*.unfinished")]:
                path.unlink(missing_ok=True)
        (self.folder / ".lock").unlink(missing_ok=True)
        self.folder.rmdir()


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def _read(path: Path) -> tuple[list[bytes], Floats, Ints] | None:
    """Read keys, vectors and token counts of a shard; None if it is damaged, has another shape, or is gone."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.stem:
            return None
        keys, vectors, tokens = read_arrays(data, "keys", "vectors", "tokens")
        rows = len(tokens) if tokens.ndim == 1 else -1
        shapes = (keys.shape, vectors.ndim, vectors.shape[:1])
        kinds = [array.dtype for array in (keys, vectors, tokens)]
        if shapes != ((rows, KEY_BYTES), 2, (rows,)) or kinds != [np.uint8, np.float32, np.int32]:
            return None
        return [key.tobytes() for key in keys], vectors, tokens
    except (OSError, ValueError):
        return None
