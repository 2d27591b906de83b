"""`openai:MODEL@http://host/v1`: any endpoint with OpenAI's embeddings API.

`openai-images:` is the same for a model that also accepts images, each as the content of one message, as in vLLM.
"""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from threading import Event
from typing import TYPE_CHECKING, NamedTuple
from weakref import finalize

import numpy as np
from pydantic import BaseModel, ValidationError

from panglot.arrays import Floats
from panglot.encode.batches import BATCH_TEXTS
from panglot.encode.budget import TokenBudget
from panglot.encode.card import ModelCard, Role
from panglot.encode.endpoints.account import Account, Meter, estimated_tokens
from panglot.encode.endpoints.address import read_address
from panglot.encode.endpoints.dividing import Divider, run_together
from panglot.encode.endpoints.endpoint import DEFAULT_POLICY, Asked, Endpoint, RequestPolicy
from panglot.encode.endpoints.error_body import server_message
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

IMAGE_TOKENS = 1000.0
"""Estimated tokens of an image, until the server reports the number."""

MOST_TEXTS = 2048
"""Texts in the largest batches, which fill 64 connections."""

_TEXTS_PER_CONNECTION = 32
"""Texts in a batch for each of its concurrent requests, if that is more than the policy's number of them."""

_FEWEST_TEXTS = 16
"""Minimum number of texts in a request when a batch is spread over all threads."""


def load(name: str, options: Options) -> OpenAIEncoder:
    """Connect to the endpoint and determine its dimension with one short text.

    :raises MissingExtra: the client library is not installed.
    :raises BadEncoder: the endpoint cannot be reached, or rejects the key, the model or an option.
    """
    require("openai", "api", f"The model openai:{read_address(name).public}")
    return OpenAIEncoder(name, options)


def load_with_images(name: str, options: Options) -> SeeingOpenAIEncoder:
    """Do the same for an endpoint whose model accepts images.

    :raises MissingExtra: the client library is not installed.
    :raises BadEncoder: the endpoint cannot be reached, or rejects the key, the model or an option.
    """
    require("openai", "api", f"The model openai-images:{read_address(name).public}")
    return SeeingOpenAIEncoder(name, options)


