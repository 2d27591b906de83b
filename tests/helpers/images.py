"""Generated images and image-text sets, for tests."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image as Pillow
from PIL.Image import Image as Picture

from panglot.data.image import Image
from panglot.data.readers.captions import Caption, ImageText, Shown
from panglot.encode.card import ModelCard


def encoded(picture: Picture, kind: str = "PNG") -> bytes:
    """The file of a picture."""
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


def image_of(data: bytes) -> Image:
    """An image whose file is these bytes."""
    return Image(hashlib.sha256(data).hexdigest(), partial(bytes, data))


def numbered(number: int, side: int = 8) -> bytes:
    """A file that shows a number by its colour."""
    return encoded(Pillow.new("RGB", (side, side), (number % 256, number // 256 % 256, 7)))


def image_text(images: int, languages: Sequence[str], captions: int = 1, files: Sequence[bytes] = ()) -> ImageText:
    """So many images with so many captions each in every language; the text of a caption names its image."""
    data = files or [numbered(number) for number in range(images)]
    return ImageText(
        [Shown(f"i{n}", image_of(data[n]), f"i{n}", languages[n % len(languages)]) for n in range(images)],
        [
            Caption(f"{language}:i{n}:{k}", f"i{n}", language, f"{n} {language} {k}")
            for language in languages
            for n in range(images)
            for k in range(captions)
        ],
    )


class Numbers:
    """Knows the number that a caption or an image of `image_text` stands for, and counts what it is asked."""

    def __init__(self, dimension: int = 64, noise: float = 0.0) -> None:
        self.card = ModelCard(name="numbers", revision="1", library="none")
        self.texts: list[tuple[str, str]] = []
        self.images = 0
        self._dimension, self._noise = dimension, noise

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.texts += [(role, text) for text in texts]
        return np.stack([self._vector(int(text.split()[0]), text) for text in texts])

    def encode_images(self, images: Sequence[Picture]) -> np.ndarray:
        self.images += len(images)
        pixels = [image.getpixel((0, 0)) for image in images]
        return np.stack([self._vector(red + 256 * green, "image") for red, green, _ in pixels])

    def _vector(self, number: int, text: str) -> np.ndarray:
        own = np.random.default_rng(number).standard_normal(self._dimension)
        seed = int.from_bytes(hashlib.blake2b(f"{number} {text}".encode(), digest_size=8).digest())
        return own + self._noise * np.random.default_rng(seed).standard_normal(self._dimension)
