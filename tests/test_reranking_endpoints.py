"""Rerankers behind an endpoint: what servers answer, what they refuse, retries, limits and the budget."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from panglot.encode.endpoints.endpoint import RequestPolicy
from panglot.encode.endpoints.reranker import EndpointScorer
from panglot.encode.load import load_model
from panglot.encode.model import find_unpinned
from panglot.encode.options import Options
from panglot.encode.pairs import score_pairs
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder
from tests.helpers.flaky_proxy import Asked, Reply, ScriptedServer, forget_endpoint_settings, reply_error, reply_json
from tests.helpers.pools import parallel_questions, pool_of_letters
from tests.helpers.processes import LONGEST
from tests.helpers.scores import ranks_of

PATIENT = RequestPolicy(first_wait=0.01, longest_wait=0.05, timeout=LONGEST)
POOL = parallel_questions(3, 2, ("de", "en"))
LETTERS = pool_of_letters()


def _score(query: str, passage: str) -> float:
    return len({*query.split()} & {*passage.split()}) - 0.5


def answer_like_jina(asked: Asked) -> Reply:
    """What Jina, Cohere, Infinity and vLLM answer, best first."""
    body = asked.body
    if "documents" not in body or asked.path != "/v1/rerank":
        return reply_error(422, "documents: field required")
    results = [
        {"index": place, "relevance_score": _score(body["query"], text), "document": {"text": text}}
        for place, text in enumerate(body["documents"])
    ]
    ordered = sorted(results, key=lambda each: -each["relevance_score"])
    return reply_json({"model": "tiny-1", "results": ordered, "usage": {"total_tokens": 7}})


def answer_like_tei(asked: Asked) -> Reply:
    """What Text Embeddings Inference answers, which takes at most four texts."""
    if "texts" not in asked.body:
        return reply_error(422, "missing field `texts`")
    if len(asked.body["texts"]) > 4:
        return reply_error(413, "batch size > maximum allowed batch size 4")
    scored = [{"index": n, "score": _score(asked.body["query"], text)} for n, text in enumerate(asked.body["texts"])]
    return reply_json(scored[::-1])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_endpoint_settings(monkeypatch)


@pytest.fixture
def server() -> ScriptedServer:
    server = ScriptedServer()
    server.answer = answer_like_jina
    return server


@pytest.fixture
def url(server: ScriptedServer) -> Iterator[str]:
    with server.running() as address:
        yield address


PAIRS = [(f"w{n} x", f"w{m} y") for n in range(3) for m in range(6)]


def answer_like_voyage(asked: Asked) -> Reply:
    """What Voyage answers."""
    given = json.loads(answer_like_jina(asked).body)
    return reply_json({"object": "list", "data": given["results"], "model": "tiny-1", "usage": {"total_tokens": 7}})


@pytest.mark.parametrize("answer", [answer_like_jina, answer_like_voyage, answer_like_tei])
def test_endpoints_of_every_form_give_their_scores(
    answer: Callable[[Asked], Reply], server: ScriptedServer, url: str
) -> None:
    server.answer = answer
    scorer = EndpointScorer(f"m@{url}/rerank", Options(), PATIENT)
    assert scorer.score(PAIRS).tolist() == [_score(*pair) for pair in PAIRS]
    sent = [asked.body for asked in server.asked if asked.body["query"] == "w1 x"]
    if answer is not answer_like_tei:
        assert sent == [{"model": "m", "query": "w1 x", "documents": [f"w{m} y" for m in range(6)]}]
        assert scorer.card.revision == "tiny-1"
        assert scorer.meter.tokens == 7 * 4
    else:
        assert max(len(body["texts"]) for body in sent[1:]) <= 4
        assert all(body["truncate"] for body in sent)
        assert scorer.card.revision == "unknown"


def test_an_endpoint_reranks_a_pool(url: str) -> None:
    model = load_model(f"rerank:m@{url}/rerank@random?depth=14", Options(max_length=50))
    found = score_pool(model, LETTERS).scores.block(0, 6)
    scores = [
        [_score(query.strip(), text.strip()) for text in LETTERS.candidates.texts] for query in LETTERS.queries.texts
    ]
    assert (ranks_of(np.array(scores)) == ranks_of(found)).all()
    assert model.card.name == "rerank:m@127.0.0.1@random?depth=14"
    assert model.card.backend == url
    assert "cut to 50 characters" in model.card.note
    assert not find_unpinned(model)


def test_an_endpoint_without_a_revision_is_not_remembered(server: ScriptedServer, url: str) -> None:
    server.answer = answer_like_tei
    model = load_model(f"rerank:m@{url}/rerank@bm25")
    assert [card.name for card in find_unpinned(model)] == ["m@127.0.0.1"]


def test_temporary_failures_are_retried(server: ScriptedServer, url: str) -> None:
    scorer = EndpointScorer(f"m@{url}/", Options(), PATIENT)
    failing = iter([reply_error(503, "busy"), Reply(429, b"{}", {"Retry-After": "0"})])
    server.answer = lambda asked: next(failing, None) or answer_like_jina(asked)
    assert scorer.score(PAIRS).tolist() == [_score(*pair) for pair in PAIRS]
    assert scorer.meter.retries == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda asked: reply_json({"results": [{"index": 0, "relevance_score": 1}]}), "1 scores for 2 passages"),
        (lambda asked: reply_json({"scores": []}), "did not return a list of scores"),
        (lambda asked: reply_error(401, "bad key"), "rejected the key"),
        (lambda asked: reply_error(404, "not found"), "has no model 'm'"),
        (lambda asked: reply_error(422, "no such thing"), "422: no such thing"),
    ],
)
def test_wrong_answers_are_explained(
    answer: Callable[[Asked], Reply], message: str, server: ScriptedServer, url: str
) -> None:
    server.answer = answer
    with pytest.raises(BadEncoder, match=message):
        EndpointScorer(f"m@{url}/rerank", Options(), PATIENT)


def test_a_pair_that_the_endpoint_rejects_is_named(server: ScriptedServer, url: str) -> None:
    scorer = EndpointScorer(f"m@{url}/rerank", Options(), PATIENT)
    server.answer = lambda asked: (
        reply_error(400, "too strange")
        if POOL.candidates.texts[3] in asked.body["documents"]
        else answer_like_jina(asked)
    )
    with pytest.raises(BadEncoder, match=r"failed on the query de:q1 and the candidate de:c3. .*too strange"):
        score_pairs(scorer, POOL, np.array([0, 1, 1, 1]), np.array([1, 2, 3, 4]))


def test_the_budget_covers_pairs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_PRICE", "1")
    scorer = EndpointScorer(f"m@{url}/rerank", Options(budget=1e-4), PATIENT)
    with pytest.raises(BadEncoder, match="of the budget of"):
        scorer.score(PAIRS)


def test_texts_per_request_and_length_are_limited(server: ScriptedServer, url: str) -> None:
    scorer = EndpointScorer(f"m@{url}/rerank", Options(texts_per_request=2, max_length=3), PATIENT)
    scorer.score(PAIRS)
    sent = [asked.body for asked in server.asked[1:]]
    assert max(len(body["documents"]) for body in sent) == 2
    assert {len(text) for body in sent for text in (body["query"], *body["documents"])} == {3}
