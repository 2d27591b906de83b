"""An endpoint that speaks OpenAI's API: where it is, how patiently it is asked, and what its failures mean."""

from __future__ import annotations

import os
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from threading import Event
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from suite.encoder import Role
from suite.encoders.account import Account
from suite.errors import BadEncoder

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
"""The environment variable with the key; servers that ask for none get `NO_KEY`."""
NO_KEY = "none"

_ADDRESS = re.compile(r"(?P<model>@?[^@]+)(@(?P<url>https?://[^?#\s]+))?")
CONNECT = 10.0
"""Seconds that a connection may take."""

Asked: TypeAlias = Role | Literal["image"]


@dataclass(frozen=True)
class Manners:
    """How an endpoint is treated; times in seconds."""

    concurrency: int = 8
    texts: int = 256
    """Most texts in a request."""
    tokens: int = 8_192
    """Most tokens in a request, as estimated; a longer text goes alone."""
    timeout: float = 120.0
    """How long an answer may take."""
    tries: int = 8
    total: float = 900.0
    """How long all tries of a request may take together."""
    first_wait: float = 0.5
    """Most that is waited after the first failure; it doubles with each, up to `longest_wait`."""
    longest_wait: float = 30.0


PATIENT = Manners()


class Address(NamedTuple):
    """Where a model is; only `login`, a name and a password, is not for showing."""

    model: str
    public: str
    backend: str
    login: tuple[str, str] | None


class Endpoint:
    """One model behind an address; `{role}` in its name becomes what is asked for, `dimensions` how many it gives.

    :raises BadEncoder: the key cannot be sent.
    """

    def __init__(self, address: Address, account: Account, dimensions: int | None, manners: Manners) -> None:
        self._model, self._backend, self._asked = address.model, address.backend, dimensions
        self._account, self._manners = account, manners
        self._client = _client(address)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(self, texts: list[str], role: Asked, stop: Event) -> str:
        """The body of the first answer that is none of failure.

        :raises BadEncoder: saying what happened last, when trying again is useless or was done often enough.
        """
        manners, start = self._manners, time.monotonic()
        for tried in count(1):
            left = start + manners.total - time.monotonic()
            outcome = self._send(texts, role, min(manners.timeout, max(left, 1.0)))
            if isinstance(outcome, str):
                return outcome
            if not outcome.passing:
                raise BadEncoder(outcome.sentence)
            pause = outcome.pause + random.uniform(0, min(manners.longest_wait, manners.first_wait * 2 ** (tried - 1)))
            spent = time.monotonic() - start
            if tried == manners.tries or spent + pause > manners.total or stop.wait(pause):
                asked = f" It asks to wait {outcome.pause:,.0f} s." if outcome.pause else ""
                raise BadEncoder(
                    f"{outcome.sentence}{asked} Given up after {tried} tries in {spent:,.0f} s. "
                    "Run it again later: vectors already made are in the cache."
                )
            self._account.retried()
        raise AssertionError

    def _send(self, texts: list[str], role: Asked, timeout: float) -> str | _Failure:
        """Ask once; the failure is a value, so that no exception carries the request and its key any further."""
        from openai import Timeout

        model = self._model.replace("{role}", role)
        dimensions = {"dimensions": self._asked} if self._asked else {}
        limit = Timeout(timeout, connect=min(timeout, CONNECT))
        try:
            if role == "image":
                shown = [{"type": "image_url", "image_url": {"url": url}} for url in texts]
                messages = [{"role": "user", "content": shown}]
                body = {"model": model, "messages": messages, "encoding_format": "float", **dimensions}
                answer: str = self._client.post("/embeddings", cast_to=str, body=body, options={"timeout": limit})
                return answer
            response = self._client.embeddings.with_raw_response.create(
                model=model, input=texts, encoding_format="float", timeout=limit, **dimensions
            )
            text: str = response.text
        except Exception as error:
            return self._failure(error, model)
        return text

    def _failure(self, error: Exception, model: str) -> _Failure:
        """What went wrong, in a sentence that says what to do, and whether it may pass."""
        from openai import APIConnectionError, APIStatusError

        if isinstance(error, APIConnectionError):
            return self._no_answer(error)
        if not isinstance(error, APIStatusError):
            reason = self.clean(f"{type(error).__name__}: {error}")
            return _Failure(f"{self._backend} cannot be asked. {reason}", False)
        status, said = error.status_code, self.clean(error.message)
        if status in (401, 403):
            return _Failure(
                f"{self._backend} refuses the key ({status}). Put the right one into the environment variable {KEY}.",
                False,
            )
        if status == 404:
            return _Failure(f"{self._backend} has no model '{model}' ({said}). {self._offered()}", False)
        passing = status >= 500 or (status == 429 and error.code != "insufficient_quota")
        pause = _retry_after(error.response.headers.get("retry-after", ""))
        return _Failure(f"{self._backend} did not answer a request ({said}).", passing, pause)

    def _no_answer(self, error: Exception) -> _Failure:
        """A connection that failed or timed out; hopeless if it never worked."""
        cause = error.__cause__ or error
        reason = self.clean(f"{type(cause).__name__}: {cause}").rstrip(": ")
        if self._account.meter.requests == 0 and type(cause).__name__ in ("ConnectError", "ConnectTimeout"):
            return _Failure(
                f"No server answers at {self._backend} ({reason}). Check that it runs, that host and port are right, "
                "and that no proxy or firewall is in between.",
                False,
            )
        return _Failure(f"{self._backend} gave no answer ({reason}).", True)

    def _offered(self) -> str:
        """The names of the endpoint's models, if it lists them."""
        try:
            models = [model.id for model in self._client.models.list(timeout=10).data]
        except Exception:
            models = []
        if not models:
            return "It lists no models either: check that the address is right; most end in /v1."
        more = f" and {len(models) - 20} more" if len(models) > 20 else ""
        return f"It offers {', '.join(sorted(models)[:20])}{more}."

    def clean(self, text: str) -> str:
        """What a server said, on one line, cut, and without the key if it said that."""
        key = self._client.api_key
        shown = " ".join((text if key == NO_KEY else text.replace(key, "[key]")).split())
        return shown if len(shown) <= 300 else f"{shown[:297]}..."


