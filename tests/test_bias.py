"""Language bias: worked by hand, and at the known ends of every scale on the real pools."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.kinds.floors import LanguageId
from panglot.progress import silent
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score import bias
from panglot.score.bias.pairs import mean_per_query, sum_before
from panglot.score.bootstrap import Sample
from panglot.score.summary import BIAS_NAMES, Scores, score_evidence
from tests.helpers.pools import PoolMaker
from tests.helpers.scores import Constant, FixedScores, Perfect, Random


@pytest.fixture
def one_question(fixed_scores: type[FixedScores]) -> Evidence:
    """Two languages, one question in each, three candidates in each; the German ranking is d0 d1 e0 e1 d2 e2."""
    pool = Pool.of(
        ("de", "en"),
        [Query("de:q", "", "de", "q"), Query("en:q", "", "en", "q")],
        [Candidate(f"{language}{n}", "", language) for language in ("de", "en") for n in range(3)],
        [Judgement(f"{language}:q", relevant) for language in ("de", "en") for relevant in ("de0", "en1")],
    )
    return collect_evidence(pool, fixed_scores(np.array([[9, 8, 5, 7, 6, 4], [1, 2, 3, 4, 6, 5]])))


def _statistic(evidence: Evidence, name: str) -> list[float]:
    return bias.statistics(evidence, [evidence], BIAS_NAMES)[name][:, 0].tolist()


def test_rank_distances_equal_hand_computed_values(one_question: Evidence) -> None:
    # Relevants stand at ranks 1 (de) and 4 (en) for the German query, 6 and 1 for the English one.
    assert _statistic(one_question, "distance") == [3, 5]
    assert _statistic(one_question, "least_distance") == [1, 1]
    assert _statistic(one_question, "random_distance") == pytest.approx([7 / 3, 7 / 3])
    assert _statistic(one_question, "max_rank") == [4, 6]
    assert _statistic(one_question, "complete@20") == [1, 1]
    assert _statistic(one_question, "first_hit") == [1, 1]
    # Without d0 the English relevant is at 3: AP falls from 3/4 to 1/3; without e1 it rises to 1.
    assert _statistic(one_question, "removal")[0] == pytest.approx((3 / 4 - 1 / 3) - (3 / 4 - 1))
    # For the German query e1 stands below d1, a German non-relevant, and below e0, an English one.
    assert _statistic(one_question, "strong") == [0, 0]
    assert _statistic(one_question, "weak") == [0, 0]
    assert bias.statistics(one_question, [one_question], [])["mix"].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert bias.statistics(one_question, [one_question], [])["pool"].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_sums_of_better_ranked_candidates_start_anew_with_each_query(one_question: Evidence) -> None:
    assert sum_before(one_question.together, np.array([1.0, 2, 3, 4])).tolist() == [0, 1, 0, 3]


def test_mean_of_a_query_without_relevant_candidates_is_unknown(one_question: Evidence) -> None:
    longer = replace(one_question, query_language=np.array([0, 1, 1]))
    found = mean_per_query(longer, np.array([1.0, 2, 3, 6]), np.array([True, True, False, True]))
    assert found == pytest.approx([1.5, 6, np.nan], nan_ok=True)


def _measured(name: str, **means: object) -> list[float]:
    """The measure of each language, from the means of one draw."""
    measure = next(measure for measure in bias.MEASURES if measure.name == name)
    arrays = {key: np.array([value], float) for key, value in means.items()}
    return measure.by_language(arrays)[0].tolist()


def test_normalised_distance_equals_hand_computed_values(one_question: Evidence) -> None:
    """Rescaled to 0 for the least distance and 1 for the random one, which is a third above it."""
    scores = score_evidence(one_question, "map", draws=2)
    assert scores.languages["de"]["bias"]["normalised_rank_distance"].value == pytest.approx((3 - 1) / (4 / 3))
    assert scores.languages["en"]["bias"]["normalised_rank_distance"].value == pytest.approx((5 - 1) / (4 / 3))
    assert scores.bias["normalised_rank_distance"].value == pytest.approx((4 - 1) / (4 / 3))
    means = {"distance": [[3.0], [1]], "least_distance": [[1.0], [1]], "random_distance": [[2.0], [1]]}
    # In a pool of relevant candidates alone, all orders have the same distance.
    assert _measured("normalised_rank_distance", **means) == pytest.approx([2, np.nan], nan_ok=True)


def test_divergence_of_languages_equals_hand_computed_bits() -> None:
    """Lists of one language in a pool of two, and lists as mixed as the pool."""
    found = _measured("language_jsd@10", mix=[[1, 0], [0.25, 0.75]], pool=[[0.5, 0.5], [0.25, 0.75]])
    assert found == pytest.approx([(np.log2(4 / 3) + (np.log2(2 / 3) + np.log2(2)) / 2) / 2, 0])


def test_kendall_w_is_the_share_of_variance_that_languages_explain() -> None:
    """Sums of 4 and −4 over two ranks each explain 16 of 20; without variance nothing does, without ranks it is open.

    The third language of the first row has no relevant candidates.
    """
    found = _measured(
        "kendall_w",
        rank_sum=[[4, -4, 0], [0, 0, 0], [0, 0, 0]],
        rank_count=[[2, 2, 0], [1, 1, 1], [0, 0, 0]],
        rank_square=[[20], [0], [np.nan]],
    )
    assert found == pytest.approx([0.8, 0, np.nan], nan_ok=True)


def test_strong_and_weak_alignment_by_hand(fixed_scores: type[FixedScores]) -> None:
    pool = Pool.of(
        ("de", "en"),
        [Query("de:q", "", "de", "q")],
        [Candidate(f"{language}{n}", "", language) for language in ("de", "en") for n in range(2)],
        [Judgement("de:q", "de0"), Judgement("de:q", "en0")],
    )
    for scores, strong, weak in ([4, 1, 3, 2], 1, 1), ([4, 3, 2, 1], 0, 1), ([4, 1, 2, 3], 1, 0), ([2, 2, 2, 2], 0, 0):
        evidence = collect_evidence(pool, fixed_scores(np.array([scores])))
        assert (_statistic(evidence, "strong"), _statistic(evidence, "weak")) == ([strong], [weak])


def test_consistency_by_hand(fixed_scores: type[FixedScores]) -> None:
    """Lists that share nothing before depth two and all from there on have the weights from two on."""
    pool = Pool.of(
        ("de", "en"),
        [Query("de:q", "", "de", "q"), Query("en:q", "", "en", "q")],
        [Candidate(f"c{n}", "", "de") for n in range(20)],
        [Judgement("de:q", "c0"), Judgement("en:q", "c0")],
    )
    scores = np.stack([np.arange(20, 0, -1), np.arange(20, 0, -1)])
    scores[1, :2] = scores[1, 1::-1]
    weight = np.exp(-np.arange(1.0, 11))
    expected = 1 - weight[0] / weight.sum()
    assert _statistic(collect_evidence(pool, fixed_scores(scores)), "consistency") == pytest.approx([expected] * 2)


@pytest.mark.parametrize("candidates", [2, 5])
def test_consistency_equals_comparing_the_lists(candidates: int, fixed_scores: type[FixedScores]) -> None:
    """Also where the pool is shorter than the lists, and where a language asks twice: its first query is compared."""
    languages = ("de", "en", "th")
    asked = sorted([*((x, f"q{n}") for x in languages for n in range(2)), ("en", "q1")])
    pool = Pool.of(
        languages,
        [Query(f"{place}", "", *question) for place, question in enumerate(asked)],
        [Candidate(f"{x}{n}", "", x) for x in languages for n in range(candidates)],
        [Judgement(f"{place}", "de0") for place in range(len(asked))],
    )
    assert pool.queries.ids == tuple(map(str, range(len(asked))))
    scores = np.random.default_rng(4).permuted(np.tile(np.arange(3.0 * candidates), (len(asked), 1)), axis=1)
    lists = {asked[query]: np.argsort(-scores[query]) for query in reversed(range(len(asked)))}
    weight = np.exp(-np.arange(1.0, 11))
    weight /= weight.sum()

    def overlap(one: np.ndarray, other: np.ndarray) -> float:
        return sum(weight[k - 1] * len(np.intersect1d(one[:k], other[:k])) / k for k in range(1, 11))

    expected = [np.mean([overlap(lists[x, q], lists[y, q]) for y in languages if y != x]) for x, q in asked]
    assert _statistic(collect_evidence(pool, fixed_scores(scores)), "consistency") == pytest.approx(expected)


def _average_precision(scores: np.ndarray, relevant: set[int]) -> float:
    """Ties count against the encoder."""
    order = sorted(range(len(scores)), key=lambda candidate: (-scores[candidate], candidate in relevant))
    ranks = [rank for rank, candidate in enumerate(order, 1) if candidate in relevant]
    return float(np.mean([number / rank for number, rank in enumerate(ranks, 1)]))


@pytest.mark.parametrize("steps", [4, 1000])
def test_statistics_of_ranks_equal_looking_at_the_candidates(steps: int, fixed_scores: type[FixedScores]) -> None:
    """With many ties and with few; every other question has two answers in each language."""
    languages = ("de", "en", "th")
    pool = Pool.of(
        languages,
        [Query(f"{x}:q{n}", "", x, f"q{n}") for x in languages for n in range(4)],
        [Candidate(f"{x}:c{n}", "", x) for x in languages for n in range(9)],
        [
            Judgement(f"{x}:q{n}", f"{y}:c{answer}")
            for x in languages
            for y in languages
            for n in range(4)
            for answer in ((n, n + 4) if n % 2 else (n,))
        ],
    )
    scores = np.random.default_rng(3).integers(0, steps, (12, 27)).astype(float)
    scores[pool.query, pool.candidate] += steps // 2
    evidence = collect_evidence(pool, fixed_scores(scores))
    names = ("removal", "strong", "weak", "first_hit", "blind_first_hit", "random_distance")
    found = {name: _statistic(evidence, name) for name in names}
    language = pool.candidates.language
    for query, own in enumerate(pool.queries.language.tolist()):
        row, relevant = scores[query], {*pool.candidate[pool.query == query].tolist()}
        is_relevant = np.isin(np.arange(27), [*relevant])
        others = [candidate for candidate in relevant if language[candidate] != own]
        mine = [candidate for candidate in relevant if language[candidate] == own]
        left = {
            candidate: _average_precision(np.where(np.arange(27) == candidate, -1, row), relevant - {candidate})
            for candidate in relevant
        }
        lost = [np.mean([_average_precision(row, relevant) - left[c] for c in part]) for part in (mine, others)]
        best = [candidate for candidate in relevant if row[candidate] == row[[*relevant]].max()]
        assert found["removal"][query] == pytest.approx(lost[0] - lost[1])
        wrong = [row[(language == place) & ~is_relevant].max() for place in range(3)]
        assert found["strong"][query] == pytest.approx(np.mean([row[c] > wrong[own] for c in others]))
        assert found["weak"][query] == pytest.approx(np.mean([row[c] > wrong[language[c]] for c in others]))
        assert found["first_hit"][query] == pytest.approx(np.mean([c in mine for c in best]))
        assert found["blind_first_hit"][query] == pytest.approx(1 / 3)
        # The expected range of k of n ranks that are drawn without replacement
        assert found["random_distance"][query] == pytest.approx(28 * (len(relevant) - 1) / (len(relevant) + 1))


def test_kendall_w_is_friedmans(make_pool: PoolMaker, fixed_scores: type[FixedScores]) -> None:
    pool = make_pool(questions=30, distractors=3)
    scores = np.random.default_rng(5).random((90, 99)) + 0.5 * pool.candidates.language
    evidence = collect_evidence(pool, fixed_scores(scores))
    found = score_evidence(evidence, "map", draws=2).languages
    ranks = -scores[pool.query, pool.candidate].reshape(3, 30, 3)
    for language, block in zip(pool.languages, ranks, strict=True):
        expected = friedmanchisquare(*block.T).statistic / (30 * 2)
        assert found[language]["bias"]["kendall_w"].value == pytest.approx(expected)


def test_blind_agreement_equals_hand_computed_values(fixed_scores: type[FixedScores]) -> None:
    """Two German questions answered in two languages: 2 of 4 relevants. An English one answered in three: 3 of 3."""
    answered = {"de:0": ("de", "en"), "de:1": ("de", "en"), "en:2": ("de", "en", "th")}
    pool = Pool.of(
        ("de", "en", "th"),
        [Query(name, "", name[:2], name[3:]) for name in answered],
        [Candidate(f"{x}{n}", "", x) for x in ("de", "en", "th") for n in range(3)],
        [Judgement(name, f"{x}{name[3:]}") for name, found in answered.items() for x in found],
    )
    evidence = collect_evidence(pool, fixed_scores(np.arange(27).reshape(3, 9)))
    assert _statistic(evidence, "blind_w") == [0.5, 0.5, 1]


def test_lists_emptied_by_language_choice_are_not_counted(fixed_scores: type[FixedScores]) -> None:
    """The English query lists German candidates only: once German has left the pool, its list says nothing."""
    pool = Pool.of(
        ("de", "en", "es"),
        [Query(f"{language}:q", "", language, "q") for language in ("en", "es")],
        [Candidate(f"{language}{n}", "", language) for language in ("de", "en", "es") for n in range(2)],
        [Judgement(f"{asked}:q", f"{found}0") for asked in ("en", "es") for found in ("en", "es")],
    )
    whole = collect_evidence(pool, fixed_scores(np.array([[9, 8, 4, 3, 2, 1], [4, 3, 1, 2, 9, 8]])), depth=2)
    evidence = whole.only(["en", "es"])
    assert _statistic(evidence, "own_ratio") == pytest.approx([np.nan, 2], nan_ok=True)
    assert bias.statistics(evidence, [evidence], [])["mix"].tolist() == [
        pytest.approx([np.nan] * 2, nan_ok=True),
        [0, 1],
    ]
    scores = score_evidence(evidence, "map", draws=3)
    assert scores.bias["same_language_ratio@10"].value == 2
    assert "same_language_ratio@10" not in scores.languages["en"]["bias"]
    assert scores.bias["language_jsd@10"] == scores.languages["es"]["bias"]["language_jsd@10"]


@cache
def _scores(pool: Pool, kind: type) -> Scores:
    return score_evidence(collect_evidence(pool, kind(pool)), "map", ["map"], draws=10)


def _bias(scores: Scores) -> dict[str, float]:
    return {name: score.value for name, score in scores.bias.items()}


@pytest.fixture(scope="module")
def third(xquad_r: Pool) -> Pool:
    """XQuAD-R with every third question, in all languages among all candidates."""
    questions = sorted(set(xquad_r.groups))[::3]
    asked = np.flatnonzero(np.isin(xquad_r.groups, questions))
    return xquad_r.part(asked, np.arange(len(xquad_r.candidates)))


def test_perfect_scores_on_xquad_r(third: Pool) -> None:
    scores = _scores(third, Perfect)
    assert {setting: values["map"].value for setting, values in scores.settings.items()} == {
        "mono": 1,
        "cross": 1,
        "multi": 1,
    }
    found = _bias(scores)
    assert found["rank_distance"] == 10
    assert found["normalised_rank_distance"] == pytest.approx(0, abs=1e-12)
    assert (found["max_rank"], found["complete@20"], found["kendall_w"]) == (11, 1, 0)
    assert found["first_hit_own_language"] == pytest.approx(1 / 11)
    assert found["consistency@10"] > 0.5
    assert (found["strong_alignment"], found["weak_alignment"], found["alignment_gap"]) == (1, 1, 0)
    assert found["remove_one_target"] == pytest.approx(0, abs=1e-12)


def test_random_scores_on_xquad_r(third: Pool) -> None:
    scores = _scores(third, Random)
    found = _bias(scores)
    assert scores.settings["multi"]["map"].value == pytest.approx(0.0015, abs=0.0002)
    assert found["rank_distance"] == pytest.approx(10_846, rel=0.01)
    assert found["normalised_rank_distance"] == pytest.approx(1, abs=0.01)
    assert found["same_language_ratio@10"] == pytest.approx(1, abs=0.05)
    assert found["language_jsd@10"] < 0.001
    assert found["kendall_w"] == pytest.approx(1 / 397, abs=0.001)
    assert found["first_hit_own_language"] == pytest.approx(1 / 11, abs=0.01)
    assert found["consistency@10"] < 0.01


def test_a_constant_encoder_on_xquad_r_gets_the_floor(third: Pool) -> None:
    scores = _scores(third, Constant)
    last = 13_014 - 11 + np.arange(1, 12)
    assert scores.settings["multi"]["map"].value == pytest.approx((np.arange(1, 12) / last).mean())
    assert scores.settings["mono"]["map"].value == pytest.approx((1 / third.sizes).mean())
    found = _bias(scores)
    assert (found["rank_distance"], found["max_rank"], found["kendall_w"]) == (10, 13_014, 0)
    assert found["same_language_ratio@10"] == pytest.approx(1, abs=0.1)
    assert found["consistency@10"] == pytest.approx(1)


def test_language_id_on_xquad_r_is_all_bias(third: Pool) -> None:
    evidence = collect_evidence(third, LanguageId().scores(third, silent))
    scores = score_evidence(evidence, "map", ["map"], draws=10)
    assert scores.settings["mono"]["map"].value == pytest.approx((1 / third.sizes).mean())
    found = _bias(scores)
    own = 13_014 / third.sizes
    ratios = [scores.languages[name]["bias"]["same_language_ratio@10"].value for name in third.languages]
    assert ratios == pytest.approx(own.tolist())
    assert np.median(ratios) == pytest.approx(10.7, abs=0.05)
    assert found["same_language_ratio@10"] == pytest.approx(own.mean())
    assert found["normalised_rank_distance"] > 1
    assert found["first_hit_own_language"] == 1
    assert found["language_jsd@10"] > 0.7


@pytest.mark.parametrize(("kind", "average_precision", "distance"), [(Perfect, 1, 2.77), (Random, 0.0007, 11_806)])
def test_mlqa_r_bias_lies_between_random_and_language_id(
    mlqa_r: Pool, kind: type, average_precision: float, distance: float
) -> None:
    scores = _scores(mlqa_r, kind)
    assert scores.settings["multi"]["map"].value == pytest.approx(average_precision, abs=0.0004)
    assert _bias(scores)["rank_distance"] == pytest.approx(distance, rel=0.01)
    assert _bias(scores)["normalised_rank_distance"] == pytest.approx(0 if kind is Perfect else 1, abs=0.01)


def test_kendall_w_of_blind_ranker_on_partly_parallel_questions(mlqa_r: Pool) -> None:
    """Random scores order languages at random; W must come out at what is stated as its language-blind value."""
    scores = _scores(mlqa_r, Random)
    assert scores.bias["kendall_w"].value == pytest.approx(scores.blind["kendall_w"], rel=0.5)


def test_every_measure_has_a_sentence_and_a_place(make_pool: PoolMaker, fixed_scores: type[FixedScores]) -> None:
    pool = make_pool(questions=30, distractors=3)
    evidence = collect_evidence(pool, fixed_scores(np.random.default_rng(6).random((90, 99))))
    scores = score_evidence(evidence, "map")
    assert all(measure.sentence.endswith(".") for measure in bias.MEASURES)
    for measure in bias.measures_of(evidence):
        assert measure.name in scores.bias
        value, low, high = scores.bias[measure.name]
        if measure.name.startswith("hub"):
            assert low is high is None
            continue
        assert low <= high
        if measure.name not in ("kendall_w", "kendall_w_pooled", "language_jsd@10"):  # means of squares are biased up
            assert low - 1e-9 <= value <= high + 1e-9, measure.name


def test_a_task_without_parallels_has_no_bias(fixed_scores: type[FixedScores]) -> None:
    pool = Pool.of(
        ("de",),
        [Query("q", "", "de", "q")],
        [Candidate("a", "", "de"), Candidate("b", "", "de")],
        [Judgement("q", "a")],
    )
    scores = score_evidence(collect_evidence(pool, fixed_scores(np.array([[2, 1]]))), "map", draws=5)
    assert (scores.bias, scores.blind) == ({}, {})
    assert set(scores.settings) == {"mono", "multi"}
    assert scores.balance == {}


def test_the_bootstrap_draws_questions_not_queries(make_pool: PoolMaker, fixed_scores: type[FixedScores]) -> None:
    """Versions of one question that all fail together must not pass for independent evidence."""
    pool = make_pool(questions=40, distractors=10, languages=("de", "en", "es", "ru"))
    good = np.array([int(group[1:]) % 2 for group in pool.groups])
    scores = np.zeros((len(pool.queries), len(pool.candidates)))
    scores[pool.query, pool.candidate] = good[pool.query]
    evidence = collect_evidence(pool, fixed_scores(scores))
    score = score_evidence(evidence, "map", ["map"]).settings["mono"]["map"]
    deviation = np.sqrt(0.25 / 40) * (1 - 1 / 50)
    assert score.high - score.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    sample = Sample(evidence.cluster, evidence.query_language, 4, draws=3)
    assert sample.means({"x": np.ones((evidence.queries, 1))})["x"].tolist() == [[[1.0]] * 4] * 4
