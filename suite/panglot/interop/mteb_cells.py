"""Which cells of mteb's own tasks are the same as Panglot's: what `mteb_cells.toml` says."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from panglot.data.image import IMAGES
from panglot.data.task import Task

DATA = Path(__file__).with_name("mteb_cells.toml")


class Cell(NamedTuple):
    """Questions in one language against candidates in one language."""

    query: str
    candidate: str


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SameTask(_Stated):
    """A task of mteb whose cells are cells of a Panglot task."""

    task: str
    split: str
    subset: Literal["query", "candidate-query"]
    revisions: frozenset[str]
    trained: frozenset[str]
    merged: dict[str, int] = {}
    note: str = ""

    @property
    def remark(self) -> str:
        """What to know about the cells, in sentences."""
        kept = " or ".join(map(str, sorted(set(self.merged.values()))))
        merged = (
            f"In {len(self.merged)} query languages it merges equal questions and keeps {kept}, so these cells differ "
            "slightly from ours."
        )
        return f"{self.note} {merged if kept else ''}".strip()

    def cell(self, subset: str, task: Task) -> Cell | None:
        """The cell that a subset names; None if the task has no such cell.

        With `subset = "query"`, candidates are the images, or texts in the query language.
        """
        first, _, second = subset.partition("-")
        if self.subset == "candidate-query":
            cell = Cell(second, first)
        else:
            cell = Cell(subset, IMAGES if IMAGES in task.languages else subset)
        query, candidate = (task.sizes.get(language) for language in cell)
        return cell if query and query.queries and candidate and candidate.candidates else None


class DifferentTask(_Stated):
    """A task of mteb whose scores are not comparable with those of the Panglot task that it resembles."""

    reason: str
    broken: dict[str, str] = {}


class MtebCells(_Stated):
    """mteb's tasks by their names."""

    same: dict[str, SameTask]
    different: dict[str, DifferentTask]

    def of(self, task: str) -> SameTask | None:
        """The task of mteb that has cells of a Panglot task; None if there is none."""
        return next((same for same in self.same.values() if same.task == task), None)

    def why_different(self, name: str, data_revision: str = "") -> str:
        """Why a task of mteb is not comparable; empty if it is, or is unknown."""
        known = self.different.get(name)
        return f"{known.reason} {known.broken.get(data_revision, '')}".strip() if known else ""


@cache
def mteb_cells() -> MtebCells:
    """The content of `mteb_cells.toml`."""
    return MtebCells.model_validate(tomllib.loads(DATA.read_text(encoding="utf-8")))
