"""What an endpoint refuses: batches are divided, texts named, and the server's own words shown."""

from __future__ import annotations

import json
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.cache import VectorCache
from panglot.encode.endpoints.endpoint import BUSY, FAILED, Failure, RequestFailed, RequestPolicy
from panglot.encode.endpoints.error_body import LONGEST, one_line, server_message
from panglot.encode.kinds.openai import OpenAIEncoder, SeeingOpenAIEncoder, _data_url
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, PanglotError, RefusedInput, UnknownName
from tests.helpers.flaky_proxy import (
    Asked,
    Reply,
    ScriptedServer,
    forget_endpoint_settings,
    good_answer,
    reply_error,
    reply_json,
    vector,
)

QUICK = RequestPolicy(tries=3, first_wait=0.001, longest_wait=0.002)
TEXTS = [f"text {number}" for number in range(24)]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_endpoint_settings(monkeypatch)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[ScriptedServer, str]]:
    server = ScriptedServer()
    with server.running() as url:
        yield server, url


@pytest.fixture
def server(running: tuple[ScriptedServer, str]) -> ScriptedServer:
    running[0].answer = good_answer
    running[0].asked.clear()
    return running[0]


@pytest.fixture(scope="module")
def impatient(running: tuple[ScriptedServer, str]) -> OpenAIEncoder:
    """One encoder for all examples of a property, since a client takes a while to make."""
    running[0].answer = good_answer
    return OpenAIEncoder(f"tiny@{running[1]}", Options(), RequestPolicy(tries=1))


@pytest.fixture
def encoder(server: ScriptedServer, running: tuple[ScriptedServer, str]) -> OpenAIEncoder:
    """An encoder that has reached the server, whose list of requests is empty again."""
    made = OpenAIEncoder(f"tiny@{running[1]}", Options(), QUICK)
    server.asked.clear()
    return made


def _refusing(refuses: Callable[[list[str]], bool], reply: Reply) -> Callable[[Asked], Reply]:
    return lambda asked: reply if refuses(asked.body["input"]) else good_answer(asked)


def _sizes(server: ScriptedServer) -> list[int]:
    return [len(asked.body["input"]) for asked in server.asked]


# Too many texts.


@pytest.mark.parametrize(
    ("status", "limit", "learned"), [(400, 1, 1), (413, 3, 2), (422, 8, 8), (400, 10, 8), (413, 15, 8)]
)
def test_a_batch_limit_is_found_and_kept(
    status: int, limit: int, learned: int, server: ScriptedServer, encoder: OpenAIEncoder
) -> None:
    server.answer = _refusing(lambda texts: len(texts) > limit, reply_error(status, f"At most {limit} texts."))
    expected = [vector(text) for text in TEXTS]
    assert encoder.encode(TEXTS, "query").tolist() == expected
    server.asked.clear()
    assert encoder.encode(TEXTS, "passage").tolist() == expected
    assert max(_sizes(server)) == learned
    assert sum(_sizes(server)) == len(TEXTS)


def test_a_limit_of_the_user_is_kept_and_moves_no_vector(
    server: ScriptedServer, running: tuple[ScriptedServer, str]
) -> None:
    encoder = load_model(f"openai:tiny@{running[1]}", Options(texts_per_request=3))
    assert isinstance(encoder, OpenAIEncoder)
    assert encoder.encode(TEXTS, "query").tolist() == [vector(text) for text in TEXTS]
    assert max(_sizes(server)) == 3
    assert encoder.card == load_model(f"openai:tiny@{running[1]}").card


def test_what_was_learned_of_a_passing_failure_is_forgotten(server: ScriptedServer, encoder: OpenAIEncoder) -> None:
    server.answer = _refusing(lambda texts: len(server.asked) == 1, reply_error(500, "Try again."))
    assert encoder.encode(TEXTS[:16], "query").tolist() == [vector(text) for text in TEXTS[:16]]
    assert _sizes(server) == [16, 8, 8]
    server.answer = good_answer
    server.asked.clear()
    encoder.encode(TEXTS[:16], "query")
    assert _sizes(server) == [16]


# One text.


