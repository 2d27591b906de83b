"""Comparisons: against tests by hand, by loops and by scipy; false positives, coverage and power on simulated data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.load import load_model
from panglot.errors import BadResult, UnknownName
from panglot.evaluate.run import run
from panglot.results.result import Result
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bootstrap import draw_clusters
from panglot.score.comparison.contributions import Contributions, contributions, members_of, with_linear_balance
from panglot.score.comparison.paired import compare, compare_contributions, sign_chunks, swaps_of
from panglot.score.comparison.standings import rank, rank_contributions
from panglot.score.summary import score_evidence
from tests.helpers.command import panglot
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

LANGUAGES = ("de", "en", "zh")


def evidence_of(relevant: np.ndarray, others: np.ndarray) -> Evidence:
    """Evidence of fully parallel questions from the scores of their relevants and of all others."""
    questions, languages = relevant.shape[:2]
    offered = np.concatenate([relevant[..., None], others], axis=3)
    above = (offered[:, :, None] >= relevant[..., None, None]).sum(axis=4) - np.eye(languages, dtype=int)
    queries = questions * languages
    query = np.repeat(np.arange(queries), languages)
    language = np.tile(np.arange(languages), queries)
    return Evidence(
        query_ids=tuple(f"q{number}" for number in range(queries)),
        candidate_ids=(),
        languages=LANGUAGES,
        sizes=np.full(languages, 6),
        query_language=np.tile(np.arange(languages), questions),
        group=np.repeat(np.arange(questions), languages),
        cluster=np.repeat(np.arange(questions), languages),
        query=query,
        candidate=language,
        language=language,
        gain=np.ones(len(query)),
        score=np.zeros(len(query), np.float32),
        above=above.reshape(-1, languages),
        top=np.zeros((queries, 0), int),
        top_language=np.zeros((queries, 0), int),
        top_score=np.zeros((queries, 0)),
    )


def simulated(random: np.random.Generator, questions: int) -> Evidence:
    """Independent scores; how hard a question is is drawn anew for each model and shared by its languages."""
    return evidence_of(*scores(random, questions))


def scores(random: np.random.Generator, questions: int) -> tuple[np.ndarray, np.ndarray]:
    """Of relevants [questions, query languages, languages] and of others [..., languages, 5]."""
    ease = random.uniform(0, 2, (questions, 1, 1))
    return ease + random.normal(size=(questions, 3, 3)), random.normal(size=(questions, 3, 3, 5))


@pytest.fixture
def one() -> Evidence:
    return simulated(np.random.default_rng(1), 30)


@pytest.fixture
def other() -> Evidence:
    return simulated(np.random.default_rng(2), 30)


@pytest.fixture
def partly_parallel() -> tuple[Evidence, Evidence]:
    """Questions that are there in some languages only, as in MLQA-R."""
    random = np.random.default_rng(5)
    there = [(x, n) for n in range(25) for place, x in enumerate(LANGUAGES) if x == "en" or random.random() < 0.6]
    pool = Pool.of(
        LANGUAGES,
        [Query(f"{x}:{n}", f"question {n} {x}", x, f"q{n}") for x, n in there],
        [Candidate(f"{x}:c{n}", f"text {n} {x}", x) for x in LANGUAGES for n in range(30)],
        [Judgement(f"{x}:{n}", f"{y}:c{n}") for x, n in there for y in LANGUAGES if (y, n) in there],
    )
    shape = (len(there), 90)
    first, second = (collect_evidence(pool, FixedScores(random.random(shape))) for _ in range(2))
    return first, second


@pytest.fixture(scope="module")
def outcomes(starter_outcome: Callable[[str], Result]) -> dict[str, Result]:
    return {name: starter_outcome(name) for name in ("random", "use-multilingual")}


@pytest.fixture(scope="module")
def folders(outcomes: dict[str, Result], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("submissions")
    return {name: outcome.save(root).parent for name, outcome in outcomes.items()}


def test_scores_and_intervals_are_those_of_the_suite(partly_parallel: tuple[Evidence, Evidence]) -> None:
    evidence = partly_parallel[0]
    settings, by_language = (
        (scores := score_evidence(evidence, "map")).settings,
        scores.languages,
    )
    ours = compare(*partly_parallel, "map", draws=1)
    for place, setting in enumerate(("mono", "cross", "multi")):
        assert ours.by_setting.one[place] == pytest.approx(settings[setting]["map"].value, abs=1e-12)
    assert ours.by_setting.one[3] == pytest.approx(scores.balance["map"].value, abs=1e-12)
    assert ours.by_pair.one == pytest.approx(scores.pairs["map"].values[..., 0], abs=1e-12, nan_ok=True)
    for row, language in enumerate(LANGUAGES):
        expected = [by_language[language][setting]["map"].value for setting in ("mono", "cross", "multi")]
        assert ours.by_language.one[row] == pytest.approx(expected, abs=1e-12)
    for setting in ("mono", "cross", "multi"):
        standing = rank({"it": evidence}, "map", setting).models[0]
        assert standing.score == pytest.approx(settings[setting]["map"], abs=1e-12)
    assert rank({"it": evidence}, "map", "balance").models[0].score == pytest.approx(scores.balance["map"], abs=1e-12)


def test_shares_sum_to_the_scores(partly_parallel: tuple[Evidence, Evidence]) -> None:
    added = contributions(partly_parallel[0], "ndcg@10")
    shares = added.shares(members_of(3))
    shares = with_linear_balance(shares, shares.sum(axis=0)[:3])
    ours = compare(*partly_parallel, "ndcg@10", draws=1)
    assert shares[:, :4].sum(axis=0) == pytest.approx(ours.by_setting.one, abs=1e-12)


def test_a_model_does_not_differ_from_itself(outcomes: dict[str, Result]) -> None:
    evidence = outcomes["random"].evidence
    ours = compare(evidence, evidence, "map")
    for cells in (ours.by_setting, ours.by_language, ours.by_pair):
        for values in (cells.difference, cells.low, cells.high, cells.effect, cells.detectable):
            assert (values == 0).all()
        assert (cells.p == 1).all()
        assert (cells.adjusted == 1).all()
        assert not cells.found.any()


def test_only_the_language_that_differs_is_marked() -> None:
    relevant, others = scores(np.random.default_rng(1), 30)
    better = relevant + np.array([[[3.0], [0.0], [0.0]]])
    ours = compare(evidence_of(relevant, others), evidence_of(better, others), "map")
    assert ours.by_language.found.tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert ours.by_pair.found.tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert (ours.by_language.p[1:] == 1).all()


def test_only_the_pair_that_differs_is_marked() -> None:
    relevant, others = scores(np.random.default_rng(1), 30)
    better = relevant + np.array([[[0.0, 3.0, 0.0], [0.0] * 3, [0.0] * 3]])
    one, other = evidence_of(relevant, others), evidence_of(better, others)
    ours = compare(one, other, "map")
    assert np.argwhere(ours.by_pair.found).tolist() == [[0, 1]]
    assert ours.by_setting.difference[0] == 0
    assert ours.by_setting.found[1]
    worse = compare(other, one, "map")
    assert worse.by_pair.difference[0, 1] == -ours.by_pair.difference[0, 1]
    assert (worse.by_pair.p == ours.by_pair.p).all()


def naive_scores(values: dict[tuple[int, int, int], float]) -> list[float]:
    """mono, cross, multi, balance from values by (question, query language, pool); pool 3 is all languages."""

    def mean(a: int, b: int) -> float:
        return float(np.mean([value for (_, x, y), value in values.items() if (x, y) == (a, b)]))

    cells = {(a, b): mean(a, b) for a in range(3) for b in range(4)}
    mono = np.mean([cells[a, a] for a in range(3)])
    cross = np.mean([cells[a, b] for a in range(3) for b in range(3) if a != b])
    multi = np.mean([cells[a, 3] for a in range(3)])
    return [
        mono,
        cross,
        multi,
        3 / (1 / mono + 1 / cross + 1 / multi),
        *(cells[a, b] for a in range(3) for b in range(3)),
    ]


def naive_values(evidence: Evidence) -> dict[tuple[int, int, int], float]:
    """Average precision of each query in each pool, by the textbook."""
    values = {}
    for query in range(evidence.queries):
        pairs = np.flatnonzero(evidence.query == query)
        at = (int(evidence.group[query]), int(evidence.query_language[query]))
        for pool in {*evidence.language[pairs].tolist(), 3}:
            offered = list(range(3)) if pool == 3 else [pool]
            ranks = sorted(
                int(1 + evidence.above[pair, offered].sum()) for pair in pairs if evidence.language[pair] in offered
            )
            values[(*at, pool)] = sum(found / place for found, place in enumerate(ranks, 1)) / len(ranks)
    return values


def test_equal_to_swapping_by_loops_with_the_same_signs(partly_parallel: tuple[Evidence, Evidence]) -> None:
    values, other_values = map(naive_values, partly_parallel)
    draws = 200
    signs = np.concatenate(list(sign_chunks(25, draws)))
    observed = np.subtract(naive_scores(other_values), naive_scores(values))
    reached = np.zeros(len(observed))
    for swap in signs < 0:
        swapped = {key: (other_values if swap[key[0]] else values)[key] for key in values}
        other_swapped = {key: (values if swap[key[0]] else other_values)[key] for key in values}
        difference = np.subtract(naive_scores(other_swapped), naive_scores(swapped))
        reached += np.abs(difference) >= np.abs(observed) - 1e-12
    ours = compare(*partly_parallel, "map", draws)
    assert ours.by_setting.difference == pytest.approx(observed[:4], abs=1e-12)
    assert (ours.by_setting.p == reached[:4] / (1 + draws)).all()
    assert (ours.by_pair.p.ravel() == reached[4:] / (1 + draws)).all()


def test_p_values_agree_with_scipy(one: Evidence, other: Evidence) -> None:
    members = members_of(3)
    shares, other_shares = (contributions(evidence, "map").shares(members)[:, :3] for evidence in (one, other))
    theirs = permutation_test(
        (shares, other_shares),
        lambda x, y, axis: (y - x).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        axis=0,
        rng=np.random.default_rng(0),
    )
    ours = compare(one, other, "map")
    error = np.sqrt(theirs.pvalue * (1 - theirs.pvalue) * (1 / 10_000 + 1 / 20_000))
    assert (np.abs(ours.by_setting.p[:3] - theirs.pvalue) < 4 * error + 1e-3).all()


def test_exact_where_all_swaps_can_be_listed() -> None:
    random = np.random.default_rng(3)
    one, other = simulated(random, 8), simulated(random, 8)
    members = members_of(3)
    difference = contributions(other, "map").shares(members) - contributions(one, "map").shares(members)
    every = np.array(list(product([-1, 1], repeat=8))) @ difference
    exact = (np.abs(every) >= np.abs(difference.sum(axis=0)) - 1e-12).mean(axis=0)
    ours = compare(one, other, "map")
    assert ours.by_setting.p[:3] == pytest.approx(exact[:3], abs=1e-12)
    assert rank({"one": one, "other": other}, "map", "cross").p[0, 1] == pytest.approx(exact[1], abs=1e-12)


@pytest.mark.parametrize("clusters", [1, 2, 5, 13])
def test_every_swap_is_made_once_up_to_the_exchange_of_the_models(clusters: int) -> None:
    signs = np.concatenate(list(sign_chunks(clusters, 10_000)))
    assert len(signs) == swaps_of(clusters, 10_000) == 2 ** (clusters - 1)
    assert (signs[0] == 1).all()
    assert {*map(tuple, signs), *map(tuple, -signs)} == {*product([-1.0, 1.0], repeat=clusters)}


def test_with_many_clusters_swaps_are_drawn_and_the_data_is_one_of_them() -> None:
    signs = np.concatenate(list(sign_chunks(200, 1500)))
    assert signs.shape == (swaps_of(200, 1500), 200) == (1501, 200)
    assert (signs[0] == 1).all()
    assert np.abs(signs.mean(axis=0)).max() < 0.15


def test_too_few_clusters_can_find_no_difference_and_say_so() -> None:
    worst, best = np.zeros((5, 2)), np.ones((5, 2))
    models = [Contributions(("en",), total, np.ones((5, 2), np.int32)) for total in (worst, best)]
    ours = compare_contributions(*models, "map")
    assert ours.by_setting.p[0] == ours.least_p == 2 / 2**5
    assert np.isnan(ours.by_setting.detectable).all()
    assert ours.sentence == (
        "No difference can be significant: with 5 clusters of questions the smallest possible p is .062."
    )
    six = [replace(model, total=np.resize(model.total, (6, 2)), count=np.ones((6, 2), np.int32)) for model in models]
    assert compare_contributions(*six, "map").by_setting.p[0] == 2 / 2**6


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws for as many clusters are the same in each comparison, and take most of the time of a small one."""
    monkeypatch.setattr("panglot.score.comparison.paired.draw_clusters", cache(draw_clusters))


