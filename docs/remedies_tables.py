"""Make the tables, the sentences with numbers and the figure of docs/remedies.md from docs/experiments/remedies.json.

python -m docs.remedies_tables
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from docs.tables import as_table, with_tables
from panglot.arrays import Floats

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "remedies.md"
ROWS = ROOT / "docs" / "experiments" / "remedies.json"
FIGURE = ROOT / "docs" / "images" / "remedies.svg"
E5, USE, FUSION = "multilingual-e5-small-q4", "use-multilingual", "rrf:bm25+use-multilingual"
BRIDGE = "bridge-use-efficientnet-lite0"
TASKS = {"xquad-r": "XQuAD-R", "mlqa-r": "MLQA-R"}
LADDER = (
    ("", ""),
    ("centre", "corpus"),
    ("centre", "texts"),
    ("project:10", "corpus"),
    ("project:10", "texts"),
    ("project:4", "texts"),
    ("shift:en", "corpus"),
    ("shift:en", "texts"),
    ("lir:1", "corpus"),
    ("lir:1", "texts"),
)
DRAWN = (("centre", "corpus"), ("centre", "texts"), ("project:10", "texts"), ("shift:en", "texts"))
LOW_RATIO = 0.7
"""Ratio of multi to cross below which answers are crowded out."""
Row = dict[str, Any]


@cache
def rows() -> list[Row]:
    """All rows of the study."""
    found: list[Row] = json.loads(ROWS.read_text(encoding="utf-8"))
    return found


def variant(model: str, task: str, method: str = "", fit: str = "", part: str = "whole") -> Row | None:
    """The scores of one model with one method, or None if it was not measured."""
    wanted = {"model": model, "task": task, "method": method, "fit": fit, "part": part}
    return next((row for row in rows() if wanted.items() <= row.items()), None)


def served(task: str) -> list[Row]:
    """All models under all policies on one task."""
    return [row for row in rows() if "policies" in row and row["task"] == task]


def ladder_e5() -> list[str]:
    """Every method on multilingual-e5-small, XQuAD-R."""
    return _ladder(E5)


def ladder_use() -> list[str]:
    """Every method on use-multilingual, XQuAD-R."""
    return _ladder(USE)


def _ladder(model: str) -> list[str]:
    headings = (model, "mono", "cross", "multi", "95 %", "rank distance", "own language in top 10", "interleaved")
    return as_table(headings, (_rung(row) for row in _variants(model, "xquad-r")))


def _variants(model: str, task: str) -> Iterator[Row]:
    return (row for method, fit in LADDER if (row := variant(model, task, method, fit)))


def _rung(row: Row) -> tuple[str, ...]:
    _, low, high = row["multi"]
    settings = (_score(row[name][0]) for name in ("mono", "cross", "multi"))
    rest = (f"{row['rank_distance'][0]:,.0f}", _score(row["own_share@10"][0]), _score(row["interleaved"][0]))
    return (_remedy(row), *settings, f"{_score(low)} to {_score(high)}", *rest)


def methods() -> list[str]:
    """Multi of every model whose vectors were changed, and the share of its queries' variance between languages."""
    changed = (f"`{method}`, {fit}" for method, fit in DRAWN)
    headings = (
        "model",
        "task",
        "between",
        "multi / cross",
        "as measured",
        *changed,
        "mono by `centre`",
        "interleaved",
        "both",
    )
    return as_table(headings, (_methods_row(row) for row in rows() if _is_base(row) and row["task"] in TASKS))


def _methods_row(row: Row) -> tuple[str, ...]:
    found = [variant(row["model"], row["task"], method, fit) for method, fit in DRAWN]
    changed = (_score(other["multi"][0]) if other else "–" for other in found)
    centred = found[0] or row
    between = _score(row["between_queries"]) if "between_queries" in row else "–"
    about = (row["model"], TASKS[row["task"]], between, f"{_ratio(row):.2f}", _score(row["multi"][0]))
    mono = _signed(centred["mono"][0] - row["mono"][0])
    return (*about, *changed, mono, _score(row["interleaved"][0]), _score(centred["interleaved"][0]))