@pytest.fixture
def pool() -> Pool:
    candidates = [Candidate(f"de:{number}", text, "de") for number, text in enumerate(TEXTS)]
    return Pool.of(("de",), [Query("q", "what", "de", "q")], candidates, [Judgement("q", "de:0")])


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            reply_error(400, "At most 20 tokens."),
            r"answered 400: At most 20 tokens\. If texts are too long",
        ),
        (reply_json({"error": "too long"}, 413), r"answered 413: too long\. If texts are too long"),
        (reply_json({"detail": [{"msg": "too long"}]}, 422), r"answered 422: too long\."),
        (reply_error(500, "json: unsupported value: NaN"), r"answered 500: json: unsupported value: NaN\.$"),
        (reply_error(500, "crashed"), r"answered 500: crashed\. Gave up after 3 tries in"),
        (reply_json({"error": "Inference failed"}, 424), r"answered 424: Inference failed\. Gave up after 3 tries"),
        (Reply(504, b""), r"answered 504.*\. Gave up after 3 tries"),
    ],
)
def test_a_refused_text_is_named_with_its_id_language_and_text(
    reply: Reply, words: str, pool: Pool, server: ScriptedServer, encoder: OpenAIEncoder
) -> None:
    server.answer = _refusing(lambda texts: "text 23" in texts, reply)
    message = rf"^openai:tiny@127\.0\.0\.1 failed on de:23 \(de\): 'text 23'\. http://127.0.0.1:\d+/v1 {words}"
    with pytest.raises(BadEncoder, match=message):
        encode_items(encoder, pool, "passage")


def test_a_rejected_text_is_reported_with_its_place_in_the_batch(
    server: ScriptedServer, encoder: OpenAIEncoder
) -> None:
    for place in (0, 15, 16, 23):
        server.answer = _refusing(lambda texts, place=place: TEXTS[place] in texts, reply_error(400, "No."))
        with pytest.raises(RefusedInput, match=f"failed on 'text {place}'. http.* answered 400: No") as caught:
            encoder.encode(TEXTS, "query")
        assert caught.value.place == place


def test_a_text_that_cannot_be_sent_is_named(pool: Pool, server: ScriptedServer, encoder: OpenAIEncoder) -> None:
    with pytest.raises(RefusedInput, match="UnicodeEncodeError") as caught:
        encoder.encode([*TEXTS, "\ud800"], "query")
    assert caught.value.place == len(TEXTS)


def test_a_rejected_image_is_reported_with_its_place(
    server: ScriptedServer, running: tuple[ScriptedServer, str]
) -> None:
    def answer(asked: Asked) -> Reply:
        if "input" in asked.body:
            return good_answer(asked)
        (part,) = asked.body["messages"][0]["content"]
        if part["image_url"]["url"] == wrong:
            return reply_error(400, "No such picture.")
        return reply_json({"data": [{"index": 0, "embedding": [1.0, 2.0, 3.0]}]})

    images = [Image.new("RGB", (2, 2), (shade, 0, 0)) for shade in range(4)]
    wrong, server.answer = _data_url(images[2]), answer
    encoder = SeeingOpenAIEncoder(f"tiny@{running[1]}", Options(), QUICK)
    with pytest.raises(RefusedInput, match=r"answered 400: No such picture\.") as caught:
        encoder.encode_images(images)
    assert caught.value.place == 2


@pytest.mark.parametrize("value", [b"null", b"NaN", b"Infinity"])
def test_a_number_that_is_none_is_refused_with_its_text(
    value: bytes, pool: Pool, server: ScriptedServer, encoder: OpenAIEncoder
) -> None:
    def spoilt(asked: Asked) -> Reply:
        data = [{"index": i, "embedding": [7.5 if text == "text 7" else 1.0, 2.0, 3.0]}
                for i, text in enumerate(asked.body["input"])]  # fmt: skip
        return Reply(200, json.dumps({"data": data}).encode().replace(b"7.5", value))

    server.answer = spoilt
    with pytest.raises(BadEncoder, match=r"returned NaN or infinity for de:7 \(de\): 'text 7'"):
        encode_items(encoder, pool, "passage")


def test_max_length_cuts_characters_of_prompt_and_text_and_the_card_says_so(
    server: ScriptedServer, running: tuple[ScriptedServer, str], pool: Pool, tmp_path: Path
) -> None:
    encoder = load_model(f"openai:tiny@{running[1]}", Options(max_length=8, query_prompt="é: "))
    assert encoder.card.settings == ("query_prompt=é: ", "max_length=8")
    assert encoder.card.note == "Texts are cut to 8 characters, prompts included."
    assert encoder.card.max_length is None
    assert isinstance(encoder, OpenAIEncoder)
    server.asked.clear()
    encoder.encode(["ééééééééé", "ab"], "query")
    encoder.encode(["ééééééééé"], "passage")
    assert [asked.body["input"] for asked in server.asked] == [["é: ééééé", "é: ab"], ["éééééééé"]]
    cache = VectorCache(tmp_path)
    encode_items(encoder, pool, "passage", cache)
    server.asked.clear()
    encode_items(load_model(f"openai:tiny@{running[1]}", Options(max_length=6)), pool, "passage", cache)
    assert sum(_sizes(server)) > 1


# What passes.


