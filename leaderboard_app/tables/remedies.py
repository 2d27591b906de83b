"""Tables of the page Remedies: what would help one model, and which models gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from leaderboard_app.index.entries import Entry
from leaderboard_app.tables.columns import BETTER, badness
from leaderboard_app.tables.formats import number
from panglot.data.image import IMAGES
from panglot.remedies.debias import parse_method
from panglot.remedies.policies import parse_policy
from panglot.remedies.whatif import DEPTH, POOL
from panglot.score.metrics import NAMES

Answers = Mapping[str, Mapping[str, Any]]
"""What `panglot whatif --json` says about one result, by policy."""

MEASURES = {
    "map": "Mean average precision in one list over all languages, averaged over query languages.",
    "ndcg@10": "nDCG at 10 in one list over all languages, averaged over query languages.",
    f"recall@{DEPTH}": f"Share of the relevant candidates among the first {DEPTH}.",
    "rank_distance": "Largest minus smallest rank of the parallel answers: 0 if they stand together.",
    f"complete@{DEPTH}": f"Share of queries with the answers of all languages among the first {DEPTH}.",
    "own_share@10": "Share of the first 10 that is in the query's language.",
}
"""What the ladder shows, and what it means."""

INTERLEAVE = "interleave"


class Rung(NamedTuple):
    """One remedy of a model: what it does, what it needs in production, and what it gives."""

    remedy: str
    sentence: str
    needs: str
    answer: Mapping[str, Any]


def policies_for(languages: Sequence[str]) -> tuple[str, ...]:
    """The policies that the board asks for in a pool of these languages; images have none to be served by."""
    if IMAGES in languages:
        return (POOL,)
    target = "en" if "en" in languages else languages[0]
    return (POOL, INTERLEAVE, "own-first:3", "only-own", f"translate:{target}")


def debias_of(settings: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """The method of debiasing in a model's settings, what it was fitted on, and the other settings; empty if none."""
    given = dict(setting.partition("=")[::2] for setting in settings)
    rest = tuple(setting for setting in settings if not setting.startswith("debias"))
    return given.get("debias", ""), given.get("debias_fit", ""), rest


def is_unchanged(entry: Entry) -> bool:
    """Whether a result is of the model's vectors as they are, with no language taken out."""
    return "debias=" not in entry.revision


def worth_a_look(entries: Sequence[Entry]) -> list[Entry]:
    """The models that the page may open on: as they are, and if there are any, with their debiased versions beside."""
    unchanged = [entry for entry in entries if is_unchanged(entry)]
    debiased = {entry.identity for entry in entries if not is_unchanged(entry)}
    return [entry for entry in unchanged if entry.identity in debiased] or unchanged or list(entries)


def ladder(base: Answers, variants: Mapping[tuple[str, str], Answers]) -> list[Rung]:
    """Policies on the vectors as they are; then each debiased variant, by method and fit, pooled and interleaved.

    Those that the data cannot answer are left out.
    """
    rungs = []
    for name, answer in base.items():
        policy = parse_policy(name)
        rungs.append(Rung("as measured" if name == POOL else name, policy.sentence, policy.needs, answer))
    for (name, fit), answers in variants.items():
        method = parse_method(name)
        learned = "the corpus" if fit == "corpus" else f"other texts ({fit})"
        label = f"{name}, {'corpus' if fit == 'corpus' else 'texts'}"
        rungs.append(Rung(label, f"{method.sentence} Learned from {learned}.", method.needs, answers[POOL]))
        if INTERLEAVE in answers:
            needs = f"{method.needs} {parse_policy(INTERLEAVE).needs}"
            rungs.append(Rung(f"{label}, {INTERLEAVE}", "Both of these.", needs, answers[INTERLEAVE]))
    return [rung for rung in rungs if rung.answer["scores"]]


def measures_of(rungs: Sequence[Rung]) -> list[str]:
    """The measures that the model as measured has: without parallel answers, for one, there is no rank distance."""
    return [measure for measure in MEASURES if not rungs or measure in rungs[0].answer["scores"]]


def ladder_table(rungs: Sequence[Rung], measure: str) -> pd.DataFrame:
    """A row for each rung that has the measure: `remedy, value, low, high`, and the difference from the first."""
    there = [rung for rung in rungs if measure in rung.answer["scores"]]
    rows = [(rung.remedy, *rung.answer["scores"][measure]) for rung in there]
    table = pd.DataFrame(rows, columns=["remedy", "value", "low", "high"]).astype(dict.fromkeys(("low", "high"), float))
    if rows:
        table.insert(2, "difference", table["value"] - table["value"].iloc[0])
    return table


def helps_most(rungs: Sequence[Rung], measure: str) -> str:
    """Which remedy helps most, in a sentence; of those that search all languages for what was asked."""
    name = "score" if measure in NAMES else measure
    values = {
        rung.remedy: rung.answer["scores"][measure][0]
        for rung in rungs
        if measure in rung.answer["scores"] and not rung.remedy.startswith(("only-own", "translate:"))
    }
    if name not in BETTER or len(values) < 2:
        return ""
    first, *others = values
    best = min(others, key=lambda remedy: badness(name, values[remedy], 1.0))
    if badness(name, values[best], 1.0) >= badness(name, values[first], 1.0):
        return f"No remedy improves {measure.replace('_', ' ')}."
    change = f"{number(values[first], measure)} to {number(values[best], measure)}"
    return f"{best} helps most: {measure.replace('_', ' ')} goes from {change}."


def language_table(rungs: Sequence[Rung], measure: str) -> pd.DataFrame:
    """A row for each query language and rung: `language, remedy, value, low, high`."""
    rows = [
        (language, rung.remedy, *scores[measure])
        for rung in rungs
        for language, scores in rung.answer["languages"].items()
        if measure in scores
    ]
    return pd.DataFrame(rows, columns=["language", "remedy", "value", "low", "high"])


def needs_table(rungs: Sequence[Rung]) -> pd.DataFrame:
    """What each rung does and needs in production, in words."""
    rows = [(rung.remedy, f"{rung.sentence} Needs: {rung.needs[0].lower()}{rung.needs[1:]}") for rung in rungs]
    return pd.DataFrame(rows, columns=["remedy", "needs"])


def gains(answers: Mapping[str, Answers], policy: str, measure: str) -> pd.DataFrame:
    """A row for each model: the measure as it is and under a policy, the difference with its interval and p.

    Models come in the order of their gains.
    """
    rows = []
    for model, by_policy in answers.items():
        answer = by_policy.get(policy, {"difference": {}})
        if measure in answer["difference"]:
            before, after = (by_policy[name]["scores"][measure][0] for name in (POOL, policy))
            rows.append((model, before, after, *answer["difference"][measure], answer["p"][measure]))
    columns = ["model", "as measured", policy, "value", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns).sort_values("value", ascending=False, ignore_index=True)


def unanswered(answers: Answers) -> dict[str, str]:
    """Policies that the data cannot answer, with the reason."""
    return {name: str(answer["why"]) for name, answer in answers.items() if "why" in answer}
