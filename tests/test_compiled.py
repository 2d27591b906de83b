"""The compiled kernel counts and lists exactly what numpy does, and leaves no files beside the package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.arrays import Floats
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.files import cache_dir
from panglot.retrieve import counting
from panglot.retrieve.columns import ColumnLayout
from panglot.retrieve.counting import Counter, Kernel, Tally, kernel_for
from panglot.retrieve.evidence import WIDEST
from panglot.retrieve.ranking import collect_evidence
from tests.helpers.scores import FixedScores

EVIDENCE = ("score", "above", "top", "top_language", "top_score")
WIDTH, DEPTH = 150, 6
BLOCK = 4096
"""As `compiled.BLOCK`; the module cannot be imported where numba is not installed."""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = kernel_for(counting.WORTH_COMPILING)
    assert found is not None, "numba is not installed"
    return found


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As if the kernel had not been looked for yet."""
    counting._compiled.cache_clear()
    monkeypatch.delitem(sys.modules, "panglot.retrieve.compiled", raising=False)
    yield monkeypatch
    counting._compiled.cache_clear()


def pool_of(random: np.random.Generator, languages: int, width: int = WIDTH, most: int = 12) -> Pool:
    """Queries with one to `most` relevant candidates each; some exclude a candidate, some languages are empty."""
    names = [f"l{number}" for number in range(languages)]
    relevant = [random.choice(width - 1, random.integers(1, most + 1), replace=False) for _ in range(9)]
    return Pool.of(
        names,
        [
            Query(f"q{n}", "", names[n % languages], f"g{n}", excluded=f"c{width - 1}" if n % 2 else None)
            for n in range(len(relevant))
        ],
        [Candidate(f"c{n}", "", names[random.integers(languages)]) for n in range(width)],
        [Judgement(f"q{query}", f"c{place}") for query, places in enumerate(relevant) for place in places],
    )


def scores_of(random: np.random.Generator, values: int, width: int = WIDTH) -> Floats:
    """Scores of few or of many different values, some of them both zero and minus zero."""
    scores = random.integers(-values, values + 1, (9, width)).astype(np.float32)
    scores[random.random(scores.shape) < 0.1] *= np.float32(-0.0)
    return scores


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1 << 32),
    st.sampled_from([1, 4, WIDEST + 5]),
    st.sampled_from([0, 2, 30, 1_000_000]),
    st.integers(1, 4),
    st.sampled_from([1, DEPTH, WIDTH]),
    st.sampled_from([1 / 64, 1 / 4]),
    st.sampled_from([12, 140]),
)
def test_compiled_evidence_equals_that_of_numpy(
    kernel: Kernel, seed: int, languages: int, values: int, block: int, depth: int, most_sorted: float, most: int
) -> None:
    random = np.random.default_rng(seed)
    pool, scores = pool_of(random, languages, most=most), FixedScores(scores_of(random, values))
    assert_equal_evidence(pool, scores, depth, block, most_sorted)


@pytest.mark.parametrize("languages", [4, WIDEST + 5])
def test_compiled_evidence_of_a_wide_row_equals_that_of_numpy(kernel: Kernel, languages: int) -> None:
    random, width = np.random.default_rng(languages), 2 * BLOCK + 100
    pool, scores = pool_of(random, languages, width, most=200), FixedScores(scores_of(random, 1_000_000, width))
    assert_equal_evidence(pool, scores, DEPTH, 4, 1 / 64)


def assert_equal_evidence(pool: Pool, scores: FixedScores, depth: int, block: int, most_sorted: float) -> None:
    """Compare the evidence of numpy with that of the kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "STRIP_SCORES", 2 * WIDTH)
        patch.setattr(counting, "MOST_SORTED", most_sorted)
        expected = collect_evidence(pool, scores, depth, block)
        patch.setattr(counting, "WORTH_COMPILING", 0)
        found = collect_evidence(pool, scores, depth, block)
    for name in EVIDENCE:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([0, 2, 30, 1_000_000]), st.integers(1, WIDTH))
def test_compiled_tally_of_tiles_equals_that_of_numpy(kernel: Kernel, seed: int, values: int, tile: int) -> None:
    random = np.random.default_rng(seed)
    pool, scores = pool_of(random, 1), scores_of(random, values)
    tallies = []
    for use in (None, kernel):
        tally = Tally.empty(pool, DEPTH)
        tally.top.ids.add(0, pool.candidates.ids)
        for first in range(0, WIDTH, tile):
            part = scores[:, first : first + tile]
            columns = ColumnLayout(np.array([part.shape[1]]), tally.top.ids, first)
            Counter(pool, tally, scores[pool.query, pool.candidate], use).add(0, part, columns)
        tallies.append(tally)
    np.testing.assert_array_equal(tallies[0].above, tallies[1].above)
    np.testing.assert_array_equal(tallies[0].top.number, tallies[1].top.number)
    np.testing.assert_array_equal(tallies[0].top.score, tallies[1].top.score)


def test_the_kernel_counts_a_large_pool(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    monkeypatch.setattr(counting, "WORTH_COMPILING", 9 * WIDTH)
    monkeypatch.setattr(counting, "_compiled", lambda: lambda *args: used.append(1) or kernel(*args))
    random = np.random.default_rng(0)
    collect_evidence(pool_of(random, 4), FixedScores(scores_of(random, 9)))
    assert used
    assert kernel_for(9 * WIDTH - 1) is None


def test_compiled_functions_are_kept_in_the_cache_of_the_user(kernel: Kernel) -> None:
    assert list(cache_dir("compiled").rglob("compiled.count_and_list*.nbi"))
    assert not list(Path(counting.__file__).parent.rglob("*.nb[ic]"))


def test_numpy_counts_where_numba_is_not_installed(not_loaded: pytest.MonkeyPatch) -> None:
    not_loaded.setitem(sys.modules, "numba", None)
    assert kernel_for(counting.WORTH_COMPILING) is None


def test_numpy_counts_where_numba_must_not_compile(not_loaded: pytest.MonkeyPatch) -> None:
    not_loaded.setattr("numba.config.DISABLE_JIT", 1)
    assert kernel_for(counting.WORTH_COMPILING) is None


def test_numpy_counts_where_others_can_write_to_the_kept_functions(
    not_loaded: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "panglot" / "compiled"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    not_loaded.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel_for(counting.WORTH_COMPILING) is None
    assert not any(folder.iterdir())


def test_numpy_counts_where_nothing_can_be_kept(not_loaded: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "panglot").write_text("a file in place of the folder", encoding="utf-8")
    not_loaded.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel_for(counting.WORTH_COMPILING) is None