def what_is_left() -> list[str]:
    """What ten directions learned from other texts leave of multilingual-e5-small's languages."""
    before, after = variant(E5, "xquad-r"), variant(E5, "xquad-r", "project:10", "texts")
    assert before
    assert after
    left, was = (_score(row["between_queries"]) for row in (after, before))
    mono, had = (_score(row["mono"][0]) for row in (after, before))
    return [
        f"`project:10` from those texts leaves {left} of the variance of XQuAD-R's questions between languages, not "
        f"{was}. Within languages it scores {mono}, the model as measured {had}."
    ]


def detection() -> list[str]:
    """How often the detector is right."""
    return [
        f"`{row['detector']}` is right for {100 * row['right']:.2f} % of the questions of {TASKS[row['task']]}."
        for row in rows()
        if "detector" in row
    ]


def policies() -> list[str]:
    """What each policy changes, model by model."""
    headings = ("model", "task", "multi", "multi / cross", "`interleave`", "95 %", "`own-first:3`", "`translate:en`")
    found = [row for task in TASKS for row in sorted(served(task), key=_ratio)]
    return as_table(headings, map(_policies_row, found))


def _policies_row(row: Row) -> tuple[str, ...]:
    change, low, high = row["difference"]["interleave"]
    others = (_signed(row["difference"][name][0]) for name in ("own-first:3", "translate:en"))
    about = (row["model"].partition("@")[0], TASKS[row["task"]], _score(row["multi"][0]), f"{_ratio(row):.2f}")
    return (*about, _signed(change), f"{_signed(low)} to {_signed(high)}", *others)


def predictors() -> list[str]:
    """How well the ratio of multi to cross tells what interleaving gives, for models and for their query languages."""
    lines = []
    for task, title in TASKS.items():
        found = served(task)
        ratio = np.array([_ratio(row) for row in found])
        gain = np.array([row["difference"]["interleave"][0] for row in found])
        cross, multi, merged = np.array([cell for row in found for cell in row["languages"].values()]).T
        low = multi / cross < LOW_RATIO
        better = merged > multi
        lines.append(
            f"- {title}: interleaving helped {(gain[ratio < LOW_RATIO] > 0).sum()} of the {(ratio < LOW_RATIO).sum()} "
            f"results with a ratio below {LOW_RATIO:.1f} and changed the other {(ratio >= LOW_RATIO).sum()} by "
            f"{_signed(gain[ratio >= LOW_RATIO].min())} to {_signed(gain[ratio >= LOW_RATIO].max())}. Of the "
            f"{len(cross)} pairs of a model and a query language, it helped {better[low].sum()} of {low.sum()} with a "
            f"ratio below {LOW_RATIO:.1f} and {better[~low].sum()} of the other {(~low).sum()}. Rank correlation of "
            f"ratio and gain: {_signed(_rank_correlation(ratio, gain), 2)} over models, "
            f"{_signed(_rank_correlation(multi / cross, merged - multi), 2)} over pairs."
        )
    return lines


def languages_use() -> list[str]:
    """What interleaving does to each query language of use-multilingual on XQuAD-R."""
    (found,) = (row for row in served("xquad-r") if row["model"].startswith(f"{USE}@"))
    cells = [(language, *three) for language, three in found["languages"].items()]
    lines = [(x, _score(c), _score(m), f"{m / c:.2f}", _signed(merged - m)) for x, c, m, merged in cells]
    return as_table(("query language", "cross", "multi", "multi / cross", "interleaved"), lines)


def trained() -> list[str]:
    """What kinds of batches give, and what remedies give each, XQuAD-R."""
    headings = ("model", "mono", "cross", "multi", "interleaved", "`centre`, corpus", "both")
    arms = [f"{kind}-{arm}-1" for kind in ("static", "transformer") for arm in ("mono", "cross", "hybrid")]
    return as_table(headings, map(_trained_row, arms))