@pytest.mark.parametrize("status", sorted({*BUSY, *FAILED, 502, 503, 529}))
@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS])
def test_a_failure_that_passes_is_tried_again(
    texts: list[str], status: int, server: ScriptedServer, encoder: OpenAIEncoder
) -> None:
    failed = Counter[str]()

    def once(asked: Asked) -> Reply:
        failed.update(asked.body["input"][:1])
        return reply_error(status, "Not now.") if failed[asked.body["input"][0]] == 1 else good_answer(asked)

    server.answer = once
    assert encoder.encode(texts, "query").tolist() == [vector(text) for text in texts]


def test_waiting_ends_when_another_request_fails(server: ScriptedServer, running: tuple[ScriptedServer, str]) -> None:
    encoder = OpenAIEncoder(f"tiny@{running[1]}", Options(texts_per_request=1), RequestPolicy(concurrency=2))
    server.asked.clear()

    def answer(asked: Asked) -> Reply:
        if asked.body["input"] == ["first"]:
            return Reply(429, b"", {"Retry-After": "60"})
        return reply_error(401, "Who are you?")

    server.answer = answer
    with pytest.raises(BadEncoder, match=r"rejected the key \(401: Who are you\?\)\. Set the environment"):
        encoder.encode(["first", "second"], "query")
    assert Counter(asked.body["input"][0] for asked in server.asked) == {"first": 1, "second": 1}


# The server's own words.


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Too many inputs."}, "Too many inputs."),
        ({"error": "too large", "error_type": "Validation"}, "too large"),
        ({"error": {"message": "No credit.", "type": "x", "code": None}}, "No credit."),
        ({"message": "batch size 64 > 32", "code": 422, "type": "Validation"}, "batch size 64 > 32"),
        ({"errors": ["one", "two", "one"]}, "one; two"),
        ({"errors": [{"message": "one"}, {"detail": "two"}]}, "one; two"),
        ({"errors": {"input": ["is too long"]}}, '{"input": ["is too long"]}'),
        ({"detail": [{"loc": ["body", "input"], "msg": "field required", "type": "missing"}]}, "field required"),
        ({"timestamp": 1, "status": 400, "error": "Bad Request", "message": "Too long."}, "Bad Request; Too long."),
        ({"errorMessage": "one"}, "one"),
        ({"Message": "one"}, "one"),
        ({"error": {"message": ""}, "detail": None, "code": 7}, None),
        ({"error": True}, None),
        ({"code": 7}, None),
        (["too long"], "too long"),
        ("too long", "too long"),
        (7, None),
        (None, None),
    ],
)
def test_words_are_found_in_any_json(body: Any, words: str | None) -> None:
    encoded = json.dumps(body).encode()
    assert server_message(encoded) == (words if words is not None else encoded.decode())


@pytest.mark.parametrize(
    ("body", "charset", "words"),
    [
        (b"", None, ""),
        (b"Payload Too Large\r\n", None, "Payload Too Large"),
        (b"{\"error\": \"cut", None, '{"error": "cut'),
        ("Trop long : dépassé".encode("latin-1"), "latin-1", "Trop long : dépassé"),
        ("太长".encode("gbk"), "gbk", "太长"),
        ("太长".encode("gbk"), "base64", "̫��"),
        ("太长".encode(), "no such charset", "太长"),
        (json.dumps({"error": "über"}, ensure_ascii=False).encode("utf-16"), None, "über"),
        (b"\xef\xbb\xbf{\"error\": \"marked\"}", None, "marked"),
        (b"one\x00two \x1b[31mred\x1b[0m\r\nthree\x9b", "latin-1", r"onetwo \x1b[31mred\x1b[0m three\x9b"),
        ("left\u202eright\u2028down".encode(), None, r"left\u202eright down"),
        (b'{"error": "\\ud800 alone"}', None, r"\ud800 alone"),
        (b"[" * 100_000, None, "[" * (LONGEST - 1) + "…"),
        (
            b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title><style>b{c:d}</style></head>"
            b"<body><h1>502 Bad Gateway</h1><script>if (a<b) {}</script><hr>nginx &amp; co</body></html>",
            None,
            "502 Bad Gateway 502 Bad Gateway nginx & co",
        ),
        (b"a < b, so no page", None, "a < b, so no page"),
    ],
)  # fmt: skip
def test_words_are_plain_for_any_bytes(body: bytes, charset: str | None, words: str) -> None:
    assert one_line(server_message(body, charset)) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "detail", "code"]) | st.text(), inner, max_size=3
        )
    ),
    max_leaves=8,
)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text(max_size=400).flatmap(
        lambda text: st.sampled_from(["utf-8", "utf-16", "utf-32"]).map(lambda name: text.encode(name, "replace"))
    ),
    st.binary(max_size=400),
)
CHARSETS = st.sampled_from(
    ["", "utf-8", "latin-1", "utf-16", "base64", "punycode", "idna", "zlib", "undefined", "none"]
)


