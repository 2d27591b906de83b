"""Names that a hurried reader takes for one another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LATIN = str.maketrans(
    "авеікмнорстухјѕһԁԛԝɡɑαβεικνορτυχωΒΕΖΗΙΚΜΝΟΡΤΥΧℓ", "abeikmhopctyxjshdqwgaabeikvoptyxwBEZHIKMNOPTYXl"
)
"""Letters of other scripts that look like Latin ones."""
_ALIKE = {"rn": "m", "vv": "w", "0": "o", "1": "l", "i": "l", "|": "l"}
"""After folding case: what looks alike in many fonts."""


def skeleton(name: str) -> str:
    """What names have in common that a hurried reader takes for one another; not itself a name.

    Case, marks, invisible characters, punctuation and wide forms make no difference, nor do letters that look alike.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).translate(_LATIN))
    plain = plain.casefold().translate(_LATIN)
    for seen, meant in _ALIKE.items():
        plain = plain.replace(seen, meant)
    return re.sub(r"[\W_\u115f\u1160]", "", plain)  # the last two are letters that show nothing


def imitated(name: str, known: Iterable[str]) -> str | None:
    """Which of the known names another name could be taken for, if any; a known name imitates none."""
    names = list(known)
    looks = skeleton(name)
    return None if name in names else next((other for other in names if _reads_as(looks, skeleton(other))), None)


def _reads_as(looks: str, other: str) -> bool:
    """Whether one skeleton can be read as the other; no table has every letter, so each that is not ASCII fits any.

    At least one letter must be the same: a name in another script altogether is not taken for an ASCII one.
    """
    pairs = list(zip(looks, other, strict=False))
    return looks == other or (
        len(looks) == len(other)
        and all(seen == meant or not seen.isascii() for seen, meant in pairs)
        and any(seen == meant for seen, meant in pairs)
    )
