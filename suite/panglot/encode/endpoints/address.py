"""The address of an endpoint, and the client for it."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from panglot.encode.endpoints.error_body import one_line
from panglot.errors import BadEncoder

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
"""Environment variable with the API key; servers that need none get `NO_KEY`."""
NO_KEY = "none"
SHORTEST_KEY = 8
"""Minimum length in characters; shorter keys, such as `x` or `EMPTY`, are placeholders and not secret."""

_ADDRESS = re.compile(r"(?P<model>@?[^@]+)(@(?P<url>https?://\S+))?")
_AZURE = "Use Azure's v1 address without api-version: openai:DEPLOYMENT@https://RESOURCE.openai.azure.com/openai/v1"

CONNECT = 10.0
"""Timeout for connecting, in seconds."""
CONNECTION = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that affect connections."""


class Address(NamedTuple):
    """The address of a model; everything but `login`, a user name and password, can be shown."""

    model: str
    public: str
    backend: str
    login: tuple[str, str] | None


def read_address(name: str, kind: str = "openai") -> Address:
    """Parse `MODEL` or `MODEL@URL`; `kind` is the prefix that messages show.

    :raises BadEncoder: the text has neither form, or is an Azure address that needs an api-version.
    """
    match = _ADDRESS.fullmatch(name)
    try:
        parts = urlsplit(((match and match["url"]) or OFFICIAL).rstrip("/"))
        host = parts.hostname if match and parts.port != 0 else None
    except ValueError:
        match, host = None, None
    if not (match and host) or parts.query or parts.fragment:
        shown = re.sub(r"//[^/]*@", "//", name).partition("?")[0].partition("#")[0]
        advice = f" A URL cannot have parameters. {_AZURE}" if "?" in name else ""
        raise BadEncoder(
            f"'{kind}:{one_line(shown)}' is not MODEL@URL. Write {kind}:MODEL@http://host:port/v1.{advice}"
        )
    if host.endswith(".azure.com") and not parts.path.endswith("/v1"):
        raise BadEncoder(f"{parts.scheme}://{host}{parts.path} is not an Azure v1 address. {_AZURE}")
    before, _, place = parts.netloc.rpartition("@")
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if before else None
    model = match["model"]
    return Address(model, f"{model}@{host}", f"{parts.scheme}://{place}{parts.path}", login)


def open_client(address: Address, timeout: float) -> Any:
    """Open the official client without retries, since its own can neither be interrupted nor depend on the cause.

    :raises BadEncoder: the key is invalid, or the proxy or certificates cannot be used.
    """
    from openai import DefaultHttpxClient, OpenAI, Timeout

    key = os.environ.get(KEY, "").strip() or NO_KEY
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadEncoder(f"The environment variable {KEY} is not a valid key: it has spaces or non-ASCII characters.")
    limit = Timeout(timeout, connect=min(timeout, CONNECT))
    try:
        http = DefaultHttpxClient(auth=address.login, event_hooks={"response": [_read_as_utf8]})
        return OpenAI(api_key=key, base_url=address.backend, max_retries=0, timeout=limit, http_client=http)
    except ImportError:
        raise BadEncoder(
            "The environment sets a SOCKS proxy, which needs another library. Install it with: pip install socksio"
        ) from None
    except Exception as error:
        given = ", ".join(sorted(name for name, value in os.environ.items() if value and name.upper() in CONNECTION))
        advice = f"Check the address and the environment variables {given}." if given else "Check the address."
        reason = one_line(f"{type(error).__name__}: {error}").rstrip(".")
        raise BadEncoder(f"Cannot set up a connection to {address.backend} ({reason}). {advice}") from None


def _read_as_utf8(response: Any) -> None:
    """Keep an invalid charset from breaking the client; `server_message` handles it."""
    response.encoding = "utf-8"