class OpenAIEncoder:
    """One model behind an endpoint; `{role}` in its name is replaced by `query` or `passage`.

    `budget` is the number of texts in a batch, and with it of concurrent requests: both grow as long as the server
    answers faster, and shrink when it is busy. With a limit on the cost they stay small, so that more of it is used.
    """

    def __init__(self, name: str, options: Options, policy: RequestPolicy = DEFAULT_POLICY) -> None:
        address = read_address(name)
        self._backend, self._asked, self._policy = address.backend, options.truncate_dim, policy
        self._longest = options.max_length
        self._account = Account(f"openai:{address.public}", options.budget)
        self._endpoint = Endpoint(address, self._account, options.truncate_dim, policy)
        finalize(self, self._endpoint.close)
        prompts: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
        self.card = ModelCard(
            name=f"openai:{address.public}",
            revision="unknown",
            library=f"openai {version('openai')}",
            dimension=options.truncate_dim,
            prompts={role: prompt for role, prompt in prompts.items() if prompt},
            backend=address.backend,
            note=f"Texts are cut to {options.max_length} characters, prompts included." if options.max_length else "",
        )
        self._divider = Divider(self.card.name, options.texts_per_request or policy.texts)
        self.budget = TokenBudget(BATCH_TEXTS, BATCH_TEXTS if options.budget is not None else None, MOST_TEXTS)
        first = self._request(["Panglot"], "query", Event())
        self.card = self.card.model_copy(update={"dimension": first.vectors.shape[1], "revision": first.revision})

    @property
    def meter(self) -> Meter:
        """Requests, retries, tokens and cost so far."""
        return self._account.meter

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dim], float32, of texts with the prompt of their role; requests run concurrently.

        :raises RefusedInput: the endpoint rejects one text, or fails on it repeatedly.
        :raises BadEncoder: a request failed permanently, or the budget is too small for this batch.
        """
        prompt = self.card.prompts.get(role, "")
        prompted = [f"{prompt}{text}"[: self._longest] for text in texts]
        self._account.check(estimated_tokens(prompted))
        retries = self.meter.retries
        vectors = self._together(list(self._split(prompted)), role)
        if self.meter.retries > retries and len(texts) > BATCH_TEXTS:
            self.budget.exceed(len(texts))
        return vectors

    def _together(self, parts: Sequence[list[str]], role: Asked) -> Floats:
        """Return the vectors of all parts, requested concurrently; the first permanent failure stops the others."""
        starts = accumulate(map(len, parts), initial=0)
        jobs = [partial(self._part, part, start, role) for part, start in zip(parts, starts, strict=False)]
        none = np.empty((0, self.card.dimension or 0), np.float32)
        return np.concatenate([none, *run_together(self._concurrency(sum(map(len, parts))), jobs)])

    def _concurrency(self, texts: int) -> int:
        """Return the number of concurrent requests for a batch of so many texts."""
        return max(self._policy.concurrency, texts // _TEXTS_PER_CONNECTION)

    def _part(self, texts: list[str], start: int, role: Asked, stop: Event) -> list[Floats]:
        """Return the vectors of the texts from index `start` of a batch."""
        return self._divider.send(texts, start, lambda part: self._request(part, role, stop).vectors)

    def _split(self, texts: list[str]) -> Iterator[list[str]]:
        """Split texts into parts within the limits on texts and tokens, and enough parts to occupy all threads."""
        most = min(self._divider.most, max(_FEWEST_TEXTS, math.ceil(len(texts) / self._concurrency(len(texts)))))
        part, tokens = list[str](), 0.0
        for text in texts:
            tokens += estimated_tokens([text])
            if part and (len(part) == most or tokens > self._policy.tokens):
                yield part
                part, tokens = [], estimated_tokens([text])
            part.append(text)
        if part:
            yield part

    def _request(self, texts: list[str], role: Asked, stop: Event) -> _Received:
        """Send one request, with retries, and account for it."""
        estimate = IMAGE_TOKENS if role == "image" else estimated_tokens(texts)
        with self._account.reserved(estimate):
            body = self._endpoint.ask(texts, role, stop)
            answer = _parsed(body)
            self._account.settle(estimate, answer.tokens if answer else None)
        if answer is None:
            raise BadEncoder(
                f"{self._backend} did not return a list of vectors: "
                f"{self._endpoint.clean(server_message(body.encode()))}"
            )
        return _Received(self._vectors(answer, len(texts)), answer.system_fingerprint or answer.model or "unknown")

    def _vectors(self, answer: _Answer, texts: int) -> Floats:
        """Return the vectors [texts, dim] in the order of the texts.

        :raises BadEncoder: a vector is missing or duplicated, or their dimensions differ.
        """
        if sorted(item.index for item in answer.data) != list(range(texts)):
            indices = self._endpoint.clean(str([item.index for item in answer.data]))
            raise BadEncoder(
                f"{self._backend} returned {len(answer.data)} vectors for {texts} texts, with the indices {indices}. "
                "Expected one for each text."
            )
        rows = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        found, expected = {len(row) for row in rows}, self.card.dimension or len(rows[0])
        if found != {expected} or not expected:
            advice = " It may not support the parameter `dimensions`: omit --truncate-dim." if self._asked else ""
            raise BadEncoder(
                f"{self._backend} returned vectors of dimension {' and '.join(map(str, sorted(found)))}. "
                f"Expected {expected or 'some'}.{advice}"
            )
        return np.array(rows, np.float32)


class SeeingOpenAIEncoder(OpenAIEncoder):
    """A model behind an endpoint that accepts images as message content; its card has the prefix `openai-images:`."""

    def __init__(self, name: str, options: Options, policy: RequestPolicy = DEFAULT_POLICY) -> None:
        super().__init__(name, options, policy)
        self.card = self.card.model_copy(update={"name": f"openai-images:{self.card.name.partition(':')[2]}"})

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Return vectors [images, dim], float32; each image is sent in its own request, as PNG in a data URL.

        :raises BadEncoder: a request failed permanently, or the budget is too small for this batch.
        """
        self._account.check(len(images) * IMAGE_TOKENS)
        return self._together([[_data_url(image)] for image in images], "image")


class _Received(NamedTuple):
    """Vectors [texts, dim], and the revision of the model reported by the server."""

    vectors: Floats
    revision: str


class _Vector(BaseModel):
    index: int
    embedding: list[float | None]
    """Some servers return null for NaN, which is later rejected together with its text."""


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
        """Tokens billed for the request, if the server reports them."""
        return (self.usage.total_tokens or self.usage.prompt_tokens) if self.usage else None


def _data_url(image: Picture) -> str:
    content = io.BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"


def _parsed(body: str) -> _Answer | None:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return None
