"""Export results in the formats of mteb and of model cards. mteb need not be installed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from panglot.data.image import IMAGES
from panglot.languages import alpha3_with_script
from panglot.plain import plain_json
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence
from panglot.score.metrics import NAMES
from panglot.score.settings import SETTINGS
from panglot.score.summary import Scores, score_evidence

SPLIT = "test"

METRICS = {
    f"{ours}@{cut}": f"{theirs}_at_{cut}"
    for ours, theirs in (
        ("ndcg", "ndcg"),
        ("map", "map"),
        ("recall", "recall"),
        ("mrr", "mrr"),
        ("success", "hit_rate"),
    )
    for cut in (1, 3, 5, 10, 20, 100, 1000)
}
"""Panglot's metrics and their names in mteb. They agree on scores without ties: Panglot counts ties against the
encoder, mteb orders them by id. mteb has no uncut `map` and `mrr`; Panglot has no `precision` and `nauc`."""

CARD_METRICS = ("ndcg@10", "recall@10", "recall@100")
"""Metrics of a model card, in addition to the headline metric."""


def mteb_name(task: str) -> str:
    """The name of a Panglot task in mteb: `xquad-r` becomes `PanglotXquadR`."""
    return "Panglot" + "".join(part.capitalize() for part in task.split("-"))


def main_score(headline: str) -> str:
    """The name of a headline metric in mteb; an uncut metric is cut at 1,000."""
    return METRICS[headline if headline in METRICS else f"{headline}@1000"]


def subset_languages(subset: tuple[str, str | None], languages: Sequence[str]) -> list[str]:
    """The languages of a subset as mteb codes, the query language first; candidates `None` means the pool of all.

    Images have no language, so they are omitted.
    """
    query, candidate = subset
    others = [language for language in languages if language != query] if candidate is None else [candidate]
    return [alpha3_with_script(language) for language in (query, *others) if language != IMAGES]


def subset_name(subset: tuple[str, str | None]) -> str:
    """The name of a subset in mteb: `QUERY-CANDIDATE` for a pair of languages, `multi-QUERY` for the pool of all."""
    query, candidate = subset
    return f"multi-{query}" if candidate is None else f"{query}-{candidate}"


def mteb_result(result: ResultRecord, evidence: Evidence) -> dict[str, Any]:
    """A result as an mteb 2 `TaskResult`, ready for JSON.

    It has one subset for each ordered pair of languages, and one for each language's queries against the pool of all.
    The metrics are those of `METRICS`, computed from the evidence; the dataset revision is the task's fingerprint.
    """
    languages, headline = result.task.languages, result.task.headline
    scores = score_evidence(evidence, headline, sorted({*METRICS, headline}), draws=2)
    rows = [
        {
            "hf_subset": subset_name(subset),
            "languages": subset_languages(subset, languages),
            "main_score": values[main_score(headline)],
            **values,
        }
        for subset, values in subset_scores(scores, languages)
    ]
    return {
        "task_name": mteb_name(result.task.name),
        "dataset_revision": result.task.fingerprint,
        "mteb_version": None,
        "evaluation_time": sum(result.run.seconds.values()),
        "date": result.run.created,
        "scores": {SPLIT: rows},
    }


def subset_scores(
    scores: Scores, languages: Sequence[str]
) -> Iterator[tuple[tuple[str, str | None], dict[str, float]]]:
    """Yield each subset that has scores, with its values by mteb's metric names."""
    for row, query in enumerate(languages):
        for column, candidate in enumerate(languages):
            cells = {
                theirs: float(scores.pairs[ours].values[row, column, 0])
                for ours, theirs in METRICS.items()
                if ours in scores.pairs
            }
            if not any(isnan(value) for value in cells.values()):
                yield (query, candidate), cells
        if "multi" in scores.languages[query]:
            multi = scores.languages[query]["multi"]
            yield (query, None), {theirs: multi[ours].value for ours, theirs in METRICS.items()}


def model_index(results: Sequence[ResultRecord]) -> str:
    """The `model-index` block (YAML) of a Hugging Face model card, for results of one model.

    Each setting of each task is one entry with the headline metric and `CARD_METRICS`; values range from 0 to 1.
    Strings are quoted as in JSON, which is valid YAML.
    """
    lines = ["model-index:", f"- name: {_quoted(results[0].model.name)}", "  results:"]
    for result in results:
        for setting, values in _card_scores(result).items():
            lines += _entry(result, setting, values)
    return "\n".join(lines) + "\n"


def _card_scores(result: ResultRecord) -> dict[str, dict[str, float]]:
    """The scores of a model card: settings, balance and bias."""
    headline = result.task.headline
    names = [name for name in dict.fromkeys([*NAMES, headline]) if name == headline or name in CARD_METRICS]
    chosen = {setting: (result.settings[setting], names) for setting in SETTINGS if setting in result.settings}
    chosen |= {"balance": (result.balance, [headline]), "bias": (result.bias, ["normalised_rank_distance"])}
    found = {
        setting: {name: scores[name].value for name in wanted if name in scores}
        for setting, (scores, wanted) in chosen.items()
    }
    return {setting: values for setting, values in found.items() if values}


def _entry(result: ResultRecord, setting: str, values: dict[str, float]) -> list[str]:
    task = result.task
    return [
        "  - task:",
        "      type: Retrieval",
        "    dataset:",
        f"      type: {_quoted(f'panglot/{task.name}')}",
        f"      name: {_quoted(f'{task.name} ({setting})')}",
        f"      config: {_quoted(setting)}",
        f"      split: {SPLIT}",
        f"      revision: {_quoted(task.fingerprint)}",
        "    metrics:",
        *(
            line
            for name, value in values.items()
            for line in (f"    - type: {_quoted(name)}", f"      value: {value:.6f}")
        ),
    ]


def _quoted(text: str) -> str:
    return plain_json(json.dumps(text, ensure_ascii=False))
