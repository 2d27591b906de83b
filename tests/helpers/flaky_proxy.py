"""Loopback servers for tests of endpoints: one whose answers are written down, and a proxy that fails on purpose."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from tests.helpers.processes import LONGEST

Headers = dict[str, str]

ENDPOINT_VARIABLES = (
    *("OPENAI_API_KEY", "PANGLOT_PRICE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Headers = {}  # noqa: RUF012


class Asked(NamedTuple):
    method: str
    path: str
    body: dict[str, Any]
    headers: Headers


class Sent(NamedTuple):
    """One line of the proxy's log, written before the answer: the texts of a request, and what becomes of it."""

    texts: tuple[str, ...]
    outcome: str
    at: float
    """When it came."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report here."""


@contextmanager
def serve(answer: Callable[[Asked, BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on a free port of 127.0.0.1, while it runs; `answer` writes the reply, or does not."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer(Asked(self.command, self.path, body, headers), self)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = _Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write(handler: BaseHTTPRequestHandler, reply: Reply, share: float = 1.0) -> None:
    """Write a reply, or only a share of its body."""
    handler.send_response(reply.status)
    for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body[: int(len(reply.body) * share)])
    handler.wfile.flush()


def vector(text: str) -> list[float]:
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0]


def good_answer(asked: Asked) -> Reply:
    """What a server should answer, the last vector first."""
    if asked.method == "GET":
        return Reply(200, json.dumps({"data": [{"id": "tiny"}, {"id": "small"}], "object": "list"}).encode())
    data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(asked.body["input"])]
    tokens = 10 * len(data)
    return reply_json(
        {"data": data[::-1], "model": "tiny-1", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    )


def reply_json(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def reply_error(status: int, message: str, **fields: str) -> Reply:
    return reply_json({"error": {"message": message, **fields}}, status)


class ScriptedServer:
    """A server whose answers are written down: good ones until `answer` is replaced."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Reply] = good_answer
        self.asked: list[Asked] = []

    def running(self) -> AbstractContextManager[str]:
        return serve(self._answer)

    def _answer(self, asked: Asked, handler: Any) -> None:
        self.asked.append(asked)
        write(handler, self.answer(asked))


class FlakyProxy:
    """Forwards what it is asked, except for a share `rate` of the requests, which meet one of the `faults`.

    Faults: `429`, `429 seconds`, `429 date`, `500`, `503`, `drop`, `cut` (dropped within the answer), `stall`. They are
    drawn from a request's texts and the number of times it came, so that threads change nothing about them.
    """

    def __init__(self, target: str, faults: Sequence[str], rate: float = 0.2, seed: int = 1) -> None:
        self._target, self._faults, self._rate, self._seed = target, faults, rate, seed
        self._times: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.log: list[Sent] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        """The proxy's address, while it runs."""
        with serve(self._answer) as url:
            try:
                yield url
            finally:
                self._closing.set()

    def outcomes(self) -> Counter[str]:
        return Counter(sent.outcome for sent in self.log)

    def delivered(self) -> Counter[str]:
        """How often each text was answered with success."""
        return Counter(text for sent in self.log if sent.outcome == "delivered" for text in sent.texts)

    def _answer(self, asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        texts, at = tuple(asked.body.get("input", ())), time.monotonic()
        fault = self._draw(texts)
        reply = None if fault else _forward(self._target, asked)
        delivered = reply is not None and reply.status == 200
        with self._lock:
            self.log.append(Sent(texts, fault or ("delivered" if delivered else "refused"), at))
        if reply is not None:
            write(handler, reply)
        elif fault is not None:
            self._fail(fault, asked, handler)

    def _draw(self, texts: tuple[str, ...]) -> str | None:
        with self._lock:
            self._times[texts] += 1
            drawn = random.Random(f"{self._seed} {self._times[texts]} {texts}")
        return drawn.choice(self._faults) if texts and drawn.random() < self._rate else None

    def _fail(self, fault: str, asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        kind, _, how = fault.partition(" ")
        if kind.isdigit():
            waits = {"seconds": "1", "date": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}
            headers = {"Retry-After": waits[how]} if how else {}
            write(handler, Reply(int(kind), b'{"error": {"message": "not now"}}', headers))
            return
        if kind == "stall":
            self._closing.wait(LONGEST)
        elif kind == "cut":
            write(handler, _forward(self._target, asked), share=0.5)
        drop(handler)


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Drop the connection."""
    handler.close_connection = True
    with suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


_REMEMBERED: dict[str, Reply] = {}
"""Answers of the real server, so that many tests of the same texts cost its work once."""


def _forward(target: str, asked: Asked) -> Reply:
    data = json.dumps(asked.body).encode() if asked.method == "POST" else None
    address = target.removesuffix("/v1") + asked.path
    key = f"{address} {data!r}"
    if key not in _REMEMBERED:
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=LONGEST) as response:
                _REMEMBERED[key] = Reply(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read())
    return _REMEMBERED[key]


def forget_endpoint_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove keys, prices, proxies and certificates of this machine from the environment."""
    for name in ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