def _trained_row(model: str) -> tuple[str, ...]:
    (found,) = (row for row in served("xquad-r") if row["model"].startswith(f"{model}@"))
    changed = variant(model, "xquad-r", "centre", "corpus") or variant(f"{model} bf16", "xquad-r", "centre", "corpus")
    centred = (_score(changed[name][0]) if changed else "–" for name in ("multi", "interleaved"))
    settings = (_score(found[name][0]) for name in ("mono", "cross", "multi"))
    return (model, *settings, _score(found["policies"]["interleave"][0]), *centred)


def images() -> list[str]:
    """What taking the mean of images out of images, and of languages out of captions, gives."""
    headings = ("task", "method", "MAP", "95 %", "nDCG@10", "modality gap")
    return as_table(headings, (_images_row(row) for row in rows() if row["model"] == BRIDGE and "method" in row))


def _images_row(row: Row) -> tuple[str, ...]:
    value, low, high = row["multi"]
    gap = f"{row['modality_gap'][0]:,.0f}".replace("-", "−") if "modality_gap" in row else "–"
    return (
        f"`{row['task']}`",
        _remedy(row),
        _score(value),
        f"{_score(low)} to {_score(high)}",
        _score(row["ndcg@10"][0]),
        gap,
    )


def _is_base(row: Row) -> bool:
    return row.get("method") == "" and row["part"] == "whole"


def _ratio(row: Row) -> float:
    return float(row["multi"][0] / row["cross"][0])


def _rank_correlation(one: Floats, other: Floats) -> float:
    first, second = (np.argsort(np.argsort(values)) for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


def _remedy(row: Row) -> str:
    return f"`{row['method']}`, {row['fit']}" if row["method"] else "as measured"


def _score(value: float) -> str:
    return f"{value:.3f}".lstrip("0")


def _signed(value: float, places: int = 3) -> str:
    rounded = round(value, places) + 0.0  # no sign before zero
    return f"{rounded:{'+' if rounded else ''}.{places}f}".replace("0.", ".", 1).replace("-", "−")


def draw() -> None:
    """The ladder of two models, and for all models when interleaving helps."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "panglot"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 2), layout="constrained")
    for model, ink in ((E5, "#0072b2"), (USE, "#e69f00")):
        rungs = dict(_rungs(model))
        low, middle, high = np.array([(score[1], score[0], score[2]) for score in rungs.values()]).T
        left.errorbar(middle, list(rungs), xerr=[middle - low, high - middle], fmt="o", color=ink, label=model, ms=4)
    left.set_xlabel("MAP in the pool of all languages, XQuAD-R")
    left.invert_yaxis()
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    for (task, title), ink in zip(TASKS.items(), ("#0072b2", "#cc79a7"), strict=True):
        gain = [row["difference"]["interleave"][0] for row in served(task)]
        right.scatter([_ratio(row) for row in served(task)], gain, s=18, color=ink, label=title)
    right.axhline(0, color="#888888", lw=0.8)
    right.set_xlabel("multi over cross")
    right.set_ylabel("gain by interleaving, MAP")
    right.legend(frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, metadata={"Date": None})


def _rungs(model: str) -> Iterator[tuple[str, list[float]]]:
    (found,) = (row for row in served("xquad-r") if row["model"].startswith(f"{model}@"))
    for name in ("pool", "interleave", "translate:en"):
        yield ("as measured" if name == "pool" else name), found["policies"][name]
    changed = {(row["method"], row["fit"]): row for row in _variants(model, "xquad-r")}
    for method, fit in DRAWN:
        yield f"{method}, {fit}", changed[method, fit]["multi"]
    yield "centre, corpus, interleave", changed["centre", "corpus"]["interleaved"]


TABLES = {
    function.__name__: function
    for function in (
        *(ladder_e5, ladder_use, methods, what_is_left, detection),
        *(policies, predictors, languages_use, trained, images),
    )
}

if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), TABLES), encoding="utf-8")
    draw()
