"""How far a result can be trusted: levels that a check computes, and that no file can claim."""

from __future__ import annotations

from typing import Literal, TypeAlias

Level: TypeAlias = Literal["failed", "self-reported", "consistent", "recomputed", "reproduced"]
"""Consistent: every score follows from the evidence, but the task's data was not here to compare it with."""

COMPARED: tuple[Level, ...] = ("recomputed", "reproduced")
"""Levels of results whose evidence was compared with the task's data: their queries and judgements are the task's."""

HOLDS: tuple[Level, ...] = ("consistent", *COMPARED)
"""Levels of results whose scores follow from their evidence, so that they can be ranked."""
