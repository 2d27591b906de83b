"""Images: what is decoded and how, and what is refused before a pixel is."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial

import pytest
from PIL import Image as Pillow

from panglot.data.image import decode, decode_batches, find_damaged
from panglot.errors import BadData
from tests.helpers.images import encoded, image_of, numbered


def _claiming(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims to be of this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_transparent_pixels_become_white() -> None:
    clear = Pillow.new("RGBA", (4, 3), (255, 0, 0, 0))
    clear.putpixel((1, 1), (255, 0, 0, 255))
    found = decode(image_of(encoded(clear)))
    assert (found.mode, found.size) == ("RGB", (4, 3))
    assert [found.getpixel((0, 0)), found.getpixel((1, 1))] == [(255, 255, 255), (255, 0, 0)]
    palette = Pillow.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 255, 0, 255, 0])
    palette.putpixel((0, 0), 1)
    content = io.BytesIO()
    palette.save(content, "PNG", transparency=0)
    assert [decode(image_of(content.getvalue())).getpixel(at) for at in ((0, 0), (1, 1))] == [
        (0, 255, 0),
        (255, 255, 255),
    ]


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("P", "GIF"), ("I;16", "PNG"), ("1", "PNG")]
)
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    assert decode(image_of(encoded(Pillow.new(mode, (5, 4)), kind))).mode == "RGB"


def test_exif_orientation_is_applied() -> None:
    content = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (6, 2)).save(content, "JPEG", exif=exif)
    assert decode(image_of(content.getvalue())).size == (2, 6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an image that cannot be decoded"),
        (b"<html>not found</html>", "an image that cannot be decoded"),
        (encoded(Pillow.effect_noise((64, 64), 9).convert("RGB"), "JPEG")[:-300], "an image that cannot be decoded"),
        (encoded(Pillow.new("RGB", (1, 1))), "an image of a single pixel"),
        (_claiming(20_000, 3), "20000 × 3 pixels, over the limit of 16,384 per side"),
        (_claiming(9_000, 9_000), "9000 × 9000 pixels"),
        (_claiming(60_000, 60_000), "an image that cannot be decoded|60000"),
    ],
    ids=["empty", "html", "truncated", "1x1", "wide", "large", "bomb"],
)
def test_file_without_an_image_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadData, match=message):
        decode(image_of(data))
    assert list(find_damaged([image_of(numbered(1)), image_of(data)])) == [image_of(data).sha256]


def test_batches_of_any_size_come_in_order() -> None:
    images = [image_of(numbered(number)) for number in range(11)]
    for size in (1, 4, 11, 20):
        batches = list(decode_batches(images, partial(int, size)))
        assert [len(batch) for batch in batches][:-1] == [size] * (len(batches) - 1)
        assert [picture.getpixel((0, 0))[0] for batch in batches for picture in batch] == list(range(11))
