"""Field types shared by all records (results, cards, attestations, reported rows): names, texts, numbers, dates.

A `Name` identifies something in a submission; no two names look alike. A `Label` is a user's own name for something,
in any script. Neither contains invisible characters or begins like a spreadsheet formula.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

LONGEST_NAME = 200
LONGEST_LINE = 500
LONGEST_TEXT = 10_000
MOST_TOKENS = 10**8
"""Tokenizers without a limit report 10^30."""
MOST_MARKS = 10
"""Combining marks on one character; the deepest stacks of Tibetan and of Hebrew with accents have fewer."""
CLOCK_SKEW = timedelta(hours=1)
"""Maximum time by which the clock of the measuring machine may be ahead of the reader's."""

FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
"""Characters that start a formula in some spreadsheet; it reads their wide forms alike."""

_FORMULA = re.compile(rf"(^|[;\t\r\n])([\s\"'`]*[{re.escape(FORMULA)}])")
"""Where a text begins, or goes on behind what divides cells in some countries, as some spreadsheet takes for a
formula."""

LINK = r"https://[A-Za-z0-9.-]{4,253}(:[0-9]{1,5})?([/?#][!-~]{0,300})?"
"""A page on the web, with a plain host: what stands before an @ could be taken for one."""

_MOMENT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_BLANK = "\u2028\u2029\u115f\u1160\u3164\uffa0"
"""Line and paragraph separators, and fillers of Korean syllables, which are letters and show nothing."""
_COMMAND = re.compile(r"(?:^|\s)::[A-Za-z]+|##\w*\[")
"""What the runner of some CI takes for a command where it begins a line or, as `##[`, anywhere; lines can be folded."""
_JOINERS = "\u200c\u200d"
"""Invisible, but part of the spelling in Persian, Hindi and other languages."""


def check_text(text: str, allowed: str = f"\n\t{_JOINERS}") -> str:
    """Return the text if it is short enough and has no invisible characters except those in `allowed`.

    :raises ValueError: the text is too long, has control, zero-width or bidirectional characters, or towers of marks,
        or begins a command of CI.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT:,} characters")
    kinds = "".join(map(unicodedata.category, text))  # two letters for each character
    if "C" in kinds or not text.isascii():
        odd = next((char for char in text if char not in allowed and _is_invisible(char)), None)
        if odd is not None:
            raise ValueError(f"contains the invisible character U+{ord(odd):04X}")
    if command := _COMMAND.search(text):
        raise ValueError(f"contains {command[0].strip()}, which begins a command in the logs of some CI")
    if "Mn" * (MOST_MARKS + 1) in kinds.replace("Me", "Mn"):
        raise ValueError(f"has more than {MOST_MARKS} combining marks on one character, which cover others")
    return text


def _is_invisible(char: str) -> bool:
    return char in _BLANK or unicodedata.category(char)[0] == "C"


def check_line(line: str) -> str:
    """Return the line if it is a single, fully visible line.

    :raises ValueError: the line is too long, begins or ends with white space, or contains an invisible character.
    """
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE} characters")
    if line != line.strip():
        raise ValueError("begins or ends with white space")
    return check_text(line, allowed="")


def check_label(label: str) -> str:
    """Return the label if it is a line that no spreadsheet takes for a formula, quoted or not.

    :raises ValueError: the label is empty, begins like a spreadsheet formula, or is not a line (see `check_line`).
    """
    if not label:
        raise ValueError("must have at least 1 character")
    first = label.lstrip("\"'` ")[:1]
    if first and first in FORMULA:
        raise ValueError(f"must not begin with {first}, which starts a formula in spreadsheets")
    return check_line(label)


def no_formula(value: Any) -> Any:
    """The value of a cell with an apostrophe before whatever text a spreadsheet would take for a formula."""
    return _FORMULA.sub(r"\1'\2", value) if isinstance(value, str) else value


def check_name(name: str) -> str:
    """Return the name if it is printable ASCII, so that no two names look alike, and not a spreadsheet formula.

    :raises ValueError: the name is empty or too long, has other characters, or begins like a spreadsheet formula.
    """
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"must have 1 to {LONGEST_NAME} characters")
    if not (name.isascii() and name.isprintable()) or name != name.strip():
        raise ValueError("must contain only printable ASCII characters, so that no two names look alike")
    return check_label(name)


def check_moment(text: str) -> str:
    """Return the timestamp if it is an ISO 8601 date and time in UTC, and in the past.

    :raises ValueError: the text is not such a date and time, is not in UTC, or is in the future.
    """
    try:
        moment = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
    except ValueError as error:
        raise ValueError("must be a date and time in ISO 8601, such as 2026-01-31T12:00:00+00:00") from error
    if moment.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC, ending with +00:00")
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("is in the future")
    return text


Text: TypeAlias = Annotated[str, AfterValidator(check_text)]
Line: TypeAlias = Annotated[str, AfterValidator(check_line)]
Label: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(check_label)]
Name: TypeAlias = Annotated[str, AfterValidator(check_name)]
Moment: TypeAlias = Annotated[str, AfterValidator(check_moment)]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Count: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 31)]
Pairs: TypeAlias = Annotated[int, Field(ge=0, le=1 << 53)]
"""Pairs of queries and candidates, of which there can be more than a `Count` holds."""
Positive: TypeAlias = Annotated[int, Field(ge=1, lt=1 << 31)]
Amount: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
"""A non-negative measurement: seconds, texts per second, tokens per word."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

Parameters: TypeAlias = Annotated[int, Field(ge=1, le=10**14)]
Dimension: TypeAlias = Annotated[int, Field(ge=1, le=10**7)]
Tokens: TypeAlias = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
