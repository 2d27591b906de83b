"""An endpoint that speaks OpenAI's API: how patiently it is asked, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from panglot.encode.endpoints.account import Account
from panglot.encode.endpoints.address import KEY, SHORTEST_KEY, Address, open_client
from panglot.encode.endpoints.error_body import one_line, server_words
from panglot.encode.model import Role
from panglot.errors import BadEncoder

if TYPE_CHECKING:
    from tenacity import RetryCallState

YEAR = 366 * 86_400.0

REFUSED = (400, 413, 422)
"""Statuses of a request that is wrong as it is: too many texts, or one that is too long."""
FAILED = (424, 500, 504)
"""Statuses that may come of one text, or of too many, and may pass."""
BUSY = (408, 409, 425, 429)
"""Statuses below 500 that pass and have nothing to do with the texts."""

Asked: TypeAlias = Role | Literal["image"]


@dataclass(frozen=True)
class RequestPolicy:
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
    """How long a request may be tried again."""
    first_wait: float = 0.5
    """Most that is waited after the first failure; it doubles with each, up to `longest_wait`."""
    longest_wait: float = 30.0


DEFAULT_POLICY = RequestPolicy()


class Failure(NamedTuple):
    """Why a request was not answered.

    `passes`: the same request may be answered later, after `pause` seconds if the server says so. `divides`: the cause
    may be one of its texts or their number. A value, so that no exception carries the request and its key any further.
    """

    sentence: str
    passes: bool = False
    divides: bool = False
    pause: float = 0.0


class RequestFailed(BadEncoder):
    """A request that failed for good."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


