"""Requests to the Hugging Face Hub: whether it can be reached, which failures pass, and what its refusals mean."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from ssl import SSLCertVerificationError
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from panglot.errors import MissingData
from panglot.files import DATA_VARIABLE

_ELSEWHERE = f"set --data-dir or {DATA_VARIABLE} to a folder that contains the data"
PATIENCE = 4.0
"""Seconds in which a connection to the Hub must be made."""
WAITS = (0.25, 0.5, 1, 2, 4, 8, 8)
"""Seconds between attempts, beyond those of the libraries, which try most requests several times."""
HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
_LOGIN = "log in with: hf auth login"
REFUSALS = {
    "RepoNotFound": f"The Hugging Face Hub has no data set of this name, or it is private. Check the name, or {_LOGIN}",
    "GatedRepo": f"Its terms must be accepted on https://huggingface.co/datasets/{{path}}; then {_LOGIN}",
    "RevisionNotFound": "The data set has no revision '{revision}'.",
}
"""What the error codes of the Hub mean."""

Outcome = TypeVar("Outcome")


def patiently(call: Callable[[], Outcome]) -> Outcome:
    """Call again after failures that pass; the last exception is raised if they do not."""
    for wait in WAITS:
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
        time.sleep(wait)
    return call()


def refusal(error: Exception, path: str, revision: str) -> str:
    """Return what the Hub's error code means; empty if it gave none that is known."""
    responses = [found for cause in _causes(error) if (found := getattr(cause, "response", None)) is not None]
    code = responses[0].headers.get("X-Error-Code", "") if responses else ""
    return REFUSALS.get(code, "").format(path=path, revision=revision)


def _causes(error: BaseException | None) -> Iterator[Any]:
    """Yield an exception and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_transient(error: BaseException) -> bool:
    """Whether the same request can succeed later: a failing connection or server, or too many requests."""
    causes = list(_causes(error))
    if any(isinstance(cause, SSLCertVerificationError) for cause in causes):
        return False  # a proxy with a certificate of its own stays there
    for cause in causes:
        if type(cause).__name__ == "OfflineModeIsEnabled":
            return False  # nothing was requested
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status is not None:
            return status in (408, 429) or status >= 500
        if type(cause).__module__.split(".")[0] in HTTP_LIBRARIES or _is_swallowed(cause):
            return True
        if isinstance(cause, ConnectionError | TimeoutError) and not (cause.__cause__ or cause.__context__):
            return True
    return False


def _is_swallowed(error: BaseException) -> bool:
    """Whether `datasets` took a failed request for a missing file: it names nothing but a file that it has listed."""
    return isinstance(error, FileNotFoundError) and re.fullmatch(r"(\w+://.*::)?hf://.*", str(error)) is not None


def check_reachable(name: str) -> None:
    """Check within `PATIENCE` seconds that a connection to the Hub, or to the proxy before it, can be made.

    :raises MissingData: it cannot, or the environment forbids it.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise MissingData(f"{name} is on the Hugging Face Hub, but HF_HUB_OFFLINE is set. Unset it, or {_ELSEWHERE}.")
    if fault := connection_fault():
        raise MissingData(
            f"{name} is on the Hugging Face Hub, which cannot be reached: {fault}. Check the network, or {_ELSEWHERE}."
        )


def connection_fault() -> str:
    """Return why no connection to the Hub, or to the proxy before it, can be made; empty if it can."""
    from urllib.request import getproxies, proxy_bypass

    from huggingface_hub import constants

    endpoint = urlsplit(constants.ENDPOINT)
    proxy = getproxies().get(endpoint.scheme) or getproxies().get("all")
    if proxy and not proxy_bypass(endpoint.hostname or ""):
        endpoint = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = endpoint.hostname or "", endpoint.port or (80 if endpoint.scheme == "http" else 443)
    fault = _connect(address)
    return fault and f"{address[0]}: {fault}"


def _connect(address: tuple[str, int]) -> str:
    """Return why no connection can be made; empty if it can. Looking up a name can block for long, so a thread does."""
    outcome = [f"no answer in {PATIENCE:g} seconds"]

    def connect() -> None:
        try:
            socket.create_connection(address, PATIENCE).close()
            outcome.append("")
        except OSError as error:
            outcome.append(error.strerror or str(error))

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return outcome[-1]
