"""How far a result can be trusted: levels that a check computes, and that no file can claim."""

from __future__ import annotations

from typing import Literal, TypeAlias

Level: TypeAlias = Literal["failed", "declared", "self-reported", "consistent", "recomputed", "reproduced"]
"""What verification finds; `declared` is for cards, which hold no scores that could be verified."""

Shown: TypeAlias = Level | Literal["not checked", "published", "reported"]
"""What a leaderboard shows: a level, or why there is none yet or cannot be one."""

MEANINGS: dict[str, str] = {
    "failed": "The files contradict each other or the task. The scores are not shown.",
    "not checked": "New or changed; verification is in progress.",
    "published": "Taken from a paper or another source; not measured with this suite.",
    "reported": "Measured by others with mteb, on cells that are the same. Never ranked among models with evidence.",
    "self-reported": "Scores only, without evidence to verify them.",
    "consistent": "Every score follows from the evidence, and languages, sizes and relevant pairs are those of the "
    "task, if it is one of the suite; its data was not available to compare ids and judgements.",
    "recomputed": "Every score follows from the evidence, and its queries, candidates and judgements are those of "
    "the task's data. The evidence itself may be invented.",
    "reproduced": "Recomputed, and a sample of queries, scored again with the named model, gave the same ranks.",
}
"""In rising order; the command line, the leaderboard and the documentation quote it."""

DECLARED = "The card agrees with the results; what else it states is the submitter's word."
"""Meaning of the level of cards."""

COMPARED: tuple[Level, ...] = ("recomputed", "reproduced")
"""Levels of results whose evidence was compared with the task's data: their queries and judgements are the task's."""

HOLDS: tuple[Level, ...] = ("consistent", *COMPARED)
"""Levels of results whose scores follow from their evidence, so that they can be ranked."""
