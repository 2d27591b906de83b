"""Keys, names and passwords of endpoints: shown nowhere, and refused where they cannot be sent."""

from __future__ import annotations

import logging
import re
import traceback
from base64 import b64encode
from collections.abc import Iterator

import pytest

from panglot.encode.endpoints.endpoint import RequestPolicy
from panglot.encode.kinds.openai import OpenAIEncoder
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from tests.helpers.flaky_proxy import (
    ScriptedServer,
    forget_endpoint_settings,
    reply_error,
)

SECRET = "sk-for-tests-b6e1f0"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_endpoint_settings(monkeypatch)


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def url(server: ScriptedServer) -> Iterator[str]:
    with server.running() as address:
        yield address


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_the_key_is_shown_nowhere(
    status: int, server: ScriptedServer, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    encoder = OpenAIEncoder(f"tiny@{url}", Options(), RequestPolicy(tries=2, first_wait=0.001))
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    server.answer = lambda asked: reply_error(status, f"Incorrect API key provided: {SECRET}.")
    with pytest.raises(BadEncoder) as caught:
        encoder.encode(["a"], "query")
    if status in (401, 403):
        assert "environment variable OPENAI_API_KEY" in str(caught.value)
    seen = [
        str(caught.value),
        "".join(traceback.format_exception(caught.value)),
        *(repr(error) for error in _chain(caught.value)),
        repr(encoder),
        repr(encoder._endpoint._client),
        repr(encoder.meter),
        encoder.card.model_dump_json(),
        caplog.text,
    ]
    assert not [text for text in seen if SECRET in text]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_key_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-½")
    with pytest.raises(BadEncoder, match="OPENAI_API_KEY is not a valid key") as caught:
        load_model("openai:tiny@http://127.0.0.1:1/v1")
    assert "½" not in str(caught.value)


def test_a_name_and_password_in_the_address(server: ScriptedServer, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    encoder = load_model(f"openai:tiny@{url.replace('//', '//me:pass%40word@')}/")
    assert server.asked[0].headers["authorization"] == f"Basic {b64encode(b'me:pass@word').decode()}"
    assert encoder.card.backend == url
    assert not re.search("pass(%40|@)word", encoder.card.model_dump_json() + caplog.text)
