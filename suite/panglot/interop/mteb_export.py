"""Results as mteb and as model cards hold them. Nothing of mteb is needed to write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from panglot.data.image import IMAGES
from panglot.languages import alpha3_with_script
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
"""Our metrics and mteb's names of them. The two mean the same on scores without ties; ours count ties against the
encoder, mteb orders them by id. The uncut `map` and `mrr` have no name there, its `precision` and `nauc` none here."""

CARD_METRICS = ("ndcg@10", "recall@10", "recall@100")
"""What a model card gets beside the headline."""


def mteb_name(task: str) -> str:
    """What a task of ours is called in mteb: `xquad-r` is `PanglotXquadR`."""
    return "Panglot" + "".join(part.capitalize() for part in task.split("-"))


def main_score(headline: str) -> str:
    """What mteb calls a headline metric; an uncut one is cut at 1,000 there."""
    return METRICS[headline if headline in METRICS else f"{headline}@1000"]


def subset_languages(subset: tuple[str, str | None], languages: Sequence[str]) -> list[str]:
    """The languages of a subset in mteb's codes, the queries' first; `None` stands for the pool of all.

    Images are in no language and stand in none of mteb's lists.
    """
    query, candidate = subset
    others = [language for language in languages if language != query] if candidate is None else [candidate]
    return [alpha3_with_script(language) for language in (query, *others) if language != IMAGES]


def subset_name(subset: tuple[str, str | None]) -> str:
    """What a subset is called in mteb: `query language-candidate language`, or `multi-query language`."""
    query, candidate = subset
    return f"multi-{query}" if candidate is None else f"{query}-{candidate}"


def mteb_result(result: ResultRecord, evidence: Evidence) -> dict[str, Any]:
    """A result in the form of mteb 2's `TaskResult`: one subset for each pair, and one for each language's queries
    against the pool of all.

    It holds the metrics of `METRICS`, computed from the evidence; the revision of the data is the fingerprint.
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
        for subset, values in _subsets(scores, languages)
    ]
    return {
        "task_name": mteb_name(result.task.name),
        "dataset_revision": result.task.fingerprint,
        "mteb_version": None,
        "evaluation_time": sum(result.run.seconds.values()),
        "date": result.run.created,
        "scores": {SPLIT: rows},
    }


def _subsets(scores: Scores, languages: Sequence[str]) -> Iterator[tuple[tuple[str, str | None], dict[str, float]]]:
    """The values of every subset that the data has, by mteb's names of the metrics."""
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
    """The block `model-index` of a Hugging Face model card (YAML), for results of one model.

    Each setting of each task is one entry, with the headline and `CARD_METRICS`; values are between 0 and 1 as in the
    result. Strings are quoted as in JSON, which is YAML too.
    """
    lines = ["model-index:", f"- name: {_quoted(results[0].model.name)}", "  results:"]
    for result in results:
        for setting, values in _card_scores(result).items():
            lines += _entry(result, setting, values)
    return "\n".join(lines) + "\n"


def _card_scores(result: ResultRecord) -> dict[str, dict[str, float]]:
    """What a model card says of each setting, of their balance and of bias."""
    headline = result.task.headline
    names = [name for name in NAMES if name == headline or name in CARD_METRICS]
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
    return json.dumps(text, ensure_ascii=False)
