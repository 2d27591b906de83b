"""`openai:MODEL@http://host/v1`: any endpoint that speaks OpenAI's embeddings API.

`openai-images:` is the same for a model that takes images too, each as the content of one message, as vLLM reads them.
"""

from __future__ import annotations

import io
import math
import os
import random
import re
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from itertools import count
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit
from weakref import finalize

import numpy as np
from pydantic import BaseModel, ValidationError

from suite.arrays import Floats
from suite.encoder import ModelCard, Options, Role
from suite.errors import BadEncoder, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
"""The environment variable with the key; servers that ask for none get `NO_KEY`."""
NO_KEY = "none"
PRICE = "PANGLOT_PRICE"
"""The environment variable with the price of a million tokens; `--budget` needs it."""

_ADDRESS = re.compile(r"(?P<model>@?[^@]+)(@(?P<url>https?://[^?#\s]+))?")
CONNECT = 10.0
"""Seconds that a connection may take."""
IMAGE_TOKENS = 1000.0
"""About how many an image costs, until the server has said it."""

Asked: TypeAlias = Role | Literal["image"]

_FEWEST_TEXTS = 16
"""A batch is spread over all threads, but not in smaller requests than this."""


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


@dataclass
class Meter:
    """What an endpoint answered, so far."""

    requests: int = 0
    retries: int = 0
    """Requests sent again after a failure that may pass."""
    tokens: int = 0
    cost: float = 0.0
    """In the currency of the price; 0 where no price is known."""


def load(name: str, options: Options) -> OpenAIEncoder:
    """Reach the endpoint and learn its dimension from one short text.

    :raises MissingExtra: the client library is not installed.
    :raises BadEncoder: the endpoint is not there, or refuses the key, the model or an option.
    """
    require("openai", "api", f"The model openai:{_address(name).public}")
    return OpenAIEncoder(name, options)


def load_with_images(name: str, options: Options) -> SeeingOpenAIEncoder:
    """The same for an endpoint whose model takes images.

    :raises MissingExtra: the client library is not installed.
    :raises BadEncoder: the endpoint is not there, or refuses the key, the model or an option.
    """
    require("openai", "api", f"The model openai-images:{_address(name).public}")
    return SeeingOpenAIEncoder(name, options)