@pytest.mark.usefixtures("drawn_once")
def test_false_positives_are_five_in_a_hundred() -> None:
    """500 pairs of models that are alike; the family of settings errs in no more than 5 % (Holm), each test in 5 %."""
    random = np.random.default_rng(11)
    runs = [compare(simulated(random, 40), simulated(random, 40), "map", draws=499) for _ in range(500)]
    each = np.mean([run.by_setting.p <= 0.05 for run in runs], axis=0)
    assert each == pytest.approx(0.05, abs=0.02)
    for family in ("by_setting", "by_language", "by_pair"):
        assert np.mean([getattr(run, family).found.any() for run in runs]) <= 0.07, family


def drawn_questions(random: np.random.Generator, questions: int, shift: float) -> tuple[Contributions, Contributions]:
    """Two models with a shared difficulty of each question, `shift` apart in the population."""
    shape = (questions, 6)
    level = random.normal(0.5, 0.1, (questions, 1))
    one, other = (level + random.normal(0, 0.05, (questions, 1)) + random.normal(0, 0.1, shape) for _ in range(2))
    count = np.ones(shape, np.int32)
    return Contributions(("de", "en"), one, count), Contributions(("de", "en"), other + shift, count)


@pytest.mark.usefixtures("drawn_once")
def test_intervals_hold_the_true_difference_in_ninety_five_of_a_hundred() -> None:
    random = np.random.default_rng(12)
    shift = 0.02
    runs = [compare_contributions(*drawn_questions(random, 80, shift), "map", draws=1) for _ in range(500)]
    inside = [(run.by_setting.low <= shift) & (shift <= run.by_setting.high) for run in runs]
    assert np.mean(inside, axis=0)[:3] == pytest.approx(0.95, abs=0.03)


