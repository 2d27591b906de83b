"""Errors that a user can fix.

PanglotError            only the message is shown; exit code 2
├── UnknownName         no task, model or metric has this name; suggests the nearest names
├── MissingData         data not found; says where it was searched for and how to get it
├── BadData             data that is damaged, changed or inconsistent
├── BadEncoder          a model that cannot be loaded or does not return valid vectors
│   └── RefusedInput    one input that a model rejects, by its index in the batch
├── BadResult           a result file that cannot be read
└── MissingExtra        an optional library; gives the command that installs it

Any other exception is a bug in Panglot and keeps its traceback.
"""

from __future__ import annotations

import errno
import re
import sysconfig
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from panglot.plain import plain


class PanglotError(Exception):
    """An error that the user can fix; the message says how.

    The message is always one line of plain text, even where it quotes file names or messages of other libraries.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain(" ".join(message.split("\n"))))

    def __reduce__(self) -> Any:
        """Pickle the message and the fields, since subclasses differ in their constructor arguments."""
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[PanglotError], args: tuple[str], fields: dict[str, Any]) -> PanglotError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


_MOST_NAMES = 40
"""Maximum number of names in a message; the verbs `tasks` and `models` list all."""


class UnknownName(PanglotError):
    """An unknown name; the message suggests the nearest known names. `within` is what has names of this kind."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "", within: object = "") -> None:
        names = sorted(known)
        nearest = get_close_matches(name.lower(), names, n=3, cutoff=0.6)
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        all_of_them = f"Known: {', '.join(names[:_MOST_NAMES])}{more}."
        hint = f"Did you mean {' or '.join(nearest)}?" if nearest else all_of_them
        said = f"{within} has no {kind} '{name}'." if within else f"Unknown {kind} '{name}'."
        super().__init__(" ".join(part for part in (said, hint, advice) if part))


class MissingData(PanglotError):
    """Data that was not found."""


class BadData(PanglotError):
    """Data that is inconsistent or does not match its checksum."""


class BadEncoder(PanglotError):
    """A model that cannot be loaded, or that does not return valid vectors."""


class RefusedInput(BadEncoder):
    """One input that a model rejects; `place` is its index in the batch, from which the caller finds its id."""

    def __init__(self, model: str, place: int, text: str, reason: str) -> None:
        super().__init__(f"{model} failed on {text[:80]!r}. {reason}")
        self.place, self.reason = place, reason


class BadResult(PanglotError):
    """A result file that cannot be read."""


class MissingExtra(PanglotError):
    """An optional library that is not installed."""


def require(module: str, extra: str, purpose: str) -> None:
    """Check that an optional library is installed, without importing it.

    :raises MissingExtra: the library is not installed; the message gives the command that installs it.
    """
    if find_spec(module) is None:
        raise MissingExtra(f"{purpose} needs {module}. Install it with: pip install 'panglot[{extra}]'")


_IN_OUR_WORDS = (
    (r"^Value error, ", ""),
    (r"^Input should ", "must "),
    (r"^must be greater than or equal to ", "must be at least "),
    (r"^must be less than or equal to ", "must be at most "),
    (r", unable to (?:parse|interpret) .*$", ""),
)
"""Patterns in what pydantic says about a value, and what replaces them."""


def in_our_words(message: str) -> str:
    """What pydantic says about a value, as the end of a sentence: `must be at least 1`."""
    for pattern, said in _IN_OUR_WORDS:
        message = re.sub(pattern, said, message, flags=re.DOTALL)
    return message


_LONGEST = 500
"""Maximum number of characters shown of another library's message."""


def spelled(error: BaseException) -> str:
    """Format a third-party exception on one line, with the last line of the user's own code in its traceback.

    For example `ValueError: too short (encoder.py:12: return make(texts))`. Lines of libraries and of Panglot are not
    shown, since the user did not write them.
    """
    try:
        message = " ".join(str(error).split())
    except Exception:  # a third-party __str__ can fail too
        message = ""
    shown = message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}..."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    place = f" ({_short(frames[-1].filename)}:{frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{type(error).__name__}{': ' if shown else ''}{shown}{place}"


def _is_own(file: str) -> bool:
    """Whether a file belongs neither to Panglot, nor to Python, nor to an installed package."""
    library, suite = Path(sysconfig.get_path("stdlib")), Path(__file__).parent
    path = Path(file)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not (file.startswith("<") or installed or path.is_relative_to(library) or path.is_relative_to(suite))


def _short(file: str) -> str:
    """The path relative to the working directory, if the file is inside it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


NO_SPACE = (
    "The disk is full. Free some space or choose another folder (--out, --into, --cache, XDG_CACHE_HOME); a run then "
    "resumes where it stopped."
)


def is_full(error: Exception) -> bool:
    """Whether a disk is full, or somebody's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def fixable(error: Exception) -> str | None:
    """Return the message for a user who can fix `error`: ours, a full disk, a path; None if it is a bug in Panglot."""
    if isinstance(error, PanglotError):
        return str(error)
    if not isinstance(error, OSError):
        return None
    if is_full(error):
        return f"{error.filename or 'A file'} cannot be written. {NO_SPACE}"
    if error.filename is None:
        return None
    return f"{error.filename}: {error.strerror}. Fix this or choose another path."
