"""Where an endpoint is, and the client that reaches it."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from panglot.encode.endpoints.error_body import one_line
from panglot.errors import BadEncoder

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
"""The environment variable with the key; servers that ask for none get `NO_KEY`."""
NO_KEY = "none"
SHORTEST_KEY = 8
"""Characters. What is shorter, such as `x` or `EMPTY`, stands in for a key and is no secret."""

_ADDRESS = re.compile(r"(?P<model>@?[^@]+)(@(?P<url>https?://\S+))?")
_AZURE = "Azure takes no api-version at its v1 address: openai:DEPLOYMENT@https://RESOURCE.openai.azure.com/openai/v1"

CONNECT = 10.0
"""Seconds that a connection may take."""
CONNECTION = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that bear on it."""


class Address(NamedTuple):
    """Where a model is; only `login`, a name and a password, is not for showing."""

    model: str
    public: str
    backend: str
    login: tuple[str, str] | None


def read_address(name: str) -> Address:
    """Read `MODEL` or `MODEL@URL`.

    :raises BadEncoder: it is neither, or the address is one of Azure's that need a version.
    """
    match = _ADDRESS.fullmatch(name)
    try:
        parts = urlsplit(((match and match["url"]) or OFFICIAL).rstrip("/"))
        host = parts.hostname if match and parts.port != 0 else None
    except ValueError:
        match, host = None, None
    if not (match and host) or parts.query or parts.fragment:
        shown = re.sub(r"//[^/]*@", "//", name).partition("?")[0].partition("#")[0]
        advice = f" An address takes no parameters. {_AZURE}" if "?" in name else ""
        raise BadEncoder(
            f"'openai:{one_line(shown)}' is not MODEL@URL. Write openai:MODEL@http://host:port/v1.{advice}"
        )
    if host.endswith(".azure.com") and not parts.path.endswith("/v1"):
        raise BadEncoder(f"{parts.scheme}://{host}{parts.path} is not Azure's v1 address. {_AZURE}")
    before, _, place = parts.netloc.rpartition("@")
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if before else None
    model = match["model"]
    return Address(model, f"{model}@{host}", f"{parts.scheme}://{place}{parts.path}", login)


def open_client(address: Address, timeout: float) -> Any:
    """The official client, which makes one try only, since its own retries can neither be stopped nor told a cause."""
    from openai import DefaultHttpxClient, OpenAI, Timeout

    key = os.environ.get(KEY, "").strip() or NO_KEY
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadEncoder(f"The environment variable {KEY} holds what no key is made of: white space or odd letters.")
    limit = Timeout(timeout, connect=min(timeout, CONNECT))
    try:
        http = DefaultHttpxClient(auth=address.login, event_hooks={"response": [_read_as_utf8]})
        return OpenAI(api_key=key, base_url=address.backend, max_retries=0, timeout=limit, http_client=http)
    except ImportError:
        raise BadEncoder(
            "The environment names a SOCKS proxy, which needs another library. Install it with: pip install socksio"
        ) from None
    except Exception as error:
        given = ", ".join(sorted(name for name, value in os.environ.items() if value and name.upper() in CONNECTION))
        advice = f"Check the address and the environment variables {given}." if given else "Check the address."
        reason = one_line(f"{type(error).__name__}: {error}").rstrip(".")
        raise BadEncoder(f"No connection to {address.backend} can be made ({reason}). {advice}") from None


def _read_as_utf8(response: Any) -> None:
    """Keep a server's odd charset from breaking the client; `server_words` looks at it."""
    response.encoding = "utf-8"
