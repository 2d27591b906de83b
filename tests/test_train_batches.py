from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.errors import BadData
from panglot.train.data.pairs import NO_INDEX, PARTNERS, ImageCaption, Pairs, PairsBuilder, TextPair
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.steps.batches import BatchDrawer, BatchSampler
from tests.helpers.processes import python

LANGUAGES = ("de", "en", "zh")
GROUPS = 30


def entries(name: str, languages: tuple[str, ...] = LANGUAGES, groups: int = GROUPS) -> list[TextPair]:
    return [
        TextPair(f"{group}", language, f"{name} {language} question {group}", f"{name} {language} passage {group}")
        for group in range(groups)
        for language in languages
    ]


def make_pairs() -> Pairs:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", entries("news"))
    builder.add_texts("sections", entries("guide", groups=2 * GROUPS))
    builder.add_images(
        "emoji",
        [ImageCaption(f"i{n}", language, f"{language} caption {n}") for n in range(GROUPS) for language in LANGUAGES],
        {f"i{n}": bytes([n]) for n in range(GROUPS)},
    )
    return builder.build()


PAIRS = make_pairs()


def recipe(sampler: dict[str, Any], seed: int = 1, batch: int = 8, **parts: Any) -> Recipe:
    images = {"image": {}, "images": [{"name": "emoji"}]} if sampler.get("gamma") else {}
    return make_recipe(
        {
            "name": "x",
            "seed": seed,
            "languages": list(LANGUAGES),
            "text": {"kind": "static"},
            "data": [{"name": "ntrex"}, {"name": "sections"}],
            "sampler": sampler,
            "training": {"batch": batch},
            **images,
            **parts,
        }
    )


SAMPLERS = st.one_of(
    st.sampled_from([{"kind": "mono"}, {"kind": "cross"}, {"kind": "mixed"}]),
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4)).map(
        lambda parts: {
            "alpha": parts[0] / sum(parts),
            "beta": parts[1] / sum(parts),
            "gamma": parts[2] / sum(parts),
        }
    ),
)


@settings(max_examples=60, deadline=None)
@given(sampler=SAMPLERS, seed=st.integers(0, 2**31), step=st.integers(0, 10**6))
def test_a_batch_is_of_one_kind_and_nothing_in_it_twice(sampler: dict[str, Any], seed: int, step: int) -> None:
    chosen = recipe(sampler, seed)
    batch = BatchDrawer(PAIRS, chosen).draw(step)
    rows = np.array(batch.rows)
    asking, answering = PAIRS.query_language[rows], PAIRS.passage_language[rows]
    assert batch.kind in chosen.shares
    assert len(set(batch.rows)) == chosen.training.batch
    assert (PAIRS.has_image[rows] == (batch.kind == "image")).all()
    if batch.kind == "mono":
        assert len({*asking, *answering}) == 1
    if batch.kind == "mixed":
        assert (asking == answering).all()
    if batch.kind == "cross":
        assert (asking != answering).all()
    if batch.kind == "image":
        assert (answering == NO_INDEX).all()
    for column in range(PAIRS.keys.shape[1]):
        assert len(set(PAIRS.keys[rows, column].tolist())) == len(rows)
    assert len(set(PAIRS.origin[rows].tolist())) == 1


@settings(max_examples=30, deadline=None)
@given(sampler=SAMPLERS, seed=st.integers(0, 2**31), start=st.integers(0, 1000))
def test_a_batch_depends_on_seed_and_step_alone(sampler: dict[str, Any], seed: int, start: int) -> None:
    first, second = BatchDrawer(PAIRS, recipe(sampler, seed)), BatchDrawer(PAIRS, recipe(sampler, seed))
    drawn = [first.draw(step) for step in range(start, start + 4)]
    assert [second.draw(step) for step in reversed(range(start, start + 4))] == drawn[::-1]
    other = BatchDrawer(PAIRS, recipe(sampler, seed + 1))
    assert [other.draw(step) for step in range(start, start + 4)] != drawn


def chi_square(observed: Counter[str], expected: dict[str, float]) -> float:
    total = sum(observed.values())
    return sum((observed[name] - total * share) ** 2 / (total * share) for name, share in expected.items())


@pytest.mark.parametrize("gamma", [0.1, 0.25])
@pytest.mark.parametrize("alpha", [0.2, 0.5])
def test_kinds_come_as_often_as_they_should(alpha: float, gamma: float) -> None:
    chosen = recipe({"alpha": alpha, "gamma": gamma})
    drawer = BatchDrawer(PAIRS, chosen)
    found = Counter(drawer.draw(step).kind for step in range(2000))
    assert chi_square(found, dict(chosen.shares)) < 13.8  # the .001 point for two degrees of freedom


def test_languages_of_mono_batches_are_uniform() -> None:
    drawer = BatchDrawer(PAIRS, recipe({"kind": "mono"}))
    found = Counter(LANGUAGES[PAIRS.query_language[drawer.draw(step).rows[0]]] for step in range(1500))
    assert chi_square(found, dict.fromkeys(LANGUAGES, 1 / 3)) < 13.8


@pytest.mark.parametrize(("temper", "share"), [(1.0, 2 / 3), (0.5, 2**0.5 / (1 + 2**0.5)), (0.0, 0.5)])
def test_data_sets_come_by_size_to_a_power(temper: float, share: float) -> None:
    drawer = BatchDrawer(PAIRS, recipe({"kind": "cross", "temper": temper}))
    found = Counter(PAIRS.sets[PAIRS.origin[drawer.draw(step).rows[0]]] for step in range(1500))
    assert chi_square(found, {"sections": share, "ntrex": 1 - share}) < 10.8  # one degree of freedom


