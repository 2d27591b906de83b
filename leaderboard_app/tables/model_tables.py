"""Tables of one model on one task, from its result file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.board import SEEN, Row, names_of
from leaderboard_app.tables.formats import signed
from leaderboard_app.tables.links import model_link
from panglot.languages import language_name
from panglot.numbers import NOTHING
from panglot.results.result_record import ResultRecord
from panglot.score.bootstrap import Score

ENDS = ("", " low", " high")
RECORDED = "as recorded by the maintainers of these submissions; not yet verified on this machine"
"""Said about a level of trust."""


def card_table(entry: Entry) -> pd.DataFrame:
    """What is stated about the model, one fact a row."""
    facts = {
        "organisation": entry.organisation,
        "parameters": f"{entry.parameters:,}" if entry.parameters else "",
        "dimension": str(entry.dimension or ""),
        "maximum length": f"{entry.max_length:,} tokens" if entry.max_length else "",
        "weights": entry.weights,
        "licence": entry.licence,
        "modalities": ", ".join(entry.modalities),
        "made for": ", ".join(map(language_name, entry.made_for)),
        "this task's data": SEEN[entry.training],
        "trust": f"{entry.trust}, {RECORDED}" if entry.recorded else entry.trust,
        "link": "" if entry.link.startswith("https://") else entry.link,  # of those the page has a button
        "source": entry.source,
    }
    return _facts(facts)


def provenance_table(result: ResultRecord) -> pd.DataFrame:
    """Where the numbers come from: content, model as it ran, machine, versions, times."""
    run, model = result.run, result.model
    facts = {
        "measured": run.created,
        "task's fingerprint": result.task.fingerprint,
        "queries, candidates": f"{result.task.queries:,}, {result.task.candidates:,}",
        "model": f"{model.name} @ {model.revision}",
        "library": model.library,
        "similarity": model.similarity,
        "precision": model.precision,
        "backend": model.backend,
        "prompts": "; ".join(f"{role}: {prompt!r}" for role, prompt in model.prompts.items()),
        "changed settings": ", ".join(model.settings),
        "custom code": "ran" if model.trust_remote_code else "",
        "note": model.note,
        "seconds": ", ".join(f"{step} {seconds:,.1f}" for step, seconds in run.seconds.items()),
        "peak memory": "" if run.peak_memory_mib is None else f"{run.peak_memory_mib:,} MiB",
        "machine": f"{run.processor}, {run.cores} cores, {run.platform}",
        "versions": ", ".join(
            f"{name} {version}" for name, version in {"panglot": run.panglot, **run.packages}.items()
        ),
        **{f"sha256 of {name}": digest for name, digest in result.evidence.items()},
    }
    return _facts(facts)


def reading_table(result: ResultRecord) -> pd.DataFrame:
    """Tokenization by language: share of truncated texts, tokens per word; empty where tokens are not counted."""
    encoding = result.run.encoding
    rows = []
    for language in result.task.languages if encoding else ():
        row: dict[str, object] = {"language": language}
        for name, found in (("queries", encoding.queries), ("candidates", encoding.candidates)) if encoding else ():
            for fact in ("truncated", "tokens_per_word"):
                row[f"{name}, {fact.replace('_', ' ')}"] = found.get(language, {}).get(fact)
        rows.append(row)
    table = pd.DataFrame(rows)
    return table if not table.empty and table.drop(columns="language").notna().any(axis=None) else pd.DataFrame()


def mix_table(result: ResultRecord, sizes: Sequence[float]) -> pd.DataFrame:
    """What the top 10 is made of: for each query language, each language's share over its share of the pool.

    `value` is the base-2 logarithm of that ratio, by which a chart is coloured; `ratio` and `share` are for reading.
    """
    rows = []
    total = sum(sizes)
    for query, mix in zip(result.task.languages, result.language_mix, strict=True):
        for candidate, share, size in zip(result.task.languages, mix, sizes, strict=True):
            ratio = share * total / size if share is not None and size else None
            value = math.log2(max(ratio, 1 / 64)) if ratio is not None else None
            rows.append(
                (query, candidate, share, size / total, ratio, value, _times(ratio), _times(ratio) + " × its share")
            )
    table = pd.DataFrame(
        rows, columns=["query", "candidate", "share", "of the pool", "ratio", "value", "shown", "note"]
    )
    asked = table.groupby("query")["ratio"].transform("count") > 0
    return table[asked & (table["of the pool"] > 0)]


def rank_table(result: ResultRecord) -> pd.DataFrame:
    """How many ranks above the mean of the parallel answers each language's is, by query and candidate language.

    `value` is in ranks; `mean rank` is what the result file says, from 1 for the best.
    """
    rows = []
    for query, ranks in zip(result.task.languages, result.language_rank, strict=True):
        there = [rank for rank in ranks if rank is not None]
        for candidate, rank in zip(result.task.languages, ranks, strict=True):
            above = None if rank is None else sum(there) / len(there) - rank
            rows.append((query, candidate, rank, above, signed(above, 1)))
    table = pd.DataFrame(rows, columns=["query", "candidate", "mean rank", "value", "shown"])
    return table.astype({"mean rank": float, "value": float})


def standing_of_languages(result: ResultRecord) -> pd.DataFrame:
    """Which languages win and lose: ranks above the mean, averaged over the query languages, highest first."""
    pushed = rank_table(result).dropna().groupby("candidate", sort=False)["value"].mean()
    table = pushed.rename("pushed").rename_axis("language").reset_index()
    return table.sort_values("pushed", ascending=False, ignore_index=True, kind="stable")


def curve_table(result: ResultRecord) -> pd.DataFrame:
    """Headline scores of the same vectors in fewer dimensions or bits, one row a form, dimension and score."""
    rows = [
        {"form": point.form, "dimension": point.dimension, "score": name, "value": value}
        for point in result.curve
        for name, value in point.scores.items()
    ]
    return pd.DataFrame(rows, columns=["form", "dimension", "score", "value"])


def bias_table(
    entries: Iterable[Entry], rows: Mapping[str, Row], blind: Mapping[str, float], names: Sequence[str]
) -> pd.DataFrame:
    """All bias measures of several models, one row each, below what a language-blind ranker gets.

    Intervals have columns of their own (`rank_distance low`, `rank_distance high`).
    """
    there = [entry for entry in entries if rows.get(entry.id)]
    facts: dict[str, object] = {
        "model": ["language-blind", *names_of(there)],
        "id": ["", *(f"{entry.identity}@{entry.revision}" for entry in there)],
        "leads to": ["about", *(model_link(entry.task, entry.folder) for entry in there)],
    }
    nothing = Score(math.nan, None, None)
    for name in names:  # by column: a frame made of rows takes five times as long
        scores = [rows[entry.id].get(name, nothing) for entry in there]
        first = (blind.get(name), None, None)
        cells = zip(ENDS, first, zip(*scores, strict=True) if scores else ((), (), ()), strict=True)
        facts |= {f"{name}{end}": np.array([blank, *column], float) for end, blank, column in cells}
    return pd.DataFrame(facts)


def _facts(facts: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(name, value) for name, value in facts.items() if value], columns=["fact", "value"])


def _times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.1f}"