class Endpoint:
    """One model behind an address; `{role}` in its name becomes what is asked for, `dimensions` how many it gives.

    :raises BadEncoder: the key cannot be sent, or the proxy or the certificates of the environment cannot be used.
    """

    def __init__(self, address: Address, account: Account, dimensions: int | None, policy: RequestPolicy) -> None:
        self._model, self._backend, self._asked = address.model, address.backend, dimensions
        self._account, self._policy = account, policy
        self._client = open_client(address, policy.timeout)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(self, texts: list[str], role: Asked, stop: Event) -> str:
        """The body of the first answer that is none of failure; `stop` ends the waiting.

        :raises RequestFailed: saying what happened last, when trying again is useless or was done often enough.
        """
        import tenacity

        def is_worth_repeating(answer: str | Failure) -> bool:
            return isinstance(answer, Failure) and answer.passes and not (answer.divides and len(texts) > 1)

        policy = self._policy
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(is_worth_repeating),
            wait=tenacity.wait_combine(
                tenacity.wait_random_exponential(policy.first_wait, policy.longest_wait), _asked_pause
            ),
            stop=tenacity.stop_after_attempt(policy.tries) | tenacity.stop_before_delay(policy.total),
            sleep=tenacity.sleep_using_event(stop),
            before_sleep=lambda state: self._account.retried(),
            retry_error_callback=_give_up,
        )
        answer = retrying(self._send, texts, role, stop)
        if isinstance(answer, Failure):
            raise RequestFailed(answer)
        return answer

    def _send(self, texts: list[str], role: Asked, stop: Event) -> str | Failure:
        """Ask once, unless it is too late."""
        if stop.is_set():
            return Failure("Another request failed.")
        model = self._model.replace("{role}", role)
        body: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "float"}
        if role == "image":
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in body.pop("input")]
            body["messages"] = [{"role": "user", "content": shown}]
        if self._asked:
            body["dimensions"] = self._asked
        try:
            answer: str = self._client.post("/embeddings", cast_to=str, body=body)
        except Exception as error:
            return self._failure(error, model)
        return answer

    def _failure(self, error: Exception, model: str) -> Failure:
        """What went wrong, in a sentence that says what to do, and whether it may pass."""
        from openai import APIConnectionError, APIStatusError

        if isinstance(error, APIConnectionError):
            return self._no_answer(error)
        if not isinstance(error, APIStatusError):
            reason = self.clean(f"{type(error).__name__}: {error}")
            return Failure(f"{self._backend} cannot be asked. {reason}.", divides=True)
        response, status = error.response, error.status_code
        words = self.clean(server_words(response.content, response.charset_encoding))
        answer = (
            f"{status}: {words.removesuffix('.')}" if words else f"{status} {one_line(response.reason_phrase)}".rstrip()
        )
        if status in (401, 403):
            return Failure(
                f"{self._backend} refuses the key ({answer}). Put the right one into the environment variable {KEY}."
            )
        if status == 404:
            return Failure(f"{self._backend} has no model '{model}' ({answer}). {self._offered()}")
        is_nan = status >= 500 and "nan" in re.split(r"\W+", words.lower())  # what Ollama says of such a vector
        no_credit = b"insufficient_quota" in response.content
        is_refused = status in REFUSED
        advice = " --max-length cuts texts that are too long." if is_refused and self._account.meter.requests else ""
        return Failure(
            f"{self._backend} answered {answer}.{advice}",
            passes=(status in BUSY or status in FAILED or status > 500) and not (is_nan or no_credit),
            divides=is_refused or is_nan or status in FAILED,
            pause=_retry_after(response.headers),
        )

    def _no_answer(self, error: Exception) -> Failure:
        """A connection that failed or timed out; hopeless if it never worked."""
        cause = error.__cause__ or error
        kind = type(cause).__name__
        reason = self.clean(f"{kind}: {cause}").rstrip(": ")
        if self._account.meter.requests == 0 and kind in ("ConnectError", "ConnectTimeout", "ProxyError"):
            return Failure(
                f"No server answers at {self._backend} ({reason}). Check that it runs, that host, port and "
                "certificate are right, and that no proxy or firewall is in between."
            )
        return Failure(f"{self._backend} gave no answer ({reason}).", passes=True, divides=kind == "ReadTimeout")

    def _offered(self) -> str:
        """The names of the endpoint's models, if it lists them."""
        try:
            models = sorted(str(model.id) for model in self._client.models.list(timeout=10).data)
        except Exception:
            models = []
        if not models:
            return "It lists no models either: check that the address is right; most end in /v1."
        more = f" and {len(models) - 20} more" if len(models) > 20 else ""
        return f"It offers {one_line(', '.join(models[:20]))}{more}."

    def clean(self, text: str) -> str:
        """What a server said, on one line, cut, and without the key if it said that."""
        key = self._client.api_key
        return one_line(text if len(key) < SHORTEST_KEY else text.replace(key, "[key]"))


def _asked_pause(retry_state: RetryCallState) -> float:
    """Seconds that the server asks to wait, beside those that are waited anyway."""
    assert retry_state.outcome is not None
    failure: Failure = retry_state.outcome.result()
    return failure.pause


def _give_up(retry_state: RetryCallState) -> Failure:
    """The last failure, with what was done about it."""
    assert retry_state.outcome is not None
    failure: Failure = retry_state.outcome.result()
    asked = f" It asks to wait {failure.pause:,.0f} s." if failure.pause else ""
    tries = "1 try" if retry_state.attempt_number == 1 else f"{retry_state.attempt_number} tries"
    return failure._replace(
        sentence=f"{failure.sentence}{asked} Gave up after {tries} in "
        f"{retry_state.seconds_since_start or 0:,.0f} s. Run it again later: vectors already made are in the cache."
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait by a Retry-After header, which gives them or a date; 0 if it gives neither, a year at most."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(0.0, float(headers[name]) * unit), YEAR)
        except (KeyError, ValueError):
            continue
    try:
        asked = (parsedate_to_datetime(headers["retry-after"]) - datetime.now(UTC)).total_seconds()
        return min(max(0.0, asked), YEAR)
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0