@pytest.mark.usefixtures("drawn_once")
def test_the_detectable_difference_is_found_in_eighty_of_a_hundred() -> None:
    random = np.random.default_rng(13)
    wide = compare_contributions(*drawn_questions(random, 5000, 0.0), "map", draws=1)
    shift = float(wide.by_setting.detectable[2]) * np.sqrt(5000 / 80)
    runs = [compare_contributions(*drawn_questions(random, 80, shift), "map", draws=499) for _ in range(400)]
    assert np.mean([run.by_setting.p[2] <= 0.05 for run in runs]) == pytest.approx(0.8, abs=0.06)
    effects = np.mean([run.by_setting.effect[2] for run in runs])
    assert effects == pytest.approx(shift / (wide.by_setting.detectable[2] * np.sqrt(5000) / 2.8016), rel=0.05)


def test_effect_and_detectable_difference_by_hand() -> None:
    """x = 1, 2, 3, 6 per cluster, twice: mean 3, standard deviation 2; t of 7 degrees of freedom: 2.3646 and .8960."""
    count = np.ones((8, 2), np.int32)
    one, other = np.zeros((8, 2)), np.repeat([[1.0], [2.0], [3.0], [6.0]] * 2, 2, axis=1)
    ours = compare_contributions(Contributions(("en",), one, count), Contributions(("en",), other, count), "map", 1)
    mono = ours.by_setting[0]
    assert mono.difference == pytest.approx(3)
    assert mono.effect == pytest.approx(3 / 2)
    assert mono.detectable == pytest.approx((2.3646 + 0.8960) * 2 / np.sqrt(8), rel=1e-4)
    assert np.isnan(ours.by_setting.p).tolist() == [False, True, False, True]


