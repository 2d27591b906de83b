"""Within languages and across English: the means by hand, and the figures of the shared results to three digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from panglot.data.image import IMAGES
from panglot.interop.field import Reported, reported_on, shipped_field
from panglot.score.pivot import COMPETENT, Cells, cells_of_means, english_asks_better, english_pivot, places, spearman

LANGUAGES = ("de", "en", "th")
MODEL: Cells = {
    ("de", "de"): 0.9,
    ("en", "en"): 0.6,
    ("th", "th"): 0.3,
    ("en", "de"): 0.5,
    ("en", "th"): 0.4,
    ("de", "en"): 0.8,
    ("th", "en"): 0.2,
    ("de", "th"): 0.0,
}
KNOWN = {
    "google/gemini-embedding-001": (0.908, 0.909),
    "tencent/KaLM-Embedding-Gemma3-12B-2511": (0.867, 0.904),
    "Qwen/Qwen3-Embedding-8B": (0.877, 0.897),
    "intfloat/multilingual-e5-large-instruct": (0.830, 0.815),
    "BAAI/bge-m3": (0.805, 0.790),
    "intfloat/multilingual-e5-small": (0.692, 0.667),
    "minishlab/potion-multilingual-128M": (0.503, 0.401),
}
EIGHT = ("azj_Latn", "nld_Latn", "pbt_Arab", "ssw_Latn", "npi_Deva", "arb_Latn", "slv_Latn", "tgk_Cyrl")


@pytest.fixture(scope="module")
def field() -> list[Reported]:
    return reported_on(shipped_field(), "belebele", "ndcg@10")


@pytest.fixture(scope="module")
def languages(field: list[Reported]) -> list[str]:
    return sorted({query for model in field for query, _ in model.cells})


def test_means_by_hand() -> None:
    pivot = english_pivot([MODEL], LANGUAGES)
    assert pivot.mono.tolist() == pytest.approx([0.6])
    assert pivot.from_english.tolist() == pytest.approx([0.45])
    assert pivot.to_english.tolist() == pytest.approx([0.5])
    assert pivot.english.tolist() == pytest.approx([0.475])


def test_a_mean_with_a_missing_cell_is_missing() -> None:
    partial = {cell: value for cell, value in MODEL.items() if cell != ("en", "th")}
    pivot = english_pivot([partial], LANGUAGES)
    assert math.isnan(pivot.from_english[0])
    assert math.isnan(pivot.english[0])
    assert pivot.mono[0] == pytest.approx(0.6)
    assert english_pivot([partial], ("de", "en")).english[0] == pytest.approx(0.65)


def test_images_and_tasks_without_english_have_no_pivot() -> None:
    assert cells_of_means(("de", "en", IMAGES)) == ([("de", IMAGES), ("en", IMAGES)], [], [])
    assert cells_of_means(("de", "th"))[1:] == ([], [])
    assert math.isnan(english_pivot([MODEL], ("de", "th")).english[0])


def test_bridge_is_the_difference_of_places() -> None:
    island = {**MODEL, ("th", "th"): 0.9, ("en", "th"): 0.0}
    pivot = english_pivot([MODEL, island, {}], LANGUAGES)
    assert pivot.bridge[:2].tolist() == [1, -1]
    assert math.isnan(pivot.bridge[2])


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.data())
def test_places_and_correlation_equal_scipy(values: list[int], data: st.DataObject) -> None:
    one = np.array(values, float)
    other = np.array(data.draw(st.lists(st.integers(0, 5), min_size=len(values), max_size=len(values))), float)
    assert places(one).tolist() == rankdata(-one).tolist()
    if np.ptp(one) and np.ptp(other):
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    else:
        assert math.isnan(spearman(one, other))


def test_figures_of_the_field_to_three_digits(field: list[Reported], languages: list[str]) -> None:
    pivot = english_pivot([model.cells for model in field], languages)
    whole = np.isfinite(pivot.mono) & np.isfinite(pivot.english)
    assert (len(field), whole.sum(), len(languages)) == (236, 190, 122)
    found = {
        model.model: (f"{mono:.3f}", f"{english:.3f}")
        for model, mono, english in zip(field, pivot.mono, pivot.english, strict=True)
    }
    assert {name: found[name] for name in KNOWN} == {
        name: (f"{mono:.3f}", f"{english:.3f}") for name, (mono, english) in KNOWN.items()
    }
    assert f"{spearman(pivot.mono, pivot.english):.3f}" == "0.975"


def test_an_english_question_is_often_the_better_one(field: list[Reported], languages: list[str]) -> None:
    whole = [model.cells for model in field if len(model.cells) == 376]
    share, models = english_asks_better(whole, languages)
    assert (f"{share:.3f}", models) == ("0.805", 91)
    able = [cells for cells in whole if english_pivot([cells], languages).mono[0] >= COMPETENT]
    assert np.abs(english_pivot(able, languages).bridge).max() == 30
    share, models = english_asks_better(whole, languages, least=0)
    assert (f"{share:.3f}", models) == ("0.675", 190)


def test_eight_languages_order_the_models_as_all_do(field: list[Reported], languages: list[str]) -> None:
    whole = [model.cells for model in field if len(model.cells) == 376]
    few, all_ = (english_pivot(whole, chosen) for chosen in (EIGHT, languages))
    assert f"{spearman(few.mono, all_.mono):.3f}" == "0.998"
