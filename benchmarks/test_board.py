"""The leaderboard with 1,000 submissions, 50 of them with the whole evidence of XQuAD-R, beside what others reported.

They are copies of the committed results under names of their own. Verification is left out of the preparation, since
it happens once and in a process of its own; what it leaves for the pages is made. Required are processor seconds: what
a page takes on a machine that has nothing else to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from playwright.sync_api import expect
from pytest_benchmark.fixture import BenchmarkFixture
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.conftest import Claim
from benchmarks.meter import Cost, Meter
from leaderboard_app.index import verification
from leaderboard_app.index.index import update
from leaderboard_app.index.verification import verify_new
from panglot.results.evidence_file import NEEDED, evidence_file, read_evidence
from panglot.results.result_record import find_results, read_result_record
from panglot.trust.verify import Use, Verdict
from tests.helpers.browsing import WAIT, open_browser, served
from tests.helpers.processes import free_port

HERE = Path(__file__).parents[1]
PAGES = HERE / "leaderboard_app" / "app_pages"
TASK = "xquad-r"
SUBMISSIONS, WITH_EVIDENCE = 1000, 50
TURNS = 3
SESSIONS = 20
MOST_OF_A_HEAD = 10
"""Elements that a page without content has at most."""
VISITED = ("", "overview", "model", "bias")
SWITCHED = (
    "",
    "choose",
    "overview",
    "field",
    "languages",
    "model",
    "compare",
    "queries",
    "bias",
    "remedies",
    "trainer",
    "submit",
    "about",
)
FILTERS = {
    "search": "07",
    "query": "de",
    "candidate": "en",
    "by": "mono",
    "trust": ["recomputed"],
    "weights": ["open"],
    "size": "600 M",
    "modality": ["text"],
    "intervals": True,
}
KINDS = ("text_input", "selectbox", "multiselect", "toggle")
RECOMPUTED = {"another metric": ("metric", "ndcg@10"), "3 languages": ("pool", ["ar", "de", "en"])}


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The submissions and their index, in a cache of their own."""
    folder = tmp_path_factory.mktemp("submissions")
    bases = sorted((HERE / "submissions").glob(f"*/{TASK}.json"))
    for place, base in enumerate(islice(cycle(bases), SUBMISSIONS)):
        _copy(base, folder, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(verification, "verify_folder", _believe)
        patch.setattr(sys, "argv", ["board", str(folder)])
        update(folder)
        verify_new(folder)
        yield folder


def _copy(base: Path, folder: Path, place: int) -> None:
    path = folder / f"org__model-{place:04d}@1" / base.name
    path.parent.mkdir()
    result = json.loads(base.read_text(encoding="utf-8"))
    result["model"] |= {"name": f"org/model-{place:04d}", "revision": "1"}
    result["model"]["parameters"] = random.Random(place).choice((20, 100, 300, 600, 7000)) * 10**6
    if place < WITH_EVIDENCE:
        for name in NEEDED:
            shutil.copy(evidence_file(base, name), path.parent)
    else:
        result["evidence"] = {}
    path.write_text(json.dumps(result), encoding="utf-8")


def _believe(folder: Path, use: Use) -> tuple[Verdict, ...]:
    verdicts = []
    for path in find_results([folder]):
        result = read_result_record(path)
        if result.evidence:
            use(path, result, read_evidence(path))
        verdicts.append(Verdict(path, "recomputed" if result.evidence else "self-reported", result=result))
    return tuple(verdicts)


def visit(page: str) -> AppTest:
    """The page as the server computes it for a visitor who has just come."""
    seen = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=WAIT / 1000).run()
    assert not seen.exception
    return seen


def choose(page: AppTest, key: str, value: object) -> None:
    """Set one widget of a page, and draw the page again."""
    widget = next(widget for kind in KINDS for widget in getattr(page, kind) if widget.key == key)
    widget.set_value(value).run()
    assert not page.exception


def test_switching_pages(benchmark: BenchmarkFixture, claim: Claim, submissions: Path, tmp_path: Path) -> None:
    """Each visitor has just come. The first view of a page reads what the later ones remember."""
    port = free_port()
    with served(_command(submissions, port), port, tmp_path / "log") as server:

        def view(page: str) -> Cost:
            spent, begun = _cpu_seconds(server.pid), perf_counter()
            asyncio.run(_session(port, [page]))
            return Cost(_cpu_seconds(server.pid) - spent, perf_counter() - begun)

        views = {page: [view(page) for _ in range(1 + TURNS)] for page in SWITCHED}
        benchmark.pedantic(view, ("",), rounds=1)
    first = {page or "home": costs[0] for page, costs in views.items()}
    later = {page or "home": Cost(*map(median, zip(*costs[1:], strict=True))) for page, costs in views.items()}
    claim("first page of a running server, CPU seconds of the server", first["home"].cpu, at_most=3, cost=first["home"])
    half = median(cost.cpu for cost in first.values())
    claim("first view of a page, median, CPU seconds of the server", half, at_most=1.5, **first)
    slowest = max(cost.cpu for cost in later.values())
    claim("later views, slowest page, CPU seconds of the server", slowest, at_most=0.7, **later)


