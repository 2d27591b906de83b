"""Ranks of many models: told apart where they differ, and by letters."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from panglot.score.comparison import standings
from panglot.score.comparison.contributions import Contributions
from panglot.score.comparison.differences import holm
from panglot.score.comparison.paired import compare_contributions
from panglot.score.comparison.standings import rank_contributions


def test_too_few_clusters_give_no_interval_and_every_rank() -> None:
    models = shifted(np.random.default_rng(6), [0.0, 0.5, 1.0], questions=4)
    standings = rank_contributions(models, "map")
    assert [(model.place, model.low, model.high) for model in standings.models] == [(1, 1, 3), (2, 1, 3), (3, 1, 3)]
    assert all(model.score.low is None for model in standings.models)
    pair = compare_contributions(models["m0"], models["m2"], "map")
    assert np.isnan(pair.by_setting.low).all()
    assert (pair.by_setting.difference > 0.8).all()


def shifted(random: np.random.Generator, shifts: list[float], questions: int = 200) -> dict[str, Contributions]:
    level = random.uniform(0.2, 0.6, (questions, 1))
    count = np.ones((questions, 6), np.int32)
    noise = random.normal(0, 0.1, (len(shifts), questions, 6))
    return {
        f"m{place}": Contributions(("de", "en"), level + noise[place] + shift, count)
        for place, shift in enumerate(shifts)
    }


@pytest.mark.parametrize("setting", ["mono", "cross", "multi", "balance"])
def test_rank_orders_by_score_and_tells_apart_what_differs(setting: str) -> None:
    models = shifted(np.random.default_rng(6), [0.0, 0.002, 0.1, 0.101, 0.2])
    models["twin"] = models["m4"]
    standings = rank_contributions(models, "map", setting)
    names = [model.name for model in standings.models]
    assert names[:2] == ["m4", "twin"]
    assert {*names[2:4]} == {"m2", "m3"}
    assert [model.place for model in standings.models][:3] == [1, 1, 3]
    assert [model.letters for model in standings.models] == [("a",)] * 2 + [("b",)] * 2 + [("c",)] * 2
    assert [(model.low, model.high) for model in standings.models[:2]] == [(1, 1)] * 2
    assert all(3 <= model.low <= model.place <= model.high <= 4 for model in standings.models[2:4])
    assert standings.p[0, 1] == 1
    assert (np.nan_to_num(standings.p) == np.nan_to_num(standings.p.T)).all()


@pytest.mark.parametrize("setting", ["mono", "cross", "multi", "balance"])
def test_rank_tests_as_compare_does(setting: str) -> None:
    models = shifted(np.random.default_rng(8), [0.0, 0.01], questions=60)
    p = rank_contributions(models, "map", setting).p[0, 1]
    cells = compare_contributions(*models.values(), "map").by_setting
    place = ("mono", "cross", "multi", "balance").index(setting)
    assert p == pytest.approx(cells.p[place], abs=0 if setting != "balance" else 0.01)


def test_bound_of_p_is_never_below_p() -> None:
    random = np.random.default_rng(9)
    every = np.array(list(product([-1, 1], repeat=10)))
    for scale in (0.0, 0.3, 1.0, 3.0):
        shares = np.cumsum(random.normal(scale, 1, (10, 2)), axis=1)
        observed = np.abs(np.diff(shares.sum(axis=0)))
        exact = (np.abs(every @ np.diff(shares, axis=1)) >= observed - 1e-12).mean()
        bound = standings._bound(shares, np.array([[0, observed[0]], [observed[0], 0]]))
        assert bound[0, 1] >= exact


def test_many_models_remain_distinguishable() -> None:
    """1,225 pairs: the least p of 10,000 draws, times that, is above α; the bound is not."""
    shifts = np.linspace(0, 3, 50).tolist()
    standings = rank_contributions(shifted(np.random.default_rng(10), shifts), "map")
    assert all(len(model.letters) == 1 for model in standings.models)
    assert standings.models[0].letters != standings.models[1].letters


def test_letters_separate_exactly_the_models_that_differ() -> None:
    random = np.random.default_rng(14)
    for models, share in product((1, 2, 7, 25), (0.0, 0.3, 0.8, 1.0)):
        upper = np.triu(random.random((models, models)) < share, 1)
        different = upper | upper.T
        letters = standings._letters(different)
        for first, second in product(range(models), repeat=2):
            assert bool({*letters[first]} & {*letters[second]}) == (first == second or not different[first, second])


def test_letters_of_non_transitive_differences() -> None:
    different = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], bool)
    assert standings._letters(different) == [("a",), ("a", "b"), ("b",)]
    assert [standings._letter(number) for number in (0, 25, 26, 51, 52, 701, 702)] == [
        "a",
        "z",
        "aa",
        "az",
        "ba",
        "zz",
        "aaa",
    ]


def test_letters_in_a_row_are_abbreviated() -> None:
    from panglot.cli.view.comparison import _run, _runs

    assert [_run("abcdefg", *run) for run in _runs([0, 1, 3, 4, 5, 6])] == ["a b", "d–g"]
    assert list(_runs([])) == []


def test_holm_equals_hand_computed_values() -> None:
    p = np.array([[0.01, 0.04, np.nan], [0.03, 0.005, np.nan]])
    assert holm(p) == pytest.approx(np.array([[0.03, 0.06, np.nan], [0.06, 0.02, np.nan]]), nan_ok=True)
    assert holm(np.array([0.4, 0.9])).tolist() == [0.8, 0.9]
    assert holm(np.array([0.6, 0.9])).tolist() == [1, 1]
    assert holm(np.array([np.nan])).tolist() == pytest.approx([np.nan], nan_ok=True)
