"""The study of docs/remedies.md: measure what each remedy gives, row by row, into docs/experiments/remedies.json.

    python docs/remedies_study.py fit texts.jsonl                  150 sentences of NTREX in each language
    python docs/remedies_study.py measure MODEL TASKS texts.jsonl  every method on a model's vectors, by the cache;
                                                                   or only those named after the texts; with bf16
                                                                   among these, in that precision
    python docs/remedies_study.py policies                         every policy, from the evidence in submissions/
    python docs/remedies_study.py detect TASK                      how often the detector is right

A step replaces the rows of the same model and task. The data is where PANGLOT_DATA says. `quarter` rows cover the
questions whose group number is a multiple of four. docs/remedies_tables.py makes the page's tables from the rows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from panglot.cli.names import find_task
from panglot.data.image import IMAGES
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.load import load_model
from panglot.encode.model import Model
from panglot.encode.options import Options
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder
from panglot.files import cache_dir, data_root
from panglot.remedies.debiased import CORPUS, Debias
from panglot.remedies.detect import detect_languages, detector
from panglot.remedies.production import share_between
from panglot.remedies.whatif import what_if
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import find_results, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores, ScoreBlocks
from panglot.score.bootstrap import Score
from panglot.score.summary import score_evidence

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "docs" / "experiments" / "remedies.json"
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
SENTENCES, STEP = 150, 13
METHODS = {
    "corpus": ("centre", "shift:en", "project:10", "project:4", "lir:1"),
    "texts": ("centre", "shift:en", "project:10", "project:4", "lir:1"),
}
IMAGE_METHODS = {"corpus": ("centre", "project:10", "lir:1"), "texts": ("project:10",)}
POLICIES = ("interleave", "own-first:3", "only-own", "translate:en")
TASKS = ("xquad-r", "mlqa-r")
QUARTERED = ("multilingual-e5-small-q4", "use-multilingual")
FLOORS = ("random", "constant", "language-id")
Row = dict[str, Any]


def fit(path: str) -> None:
    """Write the texts that methods are fitted on: sentences of news, far from the paragraphs of XQuAD."""
    import pyarrow.parquet as pq

    by_language: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for row in pq.read_table((data_root() or Path()) / "train" / "ntrex.parquet").to_pylist():
        if row["lang"] in by_language:
            by_language[row["lang"]].append(row["text"])
    lines = (
        json.dumps({"language": language, "text": text}, ensure_ascii=False)
        for language, texts in by_language.items()
        for text in texts[::STEP][:SENTENCES]
    )
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def measure(name: str, tasks: str, texts: str, *methods: str) -> None:
    """Every method on the vectors of one model, task by task."""
    model = load_model(name, Options(precision="bf16" if "bf16" in methods else "fp32"))
    for task in tasks.split(","):
        same = {"model": _name(model), "task": task}
        rows = list(_measured(model, task, texts, [method for method in methods if method != "bf16"]))
        _put(rows, partial(_is_measured, same))


def _name(model: Model) -> str:
    return " ".join([model.card.name, *(["bf16"] if model.card.precision == "bf16" else [])])


def _is_measured(same: Row, row: Row) -> bool:
    return "method" in row and same.items() <= row.items()


def _measured(model: Model, task: str, texts: str, methods: Sequence[str]) -> Iterator[Row]:
    """A row for each method and part; for two models on XQuAD-R, a quarter of the questions is a part."""
    pool, cache = read_pool(find_task(task)), VectorCache(cache_dir("vectors"))
    quarter = np.flatnonzero(pool.group % 4 == 0)
    some = pool.part(quarter, np.arange(len(pool.candidates)))
    for method, fitted, debias in _variants(pool, texts):
        if methods and method not in ("", *methods):
            continue
        try:
            scores = (debias.score_pool if debias else score_pool)(model, pool, cache).scores
        except BadEncoder as error:  # this pool or these texts have too few languages for the method
            sys.stderr.write(f"{method}, {fitted}: {error}\n")
            continue
        parts: dict[str, tuple[Pool, ScoreBlocks]] = {"whole": (pool, scores)}
        if isinstance(scores, DenseScores) and task == "xquad-r" and model.card.name in QUARTERED:
            parts["quarter"] = (some, DenseScores(scores.queries[quarter], scores.candidates))
        for part, found in parts.items():
            about = {"model": _name(model), "task": task, "part": part, "method": method, "fit": fitted}
            yield {**about, **_scores(collect_evidence(*found)), **_between(*found)}


def _variants(pool: Pool, texts: str) -> Iterator[tuple[str, str, Debias | None]]:
    """A model as it is, then each method with what it is fitted on."""
    yield "", "", None
    for fitted, methods in (IMAGE_METHODS if pool.has_images else METHODS).items():
        for method in methods:
            yield method, fitted, Debias.parse(method, CORPUS if fitted == "corpus" else texts)


def _scores(evidence: Evidence) -> Row:
    """MAP of the settings that a pool has, and what says how languages, or images and captions, are mixed."""
    seen = IMAGES in evidence.languages
    found = score_evidence(evidence, "map", ["map", "ndcg@10"], measures=("modality_gap",) if seen else ())
    scores: dict[str, Score] = {name: setting["map"] for name, setting in found.settings.items()}
    if seen:
        scores |= {"ndcg@10": found.settings["multi"]["ndcg@10"], **found.bias}
    else:
        pool, interleaved = (answer.scores for answer in what_if(evidence, ["interleave"]))
        scores |= {name: pool[name] for name in ("rank_distance", "own_share@10", "complete@20")}
        scores["interleaved"] = interleaved["map"]
    return _rounded(scores)


def _between(pool: Pool, scores: ScoreBlocks) -> Row:
    """Share of the variance of queries and of candidates that lies between the means of their languages."""
    if not isinstance(scores, DenseScores):
        return {}
    roles = {"queries": (scores.queries, pool.queries), "candidates": (scores.candidates, pool.candidates)}
    return {f"between_{role}": round(share_between(own, items.language), 4) for role, (own, items) in roles.items()}


def policies() -> None:
    """Every policy on every committed text result in several languages, beside its settings."""
    rows = []
    for path in find_results([ROOT / "submissions"]):
        result = read_result_record(path)
        model, task = result.model.label, result.task.name
        if task not in TASKS or result.model.name in FLOORS or "debias" in model:
            continue
        answers = {answer.policy.name: answer for answer in what_if(read_evidence(path), POLICIES)}
        languages = {
            language: [scores["cross"]["map"].value, scores["multi"]["map"].value, served["map"].value]
            for language, scores in result.languages.items()
            if "map" in (served := answers["interleave"].languages[language])
        }
        rows.append(
            {
                "model": model,
                "task": task,
                **_rounded({name: result.settings[name]["map"] for name in ("mono", "cross", "multi")}),
                **_rounded({"own_share@10": answers["pool"].scores["own_share@10"]}),
                "policies": _rounded({name: answer.scores["map"] for name, answer in answers.items()}),
                "difference": _rounded(
                    {name: answer.difference["map"] for name, answer in answers.items() if answer.difference}
                ),
                "languages": _rounded(languages),  # cross, multi and interleaved of each query language
            }
        )
    _put(rows, lambda row: "policies" in row)


def detect(task: str) -> None:
    """How often the languages of queries are detected right."""
    pool = read_pool(find_task(task))
    right = float((detect_languages(pool.queries, pool.languages) == pool.queries.language).mean())
    row = {"task": task, "model": "", "detector": detector(), "right": round(right, 4)}
    _put([row], lambda other: "detector" in other and other["task"] == task)


def _rounded(scores: Mapping[str, Any]) -> dict[str, list[float | None]]:
    return {name: [None if value is None else round(value, 4) for value in score] for name, score in scores.items()}


def _put(rows: list[Row], replaced: Callable[[Row], bool]) -> None:
    before = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else []
    after = [row for row in before if not replaced(row)] + rows
    after.sort(key=lambda row: ("method" in row, row["task"], row["model"]))
    lines = ",\n".join(json.dumps(row) for row in after)
    ROWS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    """One of the steps above."""
    step, *arguments = sys.argv[1:]
    steps: dict[str, Callable[..., None]] = {"fit": fit, "measure": measure, "policies": policies, "detect": detect}
    steps[step](*arguments)


if __name__ == "__main__":
    main()
