"""Files of strangers: none is reached through a link, and whatever goes wrong with one stays with it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from panglot.errors import BadResult, PanglotError, in_our_words
from panglot.plain import plain
from panglot.trust.submission import FILE_NAME

_LOG = logging.getLogger(__name__)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def contained(file: str, refused: dict[str, str]) -> Iterator[None]:
    """Put what goes wrong with a file into `refused`, in words, and go on behind the block."""
    file = plain(file)
    try:
        yield
    except PanglotError as error:
        refused[file] = str(error)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
        refused[file] = f"{'.'.join(map(str, fault['loc']))}: {in_our_words(fault['msg'])}."[:300]
    except Exception as error:  # files can be odd in ways that nobody has thought of
        _LOG.debug("%s", file, exc_info=True)
        refused[file] = f"It cannot be shown. {type(error).__name__}: {str(error)[:200]}"


def check_regular(path: Path) -> None:
    """Check that a file in the folder of a submission is one, and lies in that folder itself.

    :raises BadResult: it is a link, a folder or a device, or its folder is a link.
    """
    if not is_regular(path):
        raise BadResult(
            f"{path} is missing, or is a link, a folder or a device. A submission holds regular files only."
        )


def check_named(path: Path) -> None:
    """Check that a file is called as those of a submission are: in few characters, all of them plain.

    :raises BadResult: it is not.
    """
    if not FILE_NAME.fullmatch(path.name):
        raise BadResult("Its name is not valid for a file of a submission. Rename or remove it.")


def is_regular(path: Path) -> bool:
    """Whether a file is there without any link on the way from the folder of submissions."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and not path.parent.is_symlink()
    except OSError:
        return False


def read_regular(path: Path) -> bytes:
    """The bytes of a file that may have been replaced by a link since it was looked at.

    :raises BadResult: it was.
    """
    check_regular(path)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINK), "rb") as file:
            return file.read()
    except OSError as error:
        raise BadResult(f"{path} cannot be read. {error.strerror}.") from error
