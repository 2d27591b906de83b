"""Scores that others reported for a model on a task: read from mteb, or from published tables.

They were not measured here. They are kept apart from results, in `<task>.reported.json`, without intervals and without
evidence, and say where they are from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import harmonic_mean
from typing import Literal

from pydantic import Field, model_validator

from panglot.encode.card import ModelCard
from panglot.fields import Label, Name, Sha256, Share, Text
from panglot.results.naming import REPORTED, result_folder, result_stem
from panglot.results.record import FORMAT, Format, Record, read_record
from panglot.results.shape import SHARE, check_bias, check_metric, check_names, check_number
from panglot.score.settings import SETTINGS

MOST_CANDIDATES = 1 << 31
"""How many there were is not reported."""


class ReportedResult(Record):
    """What others say of one model on one task; fields are named as in `Result`, scores are bare numbers.

    `pairs` are named `query language-candidate language`; `languages` are query languages.
    """

    format: Format = FORMAT
    task: Label
    fingerprint: Sha256 | None
    """Of the content that was asked; null where that cannot be known, as of a paper."""
    model: Name
    revision: Name
    level: Literal["self-reported", "published"]
    settings: dict[str, dict[str, Share]]
    balance: dict[str, Share] = Field(default_factory=dict)
    bias: dict[str, float] = Field(default_factory=dict)
    languages: dict[Label, dict[str, dict[str, float]]] = Field(default_factory=dict)
    pairs: dict[Label, dict[str, Share]] = Field(default_factory=dict)
    source: Text
    """Where the numbers stand, for a person who wants to look."""
    citation: Text
    note: Text = ""

    @model_validator(mode="after")
    def _check(self) -> ReportedResult:
        check_names("settings", self.settings, SETTINGS)
        if empty := next((setting for setting, scores in self.settings.items() if not scores), None):
            raise ValueError(f"settings.{empty}: has no scores; leave the setting out")
        groups = {**self.settings, "balance": self.balance}
        check_bias("bias", self.bias, MOST_CANDIDATES)
        for language, settings in self.languages.items():
            check_names(f"languages.{language}", settings, (*SETTINGS, "bias"))
            check_bias(f"languages.{language}.bias", settings.get("bias", {}), MOST_CANDIDATES)
            groups |= {f"languages.{language}.{name}": settings[name] for name in SETTINGS if name in settings}
        for where, scores in (groups | {f"pairs.{pair}": scores for pair, scores in self.pairs.items()}).items():
            for metric, value in scores.items():
                check_metric(where, metric)
                check_number(f"{where}.{metric}", value, SHARE)
        return self


def read_reported(path: Path) -> ReportedResult:
    """Read one file of reported scores.

    :raises BadResult: it is not there, too large, not JSON, or not of this form.
    """
    return read_record(path, ReportedResult)


def write_reported(root: Path, reported: ReportedResult) -> Path:
    """Write `<model>@<revision>/<task>.reported.json` below `root`."""
    card = ModelCard(name=reported.model, revision=reported.revision, library="")
    path = result_folder(root, card) / f"{result_stem(reported.task)}{REPORTED}"
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
