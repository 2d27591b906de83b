"""Read lines of text files; gzip and byte order marks are detected by the first bytes, not by the file name.

Only `\\n` and `\\r\\n` end a line; U+2028 and similar characters are part of the text.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from panglot.errors import BadData, MissingData

LONGEST_LINE = 64 << 20
"""Maximum number of bytes in a line: whatever has no lines, such as a device, must not fill the memory."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
BLANKS = " \t\n\r\x0b\f"
"""A line of these only is blank."""
_OTHER_FORMS = {
    b"\xff\xfe\0\0": "in UTF-32. Save it as UTF-8",
    b"\0\0\xfe\xff": "in UTF-32. Save it as UTF-8",
    b"\xff\xfe": "in UTF-16. Save it as UTF-8",
    b"\xfe\xff": "in UTF-16. Save it as UTF-8",
    b"PK\x03\x04": "a zip archive, or an Excel workbook. Unpack it, or save it as CSV in UTF-8",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Unpack it, or compress it with gzip",
    b"PAR1": "in Parquet. Rename it to end with .parquet",
    b"\xfd7zXZ": "compressed with xz. Unpack it, or compress it with gzip",
}


def read_lines(path: Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """Yield the non-blank lines of a UTF-8 file without line endings, each with its number, counting from 1.

    `longest` limits the number of bytes in a line.

    :raises MissingData: the file does not exist.
    :raises BadData: the file cannot be read, is damaged or truncated, is not UTF-8, or has a line that is too long.
    """
    for number, line in read_all_lines(path, longest):
        text = line.rstrip("\r\n")
        if text.strip(BLANKS):
            yield number, text


def read_all_lines(path: Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """Yield all lines of a UTF-8 file with their endings; otherwise as `read_lines`.

    :raises MissingData: see `read_lines`.
    :raises BadData: see `read_lines`.
    """
    try:
        with open_unpacked(path) as file:
            for number, raw in enumerate(_raw_lines(file, longest), start=1):
                line = raw.removeprefix(_BOM) if number == 1 else raw
                if len(line.rstrip(b"\r\n")) > longest:
                    raise BadData(f"{path}, line {number}: the line is longer than {longest:,} bytes.")
                yield number, _decode(path, number, line)
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise BadData(f"{path} is a folder, not a file.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadData(f"{path} is damaged or truncated. {error}.") from error
    except OSError as error:
        raise BadData(f"{path} cannot be read. {error.strerror}.") from error


def parse_number(text: str) -> float | None:
    """Parse a finite decimal number in ASCII; None for other forms that `float` accepts: `inf`, `1_0`, other digits."""
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a text file in binary mode and decompress gzip; the file is opened once, so it may be a pipe.

    :raises OSError: the file cannot be opened.
    :raises BadData: the file is in another format, such as a zip archive.
    """
    with path.open("rb") as file:
        start = file.peek(8)
        form = next((form for magic, form in _OTHER_FORMS.items() if start.startswith(magic)), None)
        if form:
            raise BadData(f"{path} is {form}.")
        if start.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield file


def _raw_lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """Yield lines with their endings; a line over the limit is read only far enough to detect it."""
    limit = longest + len(_BOM) + len(b"\r\n")
    while line := file.readline(limit):
        yield line


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise BadData(
            f"{path}, line {number}: not UTF-8 (byte 0x{byte:02x} at position {error.start + 1}). Save it as UTF-8."
        ) from error
