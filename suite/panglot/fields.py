"""What names, texts, numbers, hashes and dates may be in any record: a result, a card, an attestation, a reported row.

A `Name` is what a submission calls something: no two of them look alike. A `Label` is what a person may call something
on their own machine, in any script. Neither holds a character that a reader cannot see.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

LONGEST_NAME = 200
LONGEST_LINE = 500
LONGEST_TEXT = 10_000
MOST_TOKENS = 10**8
"""Tokenizers without a limit state one of 10^30."""
CLOCK_SKEW = timedelta(hours=1)
"""By how much the clock of the machine that measured may be ahead of the one that reads."""

_MOMENT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_JOINERS = "\u200c\u200d"
"""Invisible, and yet spelling: Persian, Hindi and others need them between letters."""


def check_text(text: str, allowed: str = f"\n\t{_JOINERS}") -> str:
    """The text, if a person sees in it what a program does.

    :raises ValueError: it is too long, or has characters that show nothing or turn the direction of reading.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT:,} characters")
    odd = next((char for char in text if char not in allowed and unicodedata.category(char)[0] == "C"), None)
    if odd is not None:
        raise ValueError(f"has the invisible character U+{ord(odd):04X}")
    return text


def check_line(line: str) -> str:
    """The line, if it is one and can be seen whole.

    :raises ValueError: it is too long, has white space at an end, or an invisible character.
    """
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE} characters")
    if line != line.strip():
        raise ValueError("begins or ends with white space")
    return check_text(line, allowed="")


def check_name(name: str) -> str:
    """The name, if it cannot be taken for another one or for a formula: printable ASCII, which has no look-alikes.

    :raises ValueError: it is empty or too long, has other characters, or begins as a spreadsheet's formula does.
    """
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"must have 1 to {LONGEST_NAME} characters")
    if not (name.isascii() and name.isprintable()) or name != name.strip():
        raise ValueError("must be in printable ASCII characters, so that no two names look alike")
    if name[0] in "=+-@":
        raise ValueError(f"must not begin with {name[0]}, which opens a formula in spreadsheets")
    return name


def check_moment(text: str) -> str:
    """The moment, if it is ISO 8601 in UTC and has been.

    :raises ValueError: it is no such date, is in another time zone, or lies in the future.
    """
    try:
        moment = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
    except ValueError as error:
        raise ValueError("must be a date and time in ISO 8601, as in 2026-01-31T12:00:00+00:00") from error
    if moment.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC, with +00:00 at its end")
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("lies in the future")
    return text


Text: TypeAlias = Annotated[str, AfterValidator(check_text)]
Line: TypeAlias = Annotated[str, AfterValidator(check_line)]
Label: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(check_line)]
Name: TypeAlias = Annotated[str, AfterValidator(check_name)]
Moment: TypeAlias = Annotated[str, AfterValidator(check_moment)]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Count: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 31)]
Positive: TypeAlias = Annotated[int, Field(ge=1, lt=1 << 31)]
Amount: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
"""Seconds, texts a second, tokens a word: what is measured and cannot be negative."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

Parameters: TypeAlias = Annotated[int, Field(ge=1, le=10**14)]
Dimension: TypeAlias = Annotated[int, Field(ge=1, le=10**7)]
Tokens: TypeAlias = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