class OpenAIEncoder:
    """One model behind an endpoint; `{role}` in its name becomes `query` or `passage`."""

    def __init__(self, name: str, options: Options, manners: Manners = Manners()) -> None:
        address = _address(name)
        self._model, self._backend, self._asked = address.model, address.backend, options.truncate_dim
        self._manners = manners
        self._account = _Account(f"openai:{address.public}", _price(options.budget), options.budget)
        self._client = _client(address)
        finalize(self, self._client.close)
        prompts: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
        self.card = ModelCard(
            name=f"openai:{address.public}",
            revision="unknown",
            library=f"openai {version('openai')}",
            dimension=options.truncate_dim,
            prompts={role: prompt for role, prompt in prompts.items() if prompt},
            backend=address.backend,
        )
        first = self._request(["Panglot"], "query", Event())
        self.card = self.card.model_copy(update={"dimension": first.vectors.shape[1], "revision": first.revision})

    @property
    def meter(self) -> Meter:
        """Requests, retries, tokens and cost so far."""
        return self._account.meter

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dim], float32, each text behind the prompt of its role; several requests at a time.

        :raises BadEncoder: a request failed for good, or the budget does not suffice for this batch.
        """
        prompt = self.card.prompts.get(role, "")
        prompted = [f"{prompt}{text}" for text in texts]
        self._account.check(_tokens(prompted))
        return self._together(list(self._split(prompted)), role)

    def _together(self, parts: Sequence[list[str]], role: Asked) -> Floats:
        """The vectors of all parts, several requests at a time; the first that fails for good stops the others."""
        stop = Event()
        with ThreadPoolExecutor(self._manners.concurrency) as threads:
            futures = [threads.submit(self._request, part, role, stop) for part in parts]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        none = np.empty((0, self.card.dimension or 0), np.float32)
        return np.concatenate([none, *(future.result().vectors for future in futures)])

    def _split(self, texts: list[str]) -> Iterator[list[str]]:
        """Parts of at most so many texts and estimated tokens, enough of them to occupy all threads."""
        most = min(self._manners.texts, max(_FEWEST_TEXTS, math.ceil(len(texts) / self._manners.concurrency)))
        part, tokens = list[str](), 0.0
        for text in texts:
            tokens += _tokens([text])
            if part and (len(part) == most or tokens > self._manners.tokens):
                yield part
                part, tokens = [], _tokens([text])
            part.append(text)
        if part:
            yield part

    def _request(self, texts: list[str], role: Asked, stop: Event) -> _Received:
        """One request, sent again until it is answered; never after that."""
        estimate = self._account.reserve(IMAGE_TOKENS if role == "image" else _tokens(texts))
        try:
            body = self._answer(texts, role, stop)
        except BaseException:
            self._account.release(estimate)
            raise
        answer = _parsed(body)
        self._account.settle(estimate, answer.tokens if answer else None)
        if answer is None:
            raise BadEncoder(f"{self._backend} answered with something that is no list of vectors: {self._clean(body)}")
        return _Received(self._vectors(answer, len(texts)), answer.system_fingerprint or answer.model or "unknown")

    def _answer(self, texts: list[str], role: Asked, stop: Event) -> str:
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
            reason = self._clean(f"{type(error).__name__}: {error}")
            return _Failure(f"{self._backend} cannot be asked. {reason}", False)
        status, said = error.status_code, self._clean(error.message)
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
        reason = self._clean(f"{type(cause).__name__}: {cause}").rstrip(": ")
        if self.meter.requests == 0 and type(cause).__name__ in ("ConnectError", "ConnectTimeout"):
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

    def _vectors(self, answer: _Answer, texts: int) -> Floats:
        """The vectors [texts, dim] in the order of the texts.

        :raises BadEncoder: a vector is missing, there twice, or of another length than the others.
        """
        if sorted(item.index for item in answer.data) != list(range(texts)):
            raise BadEncoder(
                f"{self._backend} returned {len(answer.data)} vectors for {texts} texts, "
                f"with the indices {self._clean(str([item.index for item in answer.data]))}. Expected each text's once."
            )
        rows = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        found, expected = {len(row) for row in rows}, self.card.dimension or len(rows[0])
        if found != {expected} or not expected:
            advice = " It may not know the parameter `dimensions`: leave --truncate-dim out." if self._asked else ""
            raise BadEncoder(
                f"{self._backend} returned vectors of dimension {' and '.join(map(str, sorted(found)))}. "
                f"Expected {expected or 'some'}.{advice}"
            )
        return np.array(rows, np.float32)

    def _clean(self, text: str) -> str:
        """What a server said, on one line, cut, and without the key if it said that."""
        key = self._client.api_key
        shown = " ".join((text if key == NO_KEY else text.replace(key, "[key]")).split())
        return shown if len(shown) <= 300 else f"{shown[:297]}..."


class SeeingOpenAIEncoder(OpenAIEncoder):
    """A model behind an endpoint that takes an image as the content of a message; its card is named as it was asked."""

    def __init__(self, name: str, options: Options, manners: Manners = Manners()) -> None:
        super().__init__(name, options, manners)
        self.card = self.card.model_copy(update={"name": f"openai-images:{self.card.name.partition(':')[2]}"})

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, dim], float32; an image is a PNG in a data URL, and a request.

        :raises BadEncoder: a request failed for good, or the budget does not suffice for this batch.
        """
        self._account.check(len(images) * IMAGE_TOKENS)
        return self._together([[_data_url(image)] for image in images], "image")


class _Address(NamedTuple):
    """Where a model is; only `login`, a name and a password, is not for showing."""

    model: str
    public: str
    backend: str
    login: tuple[str, str] | None


