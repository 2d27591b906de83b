"""An OpenAI-compatible endpoint: retries, limits, and the meaning of its errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from panglot.encode.card import Role
from panglot.encode.endpoints.account import Account
from panglot.encode.endpoints.address import KEY, SHORTEST_KEY, Address, open_client
from panglot.encode.endpoints.error_body import one_line, server_message
from panglot.errors import BadEncoder

if TYPE_CHECKING:
    from tenacity import RetryCallState

YEAR = 366 * 86_400.0

REFUSED = (400, 413, 422)
"""Statuses of an invalid request: too many texts, or a text that is too long."""
FAILED = (424, 500, 504)
"""Statuses that can be temporary, or be caused by one text or by too many."""
BUSY = (408, 409, 425, 429)
"""Temporary statuses below 500 that do not depend on the texts."""

Asked: TypeAlias = Role | Literal["image"]


@dataclass(frozen=True)
class RequestPolicy:
    """Limits and retries for an endpoint; times in seconds."""

    concurrency: int = 8
    texts: int = 256
    """Maximum number of texts in a request."""
    tokens: int = 8_192
    """Maximum estimated number of tokens in a request; a longer text is sent alone."""
    timeout: float = 120.0
    """Maximum time for an answer."""
    tries: int = 8
    total: float = 900.0
    """Maximum total time for retries of a request."""
    first_wait: float = 0.5
    """Maximum wait after the first failure; it doubles with each failure, up to `longest_wait`."""
    longest_wait: float = 30.0


DEFAULT_POLICY = RequestPolicy()


class Failure(NamedTuple):
    """Why a request failed.

    `passes`: the failure can be temporary; `pause` is the number of seconds to wait that the server requests.
    `divides`: one of the texts, or their number, can be the cause. A plain value, so that no exception carries the
    request with its key any further.
    """

    sentence: str
    passes: bool = False
    divides: bool = False
    pause: float = 0.0


class RequestFailed(BadEncoder):
    """A request that failed permanently."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


