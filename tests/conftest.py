"""Fixtures shared by all tests: the real data, a small parallel pool, the starter set."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # two threads on a busy machine can be slower than one
    os.environ.setdefault(variable, "1")

import numpy as np
import pytest
from hypothesis import Phase, settings
from panglot.tasks import ALL

from panglot.data.load import read_pool
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.model import load_model
from panglot.evaluate.run import run
from panglot.results.result import write_result

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])  # for mutants: failing is enough

TASKS = {task.name: task for task in ALL}
FOLDER = Path(os.environ.get("PANGLOT_DATA") or Path(__file__).parents[2] / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data; continuous integration must have it."""
    if (FOLDER / "xquad-r").is_dir():
        return FOLDER
    advice = f"No real data in {FOLDER}. Put xquad-r/ and mlqa-r/ there, or name another folder by PANGLOT_DATA."
    if os.environ.get("CI"):
        pytest.fail(advice)
    pytest.skip(advice)


@pytest.fixture(scope="session")
def xquad_r(data_dir: Path) -> Pool:
    return read_pool(TASKS["xquad-r"], data_dir=data_dir)


@pytest.fixture(scope="session")
def mlqa_r(data_dir: Path) -> Pool:
    return read_pool(TASKS["mlqa-r"], data_dir=data_dir)


@pytest.fixture(scope="session")
def starter() -> Pool:
    return read_pool(TASKS["starter"])


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's own cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def starter_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of three models on the starter set, as files; a test that changes them takes a copy."""
    folder = tmp_path_factory.mktemp("starter_results")
    for name in ("use-multilingual", "bm25", "language-id"):
        outcome = run(TASKS["starter"], load_model(name))
        write_result(folder, outcome.result, outcome.evidence, outcome.stem)
    return folder


PoolMaker = Callable[..., Pool]


@pytest.fixture
def make_pool() -> PoolMaker:
    """A pool of `questions` parallel questions and `distractors` more candidates, in every language."""

    def make(questions: int = 3, distractors: int = 2, languages: tuple[str, ...] = ("de", "en", "zh")) -> Pool:
        return Pool.of(
            languages,
            [Query(f"{x}:q{n}", f"question {n} {x}", x, f"q{n}") for x in languages for n in range(questions)],
            [Candidate(f"{x}:c{n}", f"text {n} {x}", x) for x in languages for n in range(questions + distractors)],
            [
                Judgement(f"{x}:q{n}", f"{other}:c{n}")
                for x in languages
                for n in range(questions)
                for other in languages
            ],
        )

    return make


class FixedScores:
    """Scores given as one matrix [queries, candidates]."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, np.float32)

    def block(self, start: int, stop: int) -> np.ndarray:
        return self.matrix[start:stop]


@pytest.fixture
def fixed_scores() -> type[FixedScores]:
    return FixedScores


@pytest.fixture(autouse=True)
def bf16_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sees does not depend on its processor; one without bf16 instructions emulates them, slowly."""
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: True)


@pytest.fixture
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages opened in this process start no other that verifies submissions: it would outlive the test."""
    monkeypatch.setattr("leaderboard_app.store.start_checks", lambda index: None)
