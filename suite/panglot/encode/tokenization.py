"""Statistics of a model's tokenizer by language: truncation, and tokens per word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Items
from panglot.languages import is_unspaced

Reading: TypeAlias = Literal["truncated", "tokens_per_word"]


def reading_by_language(
    tokens: Ints, items: Items, languages: Sequence[str], max_length: int | None
) -> dict[str, dict[Reading, float]]:
    """Return the share of `truncated` texts and the `tokens_per_word` of each language; empty without token counts.

    `tokens` [items] counts the tokens of each text before truncation.
    In scripts without spaces every character counts as a word.
    """
    if tokens.max(initial=0) <= 0:
        return {}
    found: dict[str, dict[Reading, float]] = {}
    for place, language in enumerate(languages):
        here = np.flatnonzero(items.language == place)
        if len(here):
            own = tokens[here]
            words = sum(_words(items.texts[index], language) for index in here)
            found[language] = {
                "truncated": float((own > max_length).mean()) if max_length else 0.0,
                "tokens_per_word": float(own.sum() / max(words, 1)),
            }
    return found


def _words(text: str, language: str) -> int:
    words = text.split()
    return len("".join(words)) if is_unspaced(language) else len(words)