class Endpoint:
    """One model at an address; `{role}` in its name is replaced by the role, and `dimensions` is sent if given.

    :raises BadEncoder: the key is invalid, or the proxy or certificates from the environment cannot be used.
    """

    def __init__(self, address: Address, account: Account, dimensions: int | None, policy: RequestPolicy) -> None:
        self._model, self._backend, self._asked = address.model, address.backend, dimensions
        self._account, self._policy = account, policy
        self._client = open_client(address, policy.timeout)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, texts: list[str], role: Asked, stop: Event) -> str:
        """Return the body of the answer to a request for the vectors of these texts.

        :raises RequestFailed: as for `post`.
        """
        model = self._model.replace("{role}", role)
        body: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "float"}
        if role == "image":
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in body.pop("input")]
            body["messages"] = [{"role": "user", "content": shown}]
        if self._asked:
            body["dimensions"] = self._asked
        return self.post("/embeddings", body, len(texts), stop)

    def post(self, path: str, body: dict[str, Any], texts: int, stop: Event) -> str:
        """Return the body of the first successful answer to a request with so many texts; `stop` interrupts waiting.

        :raises RequestFailed: the failure is permanent, or the retries are used up; the message gives the last failure.
        """
        import tenacity

        def is_worth_repeating(answer: str | Failure) -> bool:
            return isinstance(answer, Failure) and answer.passes and not (answer.divides and texts > 1)

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
        answer = retrying(self._send, path, body, stop)
        if isinstance(answer, Failure):
            raise RequestFailed(answer)
        return answer

    def _send(self, path: str, body: dict[str, Any], stop: Event) -> str | Failure:
        """Send one request, unless `stop` is set."""
        if stop.is_set():
            return Failure("Another request failed.")
        try:
            answer: str = self._client.post(path, cast_to=str, body=body)
        except Exception as error:
            return self._failure(error, body.get("model", self._model))
        return answer

    def _failure(self, error: Exception, model: str) -> Failure:
        """Describe what went wrong and what to do, and whether the failure can be temporary."""
        from openai import APIConnectionError, APIStatusError

        if isinstance(error, APIConnectionError):
            return self._no_answer(error)
        if not isinstance(error, APIStatusError):
            reason = self.clean(f"{type(error).__name__}: {error}")
            return Failure(f"The request to {self._backend} failed. {reason}.", divides=True)
        response, status = error.response, error.status_code
        words = self.clean(server_message(response.content, response.charset_encoding))
        answer = (
            f"{status}: {words.removesuffix('.')}" if words else f"{status} {one_line(response.reason_phrase)}".rstrip()
        )
        if status in (401, 403):
            return Failure(
                f"{self._backend} rejected the key ({answer}). Set the environment variable {KEY} to a valid key."
            )
        if status == 404:
            return Failure(f"{self._backend} has no model '{model}' ({answer}). {self._offered()}")
        is_nan = status >= 500 and "nan" in re.split(r"\W+", words.lower())  # Ollama's error for such a vector
        no_credit = b"insufficient_quota" in response.content
        is_refused = status in REFUSED
        advice = " If texts are too long, use --max-length." if is_refused and self._account.meter.requests else ""
        return Failure(
            f"{self._backend} answered {answer}.{advice}",
            passes=(status in BUSY or status in FAILED or status > 500) and not (is_nan or no_credit),
            divides=is_refused or is_nan or status in FAILED,
            pause=_retry_after(response.headers),
        )

    def _no_answer(self, error: Exception) -> Failure:
        """Describe a connection that failed or timed out; it is permanent if no request has ever succeeded."""
        cause = error.__cause__ or error
        kind = type(cause).__name__
        reason = self.clean(f"{kind}: {cause}").rstrip(": ")
        if self._account.meter.requests == 0 and kind in ("ConnectError", "ConnectTimeout", "ProxyError"):
            return Failure(
                f"No server answers at {self._backend} ({reason}). Check that it is running, that host, port and "
                "certificate are right, and that no proxy or firewall blocks it."
            )
        return Failure(f"{self._backend} did not answer ({reason}).", passes=True, divides=kind == "ReadTimeout")

    def _offered(self) -> str:
        """List the endpoint's models in a sentence, if it lists them."""
        try:
            models = sorted(str(model.id) for model in self._client.models.list(timeout=10).data)
        except Exception:
            models = []
        if not models:
            return "It does not list any models. Check the address; most end in /v1."
        more = f" and {len(models) - 20} more" if len(models) > 20 else ""
        return f"It offers {one_line(', '.join(models[:20]))}{more}."

    def clean(self, text: str) -> str:
        """Put a server's text on one shortened line, without the key if it contains it."""
        key = self._client.api_key
        return one_line(text if len(key) < SHORTEST_KEY else text.replace(key, "[key]"))


def _asked_pause(retry_state: RetryCallState) -> float:
    """Return the additional seconds that the server asks to wait."""
    assert retry_state.outcome is not None
    failure: Failure = retry_state.outcome.result()
    return failure.pause


def _give_up(retry_state: RetryCallState) -> Failure:
    """Return the last failure, with the number of tries added to its message."""
    assert retry_state.outcome is not None
    failure: Failure = retry_state.outcome.result()
    asked = f" It asks to wait {failure.pause:,.0f} s." if failure.pause else ""
    tries = "1 try" if retry_state.attempt_number == 1 else f"{retry_state.attempt_number} tries"
    return failure._replace(
        sentence=f"{failure.sentence}{asked} Gave up after {tries} in "
        f"{retry_state.seconds_since_start or 0:,.0f} s. Run the command again later; the cache has all finished "
        "vectors."
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait from a Retry-After header, in seconds or as a date; 0 if invalid, at most a year."""
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
