"""What the benchmarks share: the data, the encoder, its vectors, and the claims that are checked and printed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_info

from benchmarks.meter import Cost, Meter
from panglot.arrays import Floats
from panglot.data.catalogue import all_tasks
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.encode.load import load_model
from panglot.encode.model import Encoder

LINES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Fail where the libraries would use more than one thread: the figures would say something else."""
    assert all(library["num_threads"] == 1 for library in threadpool_info())


@pytest.fixture(scope="session")
def task() -> Task:
    """XQuAD-R, whole."""
    return all_tasks()[0]


@pytest.fixture(scope="session")
def pool(task: Task) -> Pool:
    return read_pool(task)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The embedded default, its weights already in memory."""
    return warm_encoder()


class Encoding(NamedTuple):
    """Every unique text of the pool encoded once, and nothing else done."""

    texts: int
    cost: Cost
    queries: Floats
    candidates: Floats


@pytest.fixture(scope="session")
def encoding(pool: Pool) -> Encoding:
    """In a process of its own, as a run is: no other benchmark has left anything in its memory."""
    asked, offered = ([text.strip() for text in items.texts] for items in (pool.queries, pool.candidates))
    unique = sorted({*asked, *offered})
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        vectors, cost = process.submit(encode_alone, unique).result()
    place = {text: index for index, text in enumerate(unique)}

    def of(texts: Sequence[str]) -> Floats:
        return vectors[[place[text] for text in texts]]

    return Encoding(len(unique), cost, of(asked), of(offered))


def encode_alone(texts: list[str]) -> tuple[Floats, Cost]:
    """Vectors [texts, dim] and what they cost; loading the weights is not counted."""
    encode = Meter(warm_encoder().encode)
    return encode(texts, "passage"), encode.total


def warm_encoder() -> Encoder:
    model = load_model("use-multilingual")
    model.encode(["The first text loads the weights."], "query")
    return model


class Claim(Protocol):
    """Records a figure and what it was made of, and fails where it is not within the limits."""

    def __call__(
        self, what: str, figure: float, at_most: float | None = None, at_least: float | None = None, **parts: object
    ) -> None: ...


@pytest.fixture
def claim(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Claim:
    """Claims go into the benchmark's record and are printed at the end."""
    lines = request.config.stash.setdefault(LINES, [])

    def check(
        what: str, figure: float, at_most: float | None = None, at_least: float | None = None, **parts: object
    ) -> None:
        limits = [f"at {word} {limit:g}" for word, limit in (("most", at_most), ("least", at_least)) if limit]
        required = " and ".join(limits) or "nothing required"
        made_of = {name.replace("_", " "): str(part) for name, part in parts.items()}
        benchmark.extra_info[what] = {"figure": figure, "required": required, **made_of}
        lines.append(f"{what}: {figure:.3g} ({required})")
        lines.extend(f"    {name}: {part}" for name, part in made_of.items())
        assert at_most is None or figure <= at_most, lines[-1 - len(made_of)]
        assert at_least is None or figure >= at_least, lines[-1 - len(made_of)]

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print every claim."""
    terminalreporter.section("claims")
    for line in config.stash.get(LINES, []):
        terminalreporter.write_line(line)
