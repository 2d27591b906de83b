"""The settings in the order of tables, and what they ask."""

from __future__ import annotations

from collections.abc import Mapping

SETTINGS = ("mono", "cross", "multi")

SCORES = (*SETTINGS, "balance")
"""What one model has on one task by each metric."""

MEANINGS: Mapping[str, str] = {
    "mono": "Queries and candidates in one language, mean over languages: does it retrieve inside each language?",
    "cross": "Candidates in one other language, mean over ordered pairs: does it retrieve across each pair?",
    "multi": "Candidates of all languages in one pool, mean over query languages: does it retrieve when they compete?",
    "balance": "Harmonic mean of mono, cross and multi: it falls when one is bought at another's expense.",
}