def test_a_resumed_sampler_continues_the_sequence() -> None:
    drawer = BatchDrawer(PAIRS, recipe({"gamma": 0.2}))
    whole = list(BatchSampler(drawer, 20, 8))
    assert len(BatchSampler(drawer, 20, 8)) == len(whole) == 20
    from accelerate.data_loader import SkipBatchSampler

    assert list(SkipBatchSampler(BatchSampler(drawer, 20, 8), skip_batches=13)) == whole[13:]


def test_ranks_share_each_batch_and_no_row() -> None:
    """Two processes, by the sharding that accelerate applies, draw the same kind at each step."""
    from accelerate.data_loader import BatchSamplerShard

    drawer = BatchDrawer(PAIRS, recipe({"gamma": 0.3}))
    parts = [
        list(BatchSamplerShard(BatchSampler(drawer, 40, 8), 2, rank, split_batches=True, even_batches=False))
        for rank in (0, 1)
    ]
    assert len(parts[0]) == len(parts[1]) == 40
    for step, (one, other) in enumerate(zip(*parts, strict=True)):
        assert len(one) == len(other) == 4
        assert one + other == drawer.draw(step).rows


def test_a_language_without_enough_pairs_is_reported() -> None:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", [*entries("news", ("de", "en")), *entries("news", ("zh",), 5)])
    with pytest.raises(BadData, match=r"mono batches of 8 in 'zh' \(ntrex has 5\)"):
        BatchDrawer(builder.build(), recipe({"kind": "mono"}))


def test_a_set_too_small_in_one_language_is_left_out_there() -> None:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", entries("news"))
    builder.add_texts("sections", [*entries("guide", ("de", "en")), *entries("guide", ("zh",), 5)])
    drawer = BatchDrawer(builder.build(), recipe({"kind": "mono"}))
    assert [tuple(thin) for thin in drawer.thin] == [("mono", "sections", "zh", 5)]


def test_rows_that_share_a_text_do_not_meet() -> None:
    """One passage for many questions, whatever its case, is one answer: a batch takes a single row of it."""
    builder = PairsBuilder(("en",))
    alike = [TextPair(f"a{n}", "en", f"question {n}", "The passage" if n % 2 else "the passage") for n in range(20)]
    builder.add_texts("ntrex", [*alike, *(TextPair(f"b{n}", "en", f"other {n}", f"passage {n}") for n in range(7))])
    pairs = builder.build()
    drawer = BatchDrawer(pairs, recipe({"kind": "mono"}, languages=["en"]))
    for step in range(30):
        texts = [pairs.texts[pairs.passage[row]].lower() for row in drawer.draw(step).rows]
        assert len(set(texts)) == 8


def test_passages_of_one_cluster_do_not_meet() -> None:
    builder = PairsBuilder(("en",))
    builder.add_texts("ntrex", [TextPair(str(n), "en", f"q {n}", f"p {n}", cluster=str(n // 3)) for n in range(30)])
    pairs = builder.build()
    drawer = BatchDrawer(pairs, recipe({"kind": "mono"}, languages=["en"]))
    for step in range(20):
        numbers = [int(pairs.texts[pairs.query[row]].removeprefix("q ")) for row in drawer.draw(step).rows]
        assert len({number // 3 for number in numbers}) == 8


def test_groups_are_crossed_in_every_direction() -> None:
    builder = PairsBuilder(("de", "en"))
    builder.add_texts("ntrex", entries("news", ("de", "en"), 1))
    pairs = builder.build()
    found = {(pairs.texts[q], pairs.texts[p]) for q, p in zip(pairs.query, pairs.passage, strict=True)}
    assert found == {
        (f"news {one} question 0", f"news {other} passage 0") for one in ("de", "en") for other in ("de", "en")
    }


@pytest.mark.parametrize("languages", [21, 22, 60])
def test_texts_of_large_groups_have_a_bounded_number_of_partners(languages: int) -> None:
    codes = tuple(f"l{number}" for number in range(languages))
    builder = PairsBuilder(codes)
    builder.add_texts(
        "ntrex", [TextPair(g, code, f"{g} {code} ?", f"{g} {code} !") for g in "abcdefgh" for code in codes]
    )
    pairs = builder.build()
    partners = min(languages - 1, PARTNERS)
    assert len(pairs) == 8 * languages * (partners + 1)
    assert {
        pairs.texts[q].split()[0] == pairs.texts[p].split()[0] for q, p in zip(pairs.query, pairs.passage, strict=True)
    } == {True}
    assert len(set(zip(pairs.query.tolist(), pairs.passage.tolist(), strict=True))) == len(pairs)
    assert set(np.bincount(pairs.query)) == set(np.bincount(pairs.passage)) == {0, partners + 1}
    met = set(zip(pairs.query_language.tolist(), pairs.passage_language.tolist(), strict=True))
    assert len(met) > 0.9 * languages**2


def test_text_is_not_paired_with_itself() -> None:
    builder = PairsBuilder(("de", "en"))
    builder.add_texts("ntrex", [TextPair("0", "de", "Wer?", "Wer?"), TextPair("0", "en", "Who?", "Who?")])
    pairs = builder.build()
    assert len(pairs) == 2
    assert (pairs.query_language != pairs.passage_language).all()


def test_samplers_load_no_torch() -> None:
    modules = "panglot.train.steps.batches, panglot.train.data.leak, panglot.train.ablation.experiment"
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    python(script)
