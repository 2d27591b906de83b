"""What can go wrong, for people.

PanglotError            shown as its message alone, exit code 2
├── UnknownName         no task, model or metric of that name; the nearest names
├── MissingData         data that is not here; where it was looked for and how to get it
├── BadData             data that is here but damaged, changed or contradictory
├── BadEncoder          a model that cannot be loaded or returns something that is no vector
│   └── RefusedInput    one input that a model refuses, by its place in the batch
├── BadResult           a result file that cannot be read
└── MissingExtra        an optional library; the exact command that installs it

Anything else that reaches the top is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from panglot.plain import plain


class PanglotError(Exception):
    """Something that the person at the keyboard can fix; the message says how.

    It is plain text on one line, whatever names of files or words of other libraries it quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain(" ".join(message.split("\n"))))

    def __reduce__(self) -> Any:
        """What another process sends: the message and fields, since kinds differ in what they are made of."""
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[PanglotError], args: tuple[str], fields: dict[str, Any]) -> PanglotError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


class UnknownName(PanglotError):
    """A name that means nothing here, with the nearest names that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        names = sorted(known)
        nearest = get_close_matches(name.lower(), names, n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(nearest)}?" if nearest else f"Known: {', '.join(names)}."
        super().__init__(" ".join(part for part in (f"Unknown {kind} '{name}'.", hint, advice) if part))


class MissingData(PanglotError):
    """Data that is not where it was looked for."""


class BadData(PanglotError):
    """Data that contradicts itself or its checksum."""


class BadEncoder(PanglotError):
    """A model that cannot be loaded, or that returns something that is no vector."""


class RefusedInput(BadEncoder):
    """One input that a model refuses; `place` is its index in the batch, from which the caller knows its id."""

    def __init__(self, model: str, place: int, text: str, reason: str) -> None:
        super().__init__(f"{model} failed on {text[:80]!r}. {reason}")
        self.place, self.reason = place, reason


class BadResult(PanglotError):
    """A result file that cannot be read as one."""


class MissingExtra(PanglotError):
    """A library that only some models need."""


def require(module: str, extra: str, purpose: str) -> None:
    """Check that an optional library is installed, without importing it.

    :raises MissingExtra: with the command that installs it.
    """
    if find_spec(module) is None:
        raise MissingExtra(f"{purpose} needs {module}. Install it with: pip install 'panglot[{extra}]'")


_LONGEST = 500
"""Letters shown of what code of others says."""


def spelled(error: BaseException) -> str:
    """What code of others raised, on one line, with the last line of a person's own code that it came through.

    As `ValueError: too short (encoder.py:12: return make(texts))`. Code of libraries and of the suite is not named: the
    person did not write it.
    """
    try:
        message = " ".join(str(error).split())
    except Exception:  # whatever a stranger's __str__ does
        message = ""
    shown = message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}..."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    place = f" ({_short(frames[-1].filename)}:{frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{type(error).__name__}{': ' if shown else ''}{shown}{place}"


def _is_own(file: str) -> bool:
    """Whether a file is neither of the suite, nor of Python, nor of an installed package."""
    library, suite = Path(sysconfig.get_path("stdlib")), Path(__file__).parent
    path = Path(file)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not (file.startswith("<") or installed or path.is_relative_to(library) or path.is_relative_to(suite))


def _short(file: str) -> str:
    """A file as seen from the working folder, if it is below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
