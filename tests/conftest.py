"""Fixtures shared by all tests: the real data, a small parallel pool, the starter set."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # two threads on a busy machine can be slower than one
    os.environ.setdefault(variable, "1")
gc.set_threshold(50_000)  # imports leave much and no garbage: looking through all of it takes a third of the collection

import numpy as np
import pytest
import typer.main
from filelock import FileLock
from hypothesis import HealthCheck, Phase, settings

from panglot.arrays import Floats, write_arrays
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.encode.card import Role
from panglot.encode.kinds.use import UseMultilingual
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.files import data_from
from panglot.results.result import Result
from tests.helpers.pools import PoolMaker, parallel_questions
from tests.helpers.required import DATA_FOLDER, absent
from tests.helpers.scores import FixedScores
from tests.helpers.seeing import save_clip
from tests.helpers.tasks import TASKS

# Wall-clock limits say nothing on a busy machine. The same examples are drawn each time, so that many find nothing new;
# `--hypothesis-profile=long` draws others, and many.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, max_examples=50
)
settings.register_profile("long", settings.get_profile("untimed"), derandomize=False, max_examples=1000)
settings.load_profile("untimed")
settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])  # for mutants: failing is enough


SLOWEST = (
    *("board_browser", "board_address", "docs", "bridge_encoder", "train_model", "sentence_transformer"),
    *("train_layers", "board_quiet", "board_pages", "board_strangers", "streaming", "train_cli", "board_submit"),
    *("deploy", "verify", "recorded", "hub_tasks", "openai", "endpoint_errors"),
)
"""Files that begin first: at the end, one process would run a long one while the others have nothing left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first, in their order."""
    place = {f"test_{name}": number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    _leave_modules_alone()


_frozen = 0
"""Modules when the garbage collector was last told to leave alone what is there."""


def pytest_runtest_logfinish() -> None:
    _leave_modules_alone()


def _leave_modules_alone() -> None:
    """Keep what was imported out of all later garbage collections: to look through it takes a second each time."""
    global _frozen
    if len(sys.modules) > _frozen + 100:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data."""
    if not (DATA_FOLDER / "xquad-r").is_dir():
        absent(f"No data in {DATA_FOLDER}. Put xquad-r/ and mlqa-r/ there, or name another folder by PANGLOT_DATA.")
    return DATA_FOLDER


@pytest.fixture
def real_data(data_dir: Path) -> Iterator[Path]:
    """The folder with the real data, where all data sets are looked for."""
    with data_from(data_dir):
        yield data_dir


@pytest.fixture
def own_data(tmp_path: Path) -> Iterator[Path]:
    """An empty folder of the test's own, where all data sets are looked for."""
    with data_from(tmp_path):
        yield tmp_path


@pytest.fixture(scope="session")
def xquad_r(data_dir: Path) -> Pool:
    with data_from(data_dir):
        return read_pool(TASKS["xquad-r"])


@pytest.fixture(scope="session")
def mlqa_r(data_dir: Path) -> Pool:
    with data_from(data_dir):
        return read_pool(TASKS["mlqa-r"])


@pytest.fixture(scope="session")
def starter() -> Pool:
    return read_pool(TASKS["starter"])


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's own cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def use_reads_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """USE, which takes five seconds for the starter set, encodes each text once in all tests of a process.

    Of many texts, only one of the processes of pytest-xdist has to encode them.
    """
    folder = tmp_path_factory.getbasetemp()
    stored = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "use.npz"
    known: dict[str, Floats] = {}
    encode = UseMultilingual.encode

    def learn(model: UseMultilingual, texts: Sequence[str], role: Role) -> None:
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            known.update(zip(new, encode(model, new, role), strict=True))

    def remembered(model: UseMultilingual, texts: Sequence[str], role: Role) -> Floats:
        if len(set(texts) - known.keys()) > 100:
            with FileLock(stored.with_suffix(".lock")):
                if stored.exists():
                    with np.load(stored) as arrays:
                        known.update(zip(json.loads(arrays["texts"].item()), arrays["vectors"], strict=True))
                learn(model, texts, role)
                write_arrays(stored, texts=np.array(json.dumps([*known])), vectors=np.array([*known.values()]))
        learn(model, texts, role)
        return np.array([known[text] for text in texts]) if texts else encode(model, texts, role)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UseMultilingual, "encode", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def verbs_are_built_once() -> Iterator[None]:
    """Typer builds all verbs for each call, which takes a tenth of a second; they keep nothing of a call."""
    once = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", once)
        patch.setattr("typer.testing._get_command", once)
        yield


@pytest.fixture(scope="session")
def starter_outcome() -> Callable[[str], Result]:
    """What a run of a model on the starter set gives; each model is run once."""
    return cache(lambda name: run(TASKS["starter"], load_model(name)))


@pytest.fixture(scope="session")
def starter_results(starter_outcome: Callable[[str], Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of three models on the starter set, as files; a test that changes them takes a copy."""
    folder = tmp_path_factory.mktemp("starter_results")
    for name in ("use-multilingual", "bm25", "language-id"):
        outcome = starter_outcome(name)
        outcome.save(folder)
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP, its tokenizer and its image processor."""
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def make_pool() -> PoolMaker:
    """`parallel_questions`, which makes a pool."""
    return parallel_questions


@pytest.fixture
def fixed_scores() -> type[FixedScores]:
    return FixedScores


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit leaves a page as the main module, which new processes of multiprocessing would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def bf16_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sees does not depend on its processor; one without bf16 instructions emulates them, slowly."""
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: True)


@pytest.fixture
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages opened in this process start no other that verifies submissions: it would outlive the test."""
    monkeypatch.setattr("leaderboard_app.store.store.start_checks", lambda index: None)


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are trained without the picture of their losses, which takes a third of the time of a tiny one."""
    monkeypatch.setattr("panglot.train.run.curves.draw_curves", lambda history, path: None)