class _Failure(NamedTuple):
    """Why a request was not answered; whether it may pass, and the seconds that the server asks to wait."""

    sentence: str
    passing: bool
    pause: float = 0.0


def read_address(name: str) -> Address:
    """Read `MODEL` or `MODEL@URL`.

    :raises BadEncoder: it is neither.
    """
    match = _ADDRESS.fullmatch(name)
    try:
        parts = urlsplit(((match and match["url"]) or OFFICIAL).rstrip("/"))
        there = bool(match and parts.hostname and parts.port != 0)
    except ValueError:
        there = False
    if not (match and there):
        shown = re.sub(r"//[^/]*@", "//", name).partition("?")[0]
        raise BadEncoder(f"'openai:{shown}' names no model of an endpoint. Write openai:MODEL@http://host:port/v1.")
    before, _, place = parts.netloc.rpartition("@")
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if before else None
    model = match["model"]
    return Address(model, f"{model}@{parts.hostname}", f"{parts.scheme}://{place}{parts.path}", login)


def _client(address: Address) -> Any:
    """The official client, which makes one try only: trying again is done here."""
    from openai import DefaultHttpxClient, OpenAI

    key = os.environ.get(KEY, "").strip() or NO_KEY
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadEncoder(f"The environment variable {KEY} holds what no key is made of: white space or odd letters.")
    http = DefaultHttpxClient(auth=address.login) if address.login else None
    return OpenAI(api_key=key, base_url=address.backend, max_retries=0, http_client=http)


def _retry_after(header: str) -> float:
    """Seconds to wait by a Retry-After header, which gives them or a date; 0 if it gives neither."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