def test_compare_finds_known_difference_of_real_models(outcomes: dict[str, Result]) -> None:
    random, real = (outcome.evidence for outcome in outcomes.values())
    ours = compare(random, real, "map")
    assert ours.by_setting.found.all()
    assert (ours.by_setting.difference > ours.by_setting.detectable).all()
    assert (ours.by_setting.p == 1 / 10_001).all()
    english = ours.only(language="en")
    assert english.settings == ("mono", "cross", "multi")
    assert (english.by_setting.difference == ours.by_language.difference[3]).all()
    assert english.by_pair.p.shape == (1, 11)
    greek = ours.only("mono", "el")
    assert greek.by_setting.cells == 1
    assert greek.by_setting.adjusted[0] == greek.by_setting.p[0] == ours.by_pair.p[2, 2]
    with pytest.raises(UnknownName, match="Unknown language 'xx'"):
        ours.only(language="xx")


def test_different_queries_are_refused(one: Evidence, other: Evidence) -> None:
    with pytest.raises(BadResult, match="9 queries are in only one of the two results"):
        compare(one, simulated(np.random.default_rng(0), 27), "map")
    for name in ("group", "cluster"):
        with pytest.raises(BadResult, match="differ in their order, languages, groups or clusters"):
            compare(one, replace(other, **{name: getattr(other, name)[::-1]}), "map")
    with pytest.raises(BadResult, match="were not evaluated on the same queries"):
        rank_contributions({"a": contributions(one, "map"), "b": contributions(one.only(["de", "en"]), "map")}, "map")