class _Failure(NamedTuple):
    """Why a request was not answered; whether it may pass, and the seconds that the server asks to wait."""

    sentence: str
    passing: bool
    pause: float = 0.0


class _Received(NamedTuple):
    """Vectors [texts, dim], and what the server says of its model's state."""

    vectors: Floats
    revision: str


class _Vector(BaseModel):
    index: int
    embedding: list[float]


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(BaseModel):
    data: list[_Vector]
    model: str | None = None
    system_fingerprint: str | None = None
    usage: _Usage | None = None

    @property
    def tokens(self) -> int | None:
        """What the request is billed for, if the server says so."""
        return (self.usage.total_tokens or self.usage.prompt_tokens) if self.usage else None


class _Account:
    """Keeps the meter, and the budget from being passed; shared by the threads."""

    def __init__(self, name: str, price: float, budget: float | None) -> None:
        self._name, self._price, self._budget = name, price, budget
        self._lock = Lock()
        self._estimated = self._reserved = 0.0
        self.meter = Meter()

    def check(self, tokens: float) -> None:
        """Refuse what would pass the budget, with the requests under way counted.

        :raises BadEncoder: saying what was spent and how to go on.
        """
        if self._budget is None:
            return
        correction = max(1.0, self.meter.tokens / self._estimated) if self._estimated else 1.0
        next_cost = (self._reserved + tokens) * correction * self._price / 1e6
        if self.meter.cost + next_cost > self._budget:
            raise BadEncoder(
                f"{self._name}: {self.meter.cost:.6f} of the budget of {self._budget:g} is spent "
                f"({self.meter.tokens:,} tokens, {self.meter.requests:,} requests), and what comes next would cost "
                f"about {next_cost:.6f}. To go on, run it again with another --budget, which counts from then on: "
                "vectors already made are in the cache."
            )

    def reserve(self, tokens: float) -> float:
        """Set aside what a request is estimated to cost, and give it back."""
        with self._lock:
            self.check(tokens)
            self._reserved += tokens
        return tokens

    def release(self, estimate: float) -> None:
        """A request came to nothing."""
        with self._lock:
            self._reserved -= estimate

    def retried(self) -> None:
        """A request is sent again."""
        with self._lock:
            self.meter.retries += 1

    def settle(self, estimate: float, tokens: int | None) -> None:
        """A request was answered; where the server counts no tokens, the estimate stands."""
        with self._lock:
            self._reserved -= estimate
            self._estimated += estimate
            self.meter.requests += 1
            self.meter.tokens += round(estimate) if tokens is None else tokens
            self.meter.cost = self.meter.tokens * self._price / 1e6


def _address(name: str) -> _Address:
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
    return _Address(model, f"{model}@{parts.hostname}", f"{parts.scheme}://{place}{parts.path}", login)


def _client(address: _Address) -> Any:
    """The official client, which makes one try only: trying again is done here."""
    from openai import DefaultHttpxClient, OpenAI

    key = os.environ.get(KEY, "").strip() or NO_KEY
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadEncoder(f"The environment variable {KEY} holds what no key is made of: white space or odd letters.")
    http = DefaultHttpxClient(auth=address.login) if address.login else None
    return OpenAI(api_key=key, base_url=address.backend, max_retries=0, http_client=http)


def _price(budget: float | None) -> float:
    """The price of a million tokens, 0 where none is known and none is needed."""
    given = os.environ.get(PRICE, "")
    try:
        price = float(given or 0)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0) or (budget is not None and not given):
        raise BadEncoder(
            f"The environment variable {PRICE} must hold the price of a million tokens, as in {PRICE}=0.02; "
            f"it is {given!r}."
        )
    return price


def _data_url(image: Picture) -> str:
    content = io.BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"


def _tokens(texts: Sequence[str]) -> float:
    """About how many tokens texts have, when their tokenizer is not known: a third of their bytes, and two each."""
    return sum(len(text.encode("utf-8", "surrogatepass")) / 3 + 2 for text in texts)


def _parsed(body: str) -> _Answer | None:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return None


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
