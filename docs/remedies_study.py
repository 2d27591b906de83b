"""The study of docs/remedies.md: what each remedy gives, and where it hurts.

    python docs/remedies_study.py fit texts.jsonl                  150 sentences of NTREX in each language
    python docs/remedies_study.py measure MODEL TASK texts.jsonl   every method on a model's vectors, by the cache
    python docs/remedies_study.py policies                         every policy, from the evidence in submissions/
    python docs/remedies_study.py draw                             docs/images/remedies.svg

`measure` and `policies` put their rows into docs/experiments/remedies.json in place of those of the same name. The data
is where PANGLOT_DATA says; `quarter` rows are of the questions whose group number is a multiple of four.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from panglot.cli.names import find_task
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.model import load_model
from panglot.encode.scoring import score_pool
from panglot.files import cache_dir, data_root
from panglot.remedies.debiased import Debias
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
FIGURE = ROOT / "docs" / "images" / "remedies.svg"
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
SENTENCES, STEP = 150, 13
METHODS = {
    "corpus": ("centre", "shift:en", "project:10", "lir:1"),
    "texts": ("centre", "shift:en", "project:10", "project:4", "lir:1"),
}
DRAWN = (("centre", "corpus"), ("centre", "texts"), ("project:10", "texts"), ("shift:en", "texts"))
FLOORS = ("random", "constant", "language-id")
Row = dict[str, Any]


def fit(path: str) -> None:
    """Write the texts that methods are fitted on: sentences of the news, far from the paragraphs of XQuAD."""
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


def measure(name: str, task: str, texts: str) -> None:
    """Every method on the vectors of one model, on all questions and on a quarter of them."""
    pool, model = read_pool(find_task(task)), load_model(name)
    cache = VectorCache(cache_dir("vectors"))
    quarter = np.flatnonzero(pool.group % 4 == 0)
    some = pool.part(quarter, np.arange(len(pool.candidates)))
    rows = []
    variants = [("", "", None)] + [
        (method, fitted, Debias.parse(method, {"corpus": "corpus", "texts": texts}[fitted]))
        for fitted, methods in METHODS.items()
        for method in methods
    ]
    for method, fitted, debias in variants:
        score = debias.score_pool if debias else score_pool
        scores = score(model, pool, cache).scores
        parts: dict[str, tuple[Pool, ScoreBlocks]] = {"whole": (pool, scores)}
        if isinstance(scores, DenseScores):
            parts["quarter"] = (some, DenseScores(scores.queries[quarter], scores.candidates))
        for part, found in parts.items():
            about = {"model": model.card.name, "task": task, "part": part, "method": method, "fit": fitted}
            rows.append({**about, **_scores(collect_evidence(*found))})
    _put(rows, lambda row: (row.get("model"), row["task"]) == (model.card.name, task) and "method" in row)


def policies() -> None:
    """Every policy on every committed text result in several languages, beside its settings."""
    rows = []
    for path in find_results([ROOT / "submissions"]):
        result = read_result_record(path)
        about = {"model": result.model.label, "task": result.task.name}
        if about["task"] not in ("xquad-r", "mlqa-r") or result.model.name in FLOORS or "debias" in about["model"]:
            continue
        asked = ("interleave", "own-first:3", "only-own", "translate:en")
        answers = {answer.policy.name: answer for answer in what_if(read_evidence(path), asked)}
        settings = {name: _rounded(result.settings[name]["map"]) for name in ("mono", "cross", "multi")}
        rows.append(
            {
                **about,
                **settings,
                "own_share@10": list(answers["pool"].scores["own_share@10"]),
                "policies": {name: list(answer.scores["map"]) for name, answer in answers.items()},
                "difference": {
                    name: list(answer.difference["map"]) for name, answer in answers.items() if name != "pool"
                },
            }
        )
    _put(rows, lambda row: "policies" in row)


def draw() -> None:
    """The ladder of two models, and for all models when interleaving helps."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "panglot"
    from matplotlib import pyplot

    rows = json.loads(ROWS.read_text(encoding="utf-8"))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 2), layout="constrained")
    for model, ink in (("multilingual-e5-small-q4", "#0072b2"), ("use-multilingual", "#e69f00")):
        rungs = dict(_rungs(rows, model))
        low, middle, high = np.array([(score[1], score[0], score[2]) for score in rungs.values()]).T
        left.errorbar(middle, list(rungs), xerr=[middle - low, high - middle], fmt="o", color=ink, label=model, ms=4)
    left.set_xlabel("MAP in the pool of all languages, XQuAD-R")
    left.invert_yaxis()
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    for task, ink in (("xquad-r", "#0072b2"), ("mlqa-r", "#cc79a7")):
        there = [row for row in _on(rows, task) if "policies" in row]
        ratio = [row["multi"][0] / row["cross"][0] for row in there]
        right.scatter(ratio, [row["difference"]["interleave"][0] for row in there], s=18, color=ink, label=task)
    right.axhline(0, color="#888888", lw=0.8)
    right.set_xlabel("multi over cross")
    right.set_ylabel("gain by interleaving, MAP")
    right.legend(frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, metadata={"Date": None})


def _rungs(rows: list[Row], model: str) -> Iterator[tuple[str, list[float]]]:
    policy = next(
        row for row in rows if "policies" in row and row["model"].startswith(model) and row["task"] == "xquad-r"
    )
    for name in ("pool", "interleave", "translate:en"):
        yield ("as measured" if name == "pool" else name), policy["policies"][name]
    there = {(row.get("method"), row.get("fit")): row for row in _on(rows, "xquad-r") if _is_whole(row, model)}
    for method, fitted in DRAWN:
        yield f"{method}, {fitted}", there[method, fitted]["multi"]
    yield "centre, corpus, interleave", there["centre", "corpus"]["interleaved"]


def _is_whole(row: Row, model: str) -> bool:
    return (row["model"], row.get("part")) == (model, "whole")


def _scores(evidence: Evidence) -> Row:
    settings = score_evidence(evidence, "map", ["map"], measures=()).settings
    pool, interleaved = (answer.scores for answer in what_if(evidence, ["interleave"]))
    row = {name: settings[name]["map"] for name in ("mono", "cross", "multi")}
    row |= {name: pool[name] for name in ("rank_distance", "own_share@10", "complete@20")}
    row["interleaved"] = interleaved["map"]
    return {name: _rounded(score) for name, score in row.items()}


def _rounded(score: Score) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in score]


def _on(rows: list[Row], task: str) -> list[Row]:
    return [row for row in rows if row["task"] == task]


def _put(rows: list[Row], replaced: Callable[[Row], bool]) -> None:
    before = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else []
    after = [row for row in before if not replaced(row)] + rows
    lines = ",\n".join(json.dumps(row) for row in after)
    ROWS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    """One of the steps above."""
    step, *arguments = sys.argv[1:] or ["draw"]
    steps: dict[str, Callable[..., None]] = {"fit": fit, "measure": measure, "policies": policies, "draw": draw}
    steps[step](*arguments)


if __name__ == "__main__":
    main()
