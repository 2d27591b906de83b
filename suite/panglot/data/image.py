"""Images: identified by the hash of their bytes, read on demand, decoded in threads."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from panglot.errors import BadData, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

IMAGES = "zxx"
"""The language code of images: no linguistic content (ISO 639-2)."""

THREADS = min(32, max(4, os.cpu_count() or 1))
"""Threads that decode; Pillow releases Python's lock, so each keeps a core busy."""

LONGEST_SIDE = 16_384
MOST_PIXELS = 64_000_000
"""More than any photograph in a data set has; a file of one kilobyte can declare gigabytes of pixels."""


@dataclass(frozen=True)
class Image:
    """An image file, identified by the SHA-256 of its bytes; `read` returns them and can be called from any thread."""

    sha256: str
    read: Callable[[], bytes] = field(compare=False, repr=False)


def in_memory(data: bytes) -> Image:
    """Return an image file in memory."""
    return Image(hashlib.sha256(data).hexdigest(), lambda: data)


def decode(image: Image) -> Picture:
    """Decode to RGB; transparent pixels become white, and the EXIF orientation is applied.

    The size is checked before any pixel is decoded.

    :raises BadData: the file is not an image, is truncated, or its size is out of bounds.
    :raises MissingExtra: Pillow is not installed.
    """
    require("PIL", "image", "An image")
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        picture = Pillow.open(io.BytesIO(image.read()))
        _check_size(*picture.size)
        return _on_white(ImageOps.exif_transpose(picture))
    except BadData:
        raise
    except Exception as error:  # decoders raise exceptions of any type for damaged files
        raise BadData(f"an image that cannot be decoded ({str(error)[:100] or type(error).__name__})") from error


def decode_batches(images: Sequence[Image], size: Callable[[], int]) -> Iterator[list[Picture]]:
    """Yield all images decoded, in order, `size()` at a time; the next batch is decoded while the last one is used."""
    with ThreadPoolExecutor(THREADS) as threads:
        waiting: deque[list[Future[Picture]]] = deque()
        start = 0
        while start < len(images):
            part = images[start : start + size()]
            waiting.append([threads.submit(decode, image) for image in part])
            start += len(part)
            if len(waiting) > 1:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def find_damaged(images: Sequence[Image]) -> dict[str, str]:
    """Return why images cannot be used, by SHA-256; usable images are not included."""
    unique = {image.sha256: image for image in images}
    with ThreadPoolExecutor(THREADS) as threads:
        return {
            sha256: fault for sha256, fault in zip(unique, threads.map(_fault, unique.values()), strict=True) if fault
        }


def _fault(image: Image) -> str:
    try:
        decode(image)
    except BadData as error:
        return str(error)
    return ""


def _check_size(width: int, height: int) -> None:
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        limits = f"{LONGEST_SIDE:,} per side or {MOST_PIXELS:,}"
        raise BadData(f"an image of {width} × {height} pixels, over the limit of {limits}")
    if width * height < 2:
        raise BadData("an image of a single pixel")


def _on_white(picture: Picture) -> Picture:
    from PIL import Image as Pillow

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer).convert("RGB")
