"""Rerankers behind an endpoint's `/rerank`: Jina, Cohere, Voyage, Infinity, vLLM, Text Embeddings Inference (TEI).

All but TEI take `{"model", "query", "documents"}` and answer `{"results": [{"index", "relevance_score"}]}`, Voyage with
`data` for `results`. TEI takes `{"query", "texts", "truncate"}` and answers `[{"index", "score"}]`. The first request
finds out which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import groupby
from threading import Event
from typing import Any
from weakref import finalize

import numpy as np
from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, ValidationError

from panglot.arrays import Floats
from panglot.encode.budget import TokenBudget
from panglot.encode.card import UNKNOWN, ModelCard
from panglot.encode.endpoints.account import Account, Meter, estimated_tokens
from panglot.encode.endpoints.address import read_address
from panglot.encode.endpoints.dividing import Divider, run_together
from panglot.encode.endpoints.endpoint import DEFAULT_POLICY, Endpoint, RequestFailed, RequestPolicy
from panglot.encode.endpoints.error_body import server_message
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require

BATCH_PAIRS = 1024

PROBE = ("Panglot", ["Panglot", "another"])


class EndpointScorer:
    """A reranker as `MODEL@URL`, where requests go to `URL/rerank`; requests for different queries run concurrently.

    :raises MissingExtra: the client library is not installed.
    :raises BadEncoder: the endpoint cannot be reached, or rejects the key, the model or both forms of requests.
    """

    def __init__(self, name: str, options: Options, policy: RequestPolicy = DEFAULT_POLICY) -> None:
        address = read_address(re.sub(r"/rerank/?$", "/", name), "rerank")
        require("openai", "api", f"The reranker {address.public}")
        self._name, self._backend, self._policy = address.model, address.backend, policy
        self._longest, self._texts_field = options.max_length, "documents"
        self._account = Account(f"rerank:{address.public}", options.budget)
        self._endpoint = Endpoint(address, self._account, None, policy)
        finalize(self, self._endpoint.close)
        self._divider = Divider(address.public, options.texts_per_request or policy.texts)
        self.budget = TokenBudget(fixed=BATCH_PAIRS)
        self.card = ModelCard(
            name=address.public,
            revision=self._find_form(),
            library=f"openai {version('openai')}",
            similarity="none",
            backend=address.backend,
            note=f"Texts are cut to {options.max_length} characters." if options.max_length else "",
        )

    @property
    def meter(self) -> Meter:
        """Requests, retries, tokens and cost so far."""
        return self._account.meter

    def score(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Return the scores of pairs of a query and a passage, [pairs], float32.

        :raises RefusedInput: the endpoint rejects one pair, or fails on it repeatedly.
        :raises BadEncoder: a request failed permanently, or the budget is too small for these pairs.
        """
        cut = [(query[: self._longest], passage[: self._longest]) for query, passage in pairs]
        self._account.check(sum(_tokens(query, [passage]) for query, passage in cut))
        return np.concatenate(
            run_together(self._policy.concurrency, [partial(self._send, *part) for part in _parts(cut)])
        )

    def _send(self, query: str, passages: list[str], start: int, stop: Event) -> list[Floats]:
        return self._divider.send(passages, start, lambda part: self._request(query, part, stop)[0])

    def _find_form(self) -> str:
        """Find out which form of requests the endpoint takes; returns the revision of the model that it reports."""
        query, passages = PROBE
        try:
            return self._request(query, passages, Event())[1]
        except RequestFailed as error:
            if not error.failure.divides or error.failure.passes:
                raise
            first = error
        self._texts_field = "texts"
        try:
            return self._request(query, passages, Event())[1]
        except RequestFailed:
            raise first from None

    def _request(self, query: str, passages: list[str], stop: Event) -> tuple[Floats, str]:
        """Return the scores of some passages for a query, [passages], and the revision of the model."""
        body: dict[str, Any] = {"query": query, self._texts_field: passages}
        body |= {"truncate": True} if self._texts_field == "texts" else {"model": self._name}
        estimate = _tokens(query, passages)
        with self._account.reserved(estimate):
            text = self._endpoint.post("/rerank", body, len(passages), stop)
            answer = _parsed(text)
            self._account.settle(estimate, answer.tokens if answer else None)
        if answer is None:
            raise BadEncoder(
                f"{self._backend} did not return a list of scores: "
                f"{self._endpoint.clean(server_message(text.encode()))}"
            )
        if sorted(item.index for item in answer.results) != list(range(len(passages))):
            raise BadEncoder(
                f"{self._backend} returned {len(answer.results)} scores for {len(passages)} passages. Expected one for "
                "each passage."
            )
        ordered = sorted(answer.results, key=lambda item: item.index)
        return np.array([item.score for item in ordered], np.float32), answer.model or UNKNOWN


class _Scored(BaseModel):
    index: int
    score: float = Field(validation_alias=AliasChoices("relevance_score", "score"))


class _Usage(BaseModel):
    total_tokens: int | None = None


class _Answer(BaseModel):
    results: list[_Scored] = Field(validation_alias=AliasChoices("results", "data"))
    model: str | None = None
    usage: _Usage | None = None

    @property
    def tokens(self) -> int | None:
        """Tokens billed for the request, if the server reports them."""
        return self.usage.total_tokens if self.usage else None


def _parsed(text: str) -> _Answer | None:
    for form in (_Answer, list[_Scored]):
        try:
            found = TypeAdapter(form).validate_json(text)
        except ValidationError:
            continue
        return found if isinstance(found, _Answer) else _Answer.model_construct(results=found)
    return None


def _parts(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str], int]]:
    """Yield each query with the passages of its consecutive pairs, and the index of the first of them."""
    start = 0
    for query, group in groupby(pairs, key=lambda pair: pair[0]):
        passages = [passage for _, passage in group]
        yield query, passages, start
        start += len(passages)


def _tokens(query: str, passages: Sequence[str]) -> float:
    """Estimate the tokens of a request: the query is read again with each passage."""
    return estimated_tokens(passages) + len(passages) * estimated_tokens([query])