def test_filters(benchmark: BenchmarkFixture, claim: Claim, submissions: Path) -> None:
    """Server time of the overview after one widget was changed."""
    page = visit("overview")
    kept = {key: next(w.value for kind in KINDS for w in getattr(page, kind) if w.key == key) for key in FILTERS}
    meters = {key: Meter(choose) for key in FILTERS}
    for key, meter in meters.items():
        for _ in range(TURNS):
            meter(page, key, FILTERS[key])
            choose(page, key, kept[key])
    benchmark.pedantic(page.run, rounds=1)
    parts = {key: meter.typical for key, meter in meters.items()}
    claim(
        "filter, median, CPU seconds of the server", median(cost.cpu for cost in parts.values()), at_most=0.5, **parts
    )
    for what, (key, value) in RECOMPUTED.items():
        once = Meter(choose)
        once(visit("overview"), key, value)
        claim(f"{what} for {WITH_EVIDENCE} models, once, CPU seconds of the server", once.total.cpu, cost=once.total)


def test_cold_start(benchmark: BenchmarkFixture, claim: Claim, submissions: Path, tmp_path: Path) -> None:
    """From the command to a drawn first page in a browser."""
    port = free_port()
    with open_browser() as browser:
        page = browser.new_page()

        def start() -> Cost:
            begun = perf_counter()
            with served(_command(submissions, port), port, tmp_path / "log") as server:
                page.goto(f"http://127.0.0.1:{port}")
                expect(page.get_by_role("region", name="Reported by others")).to_be_visible(timeout=WAIT)
                return Cost(_cpu_seconds(server.pid), perf_counter() - begun)

        cost = benchmark.pedantic(start, rounds=1)
    claim("command to drawn first page, CPU seconds of the server", cost.cpu, at_most=5, cost=cost)


def test_fresh_clone(benchmark: BenchmarkFixture, claim: Claim, tmp_path: Path) -> None:
    """From the command to ranks on the first page of what is shipped, with an empty cache and nothing verified here."""
    port, variables = free_port(), {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with open_browser() as browser:
        page = browser.new_page()

        def start() -> Cost:
            begun = perf_counter()
            with served(_command(HERE / "submissions", port), port, tmp_path / "log", variables=variables) as server:
                page.goto(f"http://127.0.0.1:{port}")
                expect(page.get_by_role("region", name="Reported by others")).to_be_visible(timeout=WAIT)
                cost = Cost(sum(map(_cpu_seconds, _family(server.pid))), perf_counter() - begun)
                ranks = page.get_by_role("region", name="Verified").get_by_text("rank ").count()
                assert ranks > 10, "Write submissions/verified.json: panglot verify submissions --record"
                return cost

        cost = benchmark.pedantic(start, rounds=1)
    claim("command to ranks in a fresh clone, CPU seconds of all processes", cost.cpu, at_most=5, cost=cost)


def test_many_sessions(benchmark: BenchmarkFixture, claim: Claim, submissions: Path, tmp_path: Path) -> None:
    """All sessions at the same time on one server, and what memory that takes."""
    port, log, load = free_port(), tmp_path / "log", Meter(_visit_at_once)
    with served(_command(submissions, port), port, log) as server:
        benchmark.pedantic(load, (port,), rounds=1)
        each = load.total.wall / (SESSIONS * len(VISITED))
        claim(f"{SESSIONS} sessions at once, {len(VISITED)} pages each, wall seconds a page", each)
        claim("largest memory of the server, MiB", _most_memory(server.pid), at_most=1024)
    assert "Traceback" not in log.read_text(encoding="utf-8")


def _command(submissions: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "panglot", "board", str(submissions), "--port", str(port)]


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _family(process: int) -> list[int]:
    """A process and those that it started."""
    started = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    return [process, *map(int, started)]


def _most_memory(process: int) -> float:
    """MiB that were resident at most."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _visit_at_once(port: int) -> None:
    """Each session opens each page, all sessions at the same time; browsers would take the server's cores."""

    async def all_sessions() -> None:
        await asyncio.gather(
            *(_session(port, VISITED[place % 4 :] + VISITED[: place % 4]) for place in range(SESSIONS))
        )

    asyncio.run(all_sessions())


async def _session(port: int, pages: Sequence[str]) -> None:
    """One visitor in the protocol of Streamlit's own client: ask for a page, read until its script has finished."""
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
        for page in pages:
            asked = BackMsg()
            asked.rerun_script.page_name = page
            await socket.send(asked.SerializeToString())
            elements = 0
            while (said := await _read(socket)).WhichOneof("type") != "script_finished":
                elements += said.WhichOneof("type") == "delta"
                assert said.delta.new_element.WhichOneof("type") != "exception"
            assert said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            assert elements > MOST_OF_A_HEAD, page


async def _read(socket: ClientConnection) -> ForwardMsg:
    message = ForwardMsg()
    message.ParseFromString(await asyncio.wait_for(socket.recv(decode=False), WAIT / 1000))
    return message