@settings(max_examples=80, deadline=None)
@given(st.integers(300, 599) | st.sampled_from([400, 401, 404, 413, 429, 500]), BODIES, CHARSETS, st.booleans())
def test_any_error_gives_its_status_or_the_words_of_the_server(
    running: tuple[ScriptedServer, str],
    impatient: OpenAIEncoder,
    status: int,
    body: bytes,
    charset: str,
    is_json: bool,
) -> None:
    running[0].answer = lambda asked: Reply(
        status, body, {"Content-Type": ("application/json" if is_json else "text/html") + f"; charset={charset}"}
    )
    with pytest.raises(BadEncoder) as caught:
        impatient.encode(["a"], "query")
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 800
    assert str(status) in message
    assert one_line(server_message(body, charset or None)).removesuffix(".") in message


@settings(max_examples=60, deadline=None)
@given(BODIES, CHARSETS)
def test_any_answer_without_vectors_is_refused_in_a_sentence(
    running: tuple[ScriptedServer, str], impatient: OpenAIEncoder, body: bytes, charset: str
) -> None:
    running[0].answer = lambda asked: Reply(200, body, {"Content-Type": f"text/plain; charset={charset}"})
    with pytest.raises(BadEncoder) as caught:
        impatient.encode(["a"], "query")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("models", [[{"id": None}, {"id": "b"}, {"id": 3}], [{}], None, "x", [3]])
def test_any_list_of_models_is_survived(models: Any, server: ScriptedServer, encoder: OpenAIEncoder) -> None:
    server.answer = lambda asked: (
        reply_json({"data": models, "object": "list"}) if asked.method == "GET" else reply_error(404, "No such model.")
    )
    with pytest.raises(BadEncoder, match=r"has no model 'tiny' \(404: No such model\)\. It (offers|does not list)"):
        encoder.encode(["a"], "query")


def test_a_key_at_the_end_of_a_long_message_is_not_shown_in_part(
    server: ScriptedServer, running: tuple[ScriptedServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-tests")
    encoder = OpenAIEncoder(f"tiny@{running[1]}", Options(), QUICK)
    for before in range(LONGEST - 25, LONGEST, 3):
        server.answer = lambda asked, before=before: Reply(400, b"x" * before + b"sk-secret-of-the-tests")
        with pytest.raises(BadEncoder) as caught:
            encoder.encode(["a"], "query")
        assert "sk-" not in str(caught.value)


def test_a_placeholder_of_a_key_is_not_cut_out_of_a_message(
    server: ScriptedServer, running: tuple[ScriptedServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    encoder = OpenAIEncoder(f"tiny@{running[1]}", Options(), QUICK)
    server.answer = lambda asked: Reply(400, b"The maximum context length is 20 tokens.")
    with pytest.raises(BadEncoder, match=r"maximum context length"):
        encoder.encode(["a"], "query")


@pytest.mark.parametrize(
    "error",
    [
        RefusedInput("tiny", 3, "a text", "Too long."),
        RequestFailed(Failure("Not now.", passes=True)),
        UnknownName("task", "x", ["y"]),
    ],
)
def test_an_error_survives_the_way_from_another_process(error: PanglotError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))


# Before anything is asked.


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", r"sets a SOCKS proxy, which needs .* pip install socksio$"),
        ("SSL_CERT_FILE", "/does/not/exist.pem", r"No such file.* Check the address and .* variables SSL_CERT_FILE\.$"),
        ("SSL_CERT_FILE", __file__, r"\(SSLError: .*variables SSL_CERT_FILE\.$"),
        ("https_proxy", "ftp://me:word@proxy", r"Unknown scheme .*variables https_proxy\.$"),
        ("HTTP_PROXY", "http://me:word@proxy:port", r"Invalid port: 'port'.*variables HTTP_PROXY\.$"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_named(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadEncoder, match=message) as caught:
        load_model("openai:tiny@http://127.0.0.1:1/v1")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://mine.openai.azure.com/openai/deployments/ada/embeddings?api-version=2024-02-01",
        "https://mine.openai.azure.com/openai/deployments/ada",
        "https://mine.services.ai.azure.com/models",
        "https://gateway.example/v1?api-version=2024-02-01",
    ],
)
def test_addresses_of_azure_get_its_v1_address_as_advice(address: str) -> None:
    with pytest.raises(BadEncoder, match=r"openai:DEPLOYMENT@https://RESOURCE\.openai\.azure\.com/openai/v1"):
        load_model(f"openai:ada@{address}")


def test_an_invalid_host_is_rejected() -> None:
    with pytest.raises(BadEncoder, match=r"No server answers|The request to|Cannot set up"):
        load_model("openai:tiny@http://ex..ample/v1")


def test_vectors_are_float32(encoder: OpenAIEncoder) -> None:
    assert encoder.encode(TEXTS, "query").dtype == np.float32