def test_one_language_has_no_cross(one: Evidence) -> None:
    german = one.only(["de"])
    ours = compare(german, german, "map")
    assert np.isnan(ours.by_setting.p).tolist() == [False, True, False, True]
    with pytest.raises(BadResult, match="cross has no value"):
        rank({"a": german}, "map", "cross")


def test_rank_of_real_models(outcomes: dict[str, Result]) -> None:
    standings = rank({name: outcome.evidence for name, outcome in outcomes.items()}, "map")
    assert [(model.name, model.letters) for model in standings.models] == [
        ("use-multilingual", ("a",)),
        ("random", ("b",)),
    ]


@pytest.mark.parametrize("extra", [[], ["--matrix"], ["--setting", "mono"], ["--query-language", "en", "--matrix"]])
def test_compare_prints_for_eighty_columns_and_pipes(folders: dict[str, Path], extra: list[str]) -> None:
    done = panglot("compare", *map(str, folders.values()), *extra, COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "use-multilingual@0.2.1 is better in mono" in done.stdout
    assert ("query language down" in done.stdout) == ("--matrix" in extra)


def test_the_sentence_names_what_could_have_been_found(outcomes: dict[str, Result]) -> None:
    evidence = outcomes["random"].evidence
    again = replace(evidence, above=np.roll(evidence.above.reshape(52, 11, 11, 11), 1, axis=0).reshape(-1, 11))
    assert compare(evidence, evidence, "map").sentence == "A and B are equal in mono, cross, multi and balance."
    assert compare(evidence, again, "map").sentence.startswith("No difference found in mono (smallest detectable .0")
    both = compare(evidence, outcomes["use-multilingual"].evidence, "map")
    assert both.sentence == "B is better in mono, cross, multi and balance."


def test_compare_prints_json(folders: dict[str, Path]) -> None:
    done = panglot("compare", *map(str, folders.values()), "--metric", "ndcg@5", "--json")
    (record,) = json.loads(done.stdout)
    assert (record["task"], record["metric"], record["clusters"]) == ("starter", "ndcg@5", 26)
    assert set(record["settings"]) == {"mono", "cross", "multi", "balance"}
    assert set(record["languages"]["de"]) == {"mono", "cross", "multi"}
    assert len(record["pairs"]) == 121
    cell = record["pairs"]["en-de"]
    assert set(cell) == {"A", "B", "difference", "low", "high", "p", "p_holm", "effect", "detectable", "found"}
    assert cell["B"] - cell["A"] == pytest.approx(cell["difference"], abs=1e-9)
    assert cell["p_holm"] >= cell["p"] > 0


def test_rank_prints_and_gives_json(folders: dict[str, Path]) -> None:
    root = str(folders["random"].parent)
    done = panglot("rank", root, "--setting", "balance", COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 80
    assert done.stdout.index("use-multilingual@") < done.stdout.index("random@")
    record = json.loads(panglot("rank", root, "--json").stdout)
    assert [model["rank"] for model in record["models"]] == [1, 2]
    assert record["p_holm"][0][0] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "{part}", "{rest}"], "cannot be compared on starter: A was asked in de, en, B in en, es"),
        (["compare", "{random}", "{real}", "--task", "startr"], "Unknown shared task 'startr'. Did you mean starter?"),
        (["compare", "{random}", "{real}", "--query-language", "xx"], "Unknown language 'xx'"),
        (["compare", "{random}", "{real}", "--metric", "mapp"], "Unknown metric 'mapp'"),
        (["compare", "{root}", "{real}"], "contains results of 2 models"),
        (["compare", "{random}", "nowhere"], "nowhere does not exist"),
        (["rank", "{root}", "--task", "xquad-r"], "Unknown task 'xquad-r'"),
    ],
)
def test_refused_comparison_says_why(
    arguments: list[str], message: str, folders: dict[str, Path], tmp_path: Path, outcomes: dict[str, Result]
) -> None:
    part, rest = (run(TASKS["starter"], load_model("random"), languages) for languages in (["de", "en"], ["en", "es"]))
    names = {
        "random": folders["random"],
        "real": folders["use-multilingual"],
        "root": folders["random"].parent,
        "part": part.save(tmp_path),
        "rest": rest.save(tmp_path),
    }
    done = panglot(*(argument.format(**names) for argument in arguments))
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
