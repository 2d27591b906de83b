"""The evaluation settings, in the order of all tables, and what they measure."""

from __future__ import annotations

from collections.abc import Mapping

SETTINGS = ("mono", "cross", "multi")

SCORES = (*SETTINGS, "balance")
"""The scores of a model on a task for each metric."""

MEANINGS: Mapping[str, str] = {
    "mono": "Queries and candidates in the same language, mean over languages: retrieval within each language.",
    "cross": "Candidates in one other language, mean over ordered pairs: retrieval from one language to another.",
    "multi": "Candidates of all languages in one pool, mean over query languages: retrieval when languages compete.",
    "balance": "Harmonic mean of mono, cross and multi: it drops when one is improved at another's expense.",
}
