"""Bridges to what others use and wrote: mteb, model cards, TREC files, published tables.

What comes in over a bridge was not measured here. It is kept apart from results, in `<task>.reported.json`, without
intervals and without evidence, and says where it is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import harmonic_mean
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from suite.encoder import ModelCard
from suite.results.naming import result_folder, result_stem
from suite.results.record import read_record

SETTINGS = ("mono", "cross", "multi")

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class ReportedResult(BaseModel):
    """What others say of one model on one task; fields are named as in `Result`, scores are bare numbers.

    `pairs` are named `query language-candidate language`; `languages` are query languages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = 1
    task: str
    fingerprint: str | None
    """Of the content that was asked; null where that cannot be known, as of a paper."""
    model: str
    revision: str
    level: Literal["self-reported", "published"]
    settings: dict[str, dict[str, Share]]
    balance: dict[str, Share] = {}
    bias: dict[str, float] = {}
    languages: dict[str, dict[str, dict[str, float]]] = {}
    pairs: dict[str, dict[str, Share]] = {}
    source: str
    """Where the numbers stand, for a person who wants to look."""
    citation: str
    note: str = ""


def read_reported(path: Path) -> ReportedResult:
    """Read one file of reported scores.

    :raises BadResult: it is not there, too large, not JSON, or not of this form.
    """
    return read_record(path, ReportedResult)


def write_reported(root: Path, reported: ReportedResult) -> Path:
    """Write `<model>@<revision>/<task>.reported.json` below `root`."""
    card = ModelCard(name=reported.model, revision=reported.revision, library="")
    path = result_folder(root, card) / f"{result_stem(reported.task)}.reported.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reported.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def balance_of(settings: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The harmonic mean of the three settings, for each metric that all of them have."""
    parts = [settings.get(setting, {}) for setting in SETTINGS]
    return {
        metric: harmonic_mean([part[metric] for part in parts])
        for metric in parts[0]
        if all(metric in p for p in parts)
    }
