"""What stands on top, hubs, and the pool of English and one more: equal to sorting the pool, right where scores tie."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import skew

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bias.lists import hubs, top_hits
from panglot.score.bias.ranks import english_pool
from panglot.score.bias.selection import of_the_whole
from panglot.score.summary import score_evidence
from tests.helpers import naive
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import FixedScores

LANGUAGES = ("de", "en", "zh")


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def scored(request: pytest.FixtureRequest, make_pool: PoolMaker) -> tuple[Pool, np.ndarray, Evidence]:
    """Random scores, and coarse ones that often tie."""
    pool = make_pool(questions=15, distractors=9)
    scores = np.random.default_rng(8).random((len(pool.queries), len(pool.candidates)))
    scores[pool.query, pool.candidate] += 0.25
    if request.param:
        scores = np.round(scores * 8) / 8
    return pool, scores, collect_evidence(pool, FixedScores(scores))


def test_top_hits_equal_looking_at_the_best_candidates(scored: tuple[Pool, np.ndarray, Evidence]) -> None:
    pool, scores, evidence = scored
    found = top_hits(evidence)["top_hit"]
    assert (found.sum(axis=1) == 1).all()
    for query in range(len(pool.queries)):
        relevant = np.isin(np.arange(len(pool.candidates)), pool.candidate[pool.query == query])
        right = scores[query, relevant].max() > scores[query, ~relevant].max()
        among = relevant if right else ~relevant
        best = np.flatnonzero(among & (scores[query] == scores[query, among].max()))
        own = pool.candidates.language[best] == pool.queries.language[query]
        which = int(np.argmax(found[query]))
        assert which // 2 == (0 if right else 1)
        assert (which % 2 == 0) in own.tolist()


def test_the_four_shares_add_up_to_one(scored: tuple[Pool, np.ndarray, Evidence]) -> None:
    scores = score_evidence(scored[2], "map")
    for measures in (scores.bias, *(own["bias"] for own in scores.languages.values())):
        shares = [measures[name].value for name in measures if name.startswith("top_hit")]
        assert (len(shares), sum(shares)) == (4, pytest.approx(1))
    right = scores.bias["top_hit_right_own"].value + scores.bias["top_hit_right_other"].value
    assert right == pytest.approx(scores.settings["multi"]["success@1"].value)


def test_a_tie_with_a_wrong_candidate_is_wrong_and_in_its_language() -> None:
    """Answers tie with an English candidate, then with a Chinese one; then one answer is alone on top."""
    pool = Pool.of(
        LANGUAGES,
        [Query("q", "", "de", "q")],
        [Candidate(name, "", name[:2]) for name in ("de:a", "en:x", "zh:a", "zh:x")],
        [Judgement("q", "de:a"), Judgement("q", "zh:a")],
    )
    right_own, wrong_other = [1, 0, 0, 0], [0, 0, 0, 1]
    for scores, hit in (([9, 9, 9, 1], wrong_other), ([1, 2, 9, 9], wrong_other), ([9, 1, 1, 1], right_own)):
        found = top_hits(collect_evidence(pool, FixedScores(np.array([scores]))))["top_hit"]
        assert found.tolist() == [hit]


def test_without_lists_nothing_is_known_of_the_first_candidate(scored: tuple[Pool, np.ndarray, Evidence]) -> None:
    _, _, evidence = scored
    empty = replace(evidence, top=evidence.top[:, :0], top_language=evidence.top_language[:, :0])
    assert np.isnan(top_hits(empty)["top_hit"]).all()


def test_hubs_equal_counting_the_lists(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=60, distractors=40)
    scores = np.random.default_rng(5).random((len(pool.queries), len(pool.candidates)))
    scores[:, ::7] += 0.2
    evidence = collect_evidence(pool, FixedScores(scores))
    listed = np.zeros(len(pool.candidates))
    for row in scores:
        listed[np.argsort(-row)[:10]] += 1
    found = hubs(evidence)
    assert found["hubness"] == pytest.approx(skew(listed))
    assert found["hub_share"] == pytest.approx(np.sort(listed)[-3:].sum() / listed.sum())  # 1 % of 300
    drawn = of_the_whole(evidence, 3)
    assert drawn["hubness"] == pytest.approx([found["hubness"], np.nan, np.nan], nan_ok=True)
    twice = hubs(replace(evidence, sizes=2 * evidence.sizes))  # as many candidates again, in no list
    assert twice["hubness"] == pytest.approx(skew(np.append(listed, np.zeros(300))))
    assert twice["hub_share"] == pytest.approx(np.sort(listed)[-6:].sum() / listed.sum())


def test_no_memory_is_taken_for_candidates_that_evidence_only_counts(make_pool: PoolMaker) -> None:
    """Own data may state any number of them; two thousand million would be gigabytes."""
    pool = make_pool(questions=10, distractors=5)
    evidence = collect_evidence(pool, FixedScores(np.random.default_rng(5).random((30, 45))))
    claimed = replace(evidence, sizes=np.array([1 << 30, 1 << 30, 1 << 30]))
    tracemalloc.start()
    scores = score_evidence(claimed, "map", draws=20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20
    assert scores.bias["hub_share@10"].value == pytest.approx(1)


def test_hubs_where_all_are_listed_alike_and_where_one_is_everywhere(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=50, distractors=0, languages=("de", "en"))
    alike = np.zeros((100, 100))
    for query in range(100):
        alike[query, (query + np.arange(10)) % 100] = 1 - np.arange(10) / 20
    assert hubs(collect_evidence(pool, FixedScores(alike))) == pytest.approx({"hubness": 0, "hub_share": 0.01})
    alike[:, 0] = 2
    assert hubs(collect_evidence(pool, FixedScores(alike)))["hub_share"] == pytest.approx(0.1)
    scores = score_evidence(collect_evidence(pool, FixedScores(alike)), "map")
    assert scores.bias["hubness@10"].low is None
    assert "hubness@10" not in scores.languages["de"]["bias"]


def test_the_english_pool_equals_sorting_it(scored: tuple[Pool, np.ndarray, Evidence]) -> None:
    pool, scores, evidence = scored
    found = english_pool(evidence)
    english = LANGUAGES.index("en")
    for query, language in enumerate(pool.queries.language.tolist()):
        values = [found[name][query, 0] for name in ("english_max_rank", "english_complete", "own_above_english")]
        if language == english:
            assert np.isnan(values).all()
            continue
        ranked = naive.ranks(pool, scores, query, [language, english])
        score = {pool.candidates.language[candidate]: scores[query, candidate] for _, candidate in ranked}
        own_first = (np.sign(score[language] - score[english]) + 1) / 2
        assert values == [ranked[-1][0], ranked[-1][0] <= 10, own_first]


def test_the_english_pool_is_that_of_the_evidence_of_two_languages(scored: tuple[Pool, np.ndarray, Evidence]) -> None:
    scores = score_evidence(scored[2], "map")
    pair = score_evidence(scored[2].only(["de", "en"]), "map")
    whole = scores.languages["de"]["bias"]
    assert whole["english_pool_max_rank"].value == pytest.approx(pair.languages["de"]["bias"]["max_rank"].value)
    assert "english_pool_max_rank" not in scores.languages["en"].get("bias", {})
    assert scores.bias["english_pool_own_first"].value == pytest.approx(
        np.mean([scores.languages[name]["bias"]["english_pool_own_first"].value for name in ("de", "zh")])
    )


def test_a_pool_without_english_has_no_english_measures(make_pool: PoolMaker) -> None:
    pool = make_pool(questions=8, languages=("de", "zh"))
    evidence = collect_evidence(pool, FixedScores(np.random.default_rng(0).random((16, len(pool.candidates)))))
    scores = score_evidence(evidence, "map")
    assert not [name for name in (*scores.bias, *scores.blind) if name.startswith("english")]
