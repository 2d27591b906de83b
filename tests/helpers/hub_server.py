"""A Hub on loopback: what the libraries of the Hugging Face Hub ask for, from folders and tables of a test.

It answers as the Hub does: information, trees, files by redirects and ranges, etags, 401 for gated repositories, 404
with the Hub's codes, commits. A share of the requests fails, if a test says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.flaky_proxy import drop

FAULTS = ("429", "500", "503", "drop", "cut")
LARGE = (".safetensors", ".parquet", ".bin", ".onnx")
"""Files stored apart, to which the Hub redirects."""

Rows = Sequence[Mapping[str, Any]]


class Asked(NamedTuple):
    """One request, and how it was answered; `sent` counts the bytes of a file's content."""

    method: str
    path: str
    status: int
    sent: int = 0


class Repository:
    """The files of one model or data set, at one commit."""

    def __init__(self, files: Mapping[str, bytes], gated: bool = False, commit: str = "") -> None:
        self.files, self.gated, self._commit = dict(files), gated, commit

    @property
    def commit(self) -> str:
        named = "".join(f"{name}{hashlib.sha1(data).hexdigest()}" for name, data in sorted(self.files.items()))
        return self._commit or hashlib.sha1(named.encode()).hexdigest()

    def entry(self, name: str) -> dict[str, Any]:
        """What a tree says about a file."""
        data = self.files[name]
        large = {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
        oid = hashlib.sha1(data).hexdigest()
        return {"type": "file", "oid": oid, "size": len(data), "path": name} | (large if _is_large(name) else {})

    def under(self, path: str, recursive: bool) -> list[dict[str, Any]]:
        """The files and folders in a folder."""
        prefix = f"{path}/" if path else ""
        inside = [name for name in sorted(self.files) if name.startswith(prefix)]
        folders = dict.fromkeys(
            prefix + "/".join(name.removeprefix(prefix).split("/")[:depth])
            for name in inside
            for depth in range(1, len(name.removeprefix(prefix).split("/")) if recursive else 2)
            if len(name.removeprefix(prefix).split("/")) > depth
        )
        listed = [name for name in inside if recursive or "/" not in name.removeprefix(prefix)]
        return [{"type": "directory", "oid": "0" * 40, "size": 0, "path": name} for name in folders] + [
            self.entry(name) for name in listed
        ]


class HubServer:
    """Repositories by kind and name, as in `repositories["datasets", "org/name"]`, and what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.asked: list[Asked] = []
        self.rate, self.faults, self.seed = 0.0, FAULTS, 1
        self.private = False
        self.address = ""
        self._uploads: dict[str, bytes] = {}
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add_folder(self, name: str, folder: Path, kind: str = "models") -> str:
        """Publish a folder and return its commit."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.repositories[kind, name] = Repository(files)
        return self.repositories[kind, name].commit

    def add_tables(
        self, name: str, configs: Mapping[str, Mapping[str, Rows | pa.Table]], gated: bool = False, commit: str = ""
    ) -> str:
        """Publish a data set, `configs[config][split]`, as Parquet files, and return its commit."""
        files, lines = {}, ["---", "configs:"]
        for config, splits in configs.items():
            lines += [f'- config_name: "{config}"', "  data_files:"]
            for split, rows in splits.items():
                path = f"{config}/{split}-00000-of-00001.parquet"
                files[path] = _parquet(rows)
                lines += [f'  - split: "{split}"', f"    path: {path}"]  # without quotes, no would be a truth value
        files["README.md"] = "\n".join([*lines, "---", ""]).encode()
        self.repositories["datasets", name] = Repository(files, gated, commit)
        return self.repositories["datasets", name].commit

    def sent(self) -> Counter[str]:
        """The bytes of content that were sent of each file, by `name/file`."""
        counted: Counter[str] = Counter()
        for asked in self.asked:
            counted[asked.path] += asked.sent
        return +counted

    @contextmanager
    def running(self) -> Iterator[str]:
        """The address of the Hub, while it runs."""

        class Handler(_Handler):
            hub = self

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self.address
        finally:
            server.shutdown()
            server.server_close()

    def fault(self, request: str) -> str:
        """What happens to a request; it depends on how often the same came, so that threads change nothing."""
        with self._lock:
            self._times[request] += 1
            drawn = random.Random(f"{self.seed} {self._times[request]} {request}")
        return drawn.choice(self.faults) if drawn.random() < self.rate else ""

    def note(self, asked: Asked) -> None:
        with self._lock:
            self.asked.append(asked)

    def commit(self, kind: str, name: str, lines: Sequence[dict[str, Any]]) -> str:
        """Add the files of a commit to a repository."""
        files = self.repositories.setdefault((kind, name), Repository({})).files
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self._uploads[value["oid"]]
        return self.repositories[kind, name].commit

    def upload(self, oid: str, data: bytes) -> None:
        self._uploads[oid] = data


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        fault = self.hub.fault(f"{self.command} {path} {self.headers.get('Range', '')}")
        if fault and fault != "cut":
            self.hub.note(Asked(self.command, path, int(fault) if fault.isdigit() else 0))
            if fault.isdigit():
                self._write(int(fault), b"{}", {"Retry-After": "0"} if fault == "429" else {})
            else:
                drop(self)
            return
        self._share = 0.5 if fault == "cut" else 1.0
        for pattern, answer in ROADS:
            if found := re.fullmatch(pattern, path):
                answer(self, *found.groups(), body=body)
                return
        self._refuse(404, "EntryNotFound")

    do_POST = do_PUT = do_HEAD = do_GET

    def info(self, kind: str, name: str, revision: str | None, body: bytes) -> None:
        if repository := self._repository(kind, name, revision):
            siblings = [{"rfilename": file, "size": len(data)} for file, data in sorted(repository.files.items())]
            self._json(
                {
                    **{"_id": "0" * 24, "id": name, "modelId": name, "author": name.split("/")[0]},
                    **{"sha": repository.commit, "private": False, "gated": False, "disabled": False},
                    **{"tags": [], "downloads": 0, "likes": 0, "lastModified": "2026-01-01T00:00:00.000Z"},
                    "siblings": siblings,
                }
            )

    def tree(self, kind: str, name: str, revision: str, path: str | None, body: bytes) -> None:
        if repository := self._repository(kind, name, revision):
            asked = parse_qs(urlsplit(self.path).query)
            listed = repository.under((path or "").strip("/"), asked.get("recursive", ["false"])[0].lower() == "true")
            self._json(listed) if listed else self._refuse(404, "EntryNotFound")

    def paths_info(self, kind: str, name: str, revision: str, body: bytes) -> None:
        if repository := self._repository(kind, name, revision):
            wanted = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
            whole = {entry["path"]: entry for entry in repository.under("", recursive=True)}
            self._json([whole[path] for path in wanted if path in whole])

    def resolve(self, kind: str | None, name: str, revision: str, file: str, body: bytes) -> None:
        """Answer with where a file is: its own store if it is large, another address of this server if it is small."""
        repository = self._repository(kind or "models", name, revision)
        if repository is None:
            return
        if file not in repository.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repository.commit})
            return
        entry, size = repository.entry(file), len(repository.files[file])
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        facts = {"X-Repo-Commit": repository.commit, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(size)}
        store = "cdn" if "lfs" in entry else "api/resolve-cache"
        host = self.hub.address if "lfs" in entry else ""
        target = f"{host}/{store}/{kind or 'models'}/{name}/{repository.commit}/{file}"
        self._write(302 if "lfs" in entry else 307, b"", {**facts, "Location": target})

    def content(self, kind: str, name: str, commit: str, file: str, body: bytes) -> None:
        repository = self.hub.repositories[kind, name]
        data, entry = repository.files[file], repository.entry(file)
        headers = {"ETag": f'"{entry["oid"]}"', "Accept-Ranges": "bytes", "X-Repo-Commit": repository.commit}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            start, stop = int(wanted[1]), min(int(wanted[2] or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            data = data[start:stop]
        self._write(206 if wanted else 200, data, headers, content=f"{name}/{file}")

    def create(self, body: bytes) -> None:
        wanted = json.loads(body)
        self.hub.private = wanted.get("private") is True or wanted.get("visibility") == "private"
        name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
        self.hub.repositories.setdefault((f"{wanted.get('type', 'model')}s", name), Repository({}))
        self._json({"url": f"{self.hub.address}/{name}"})

    def validate(self, body: bytes) -> None:
        self._json({"errors": [], "warnings": []})

    def preupload(self, kind: str, name: str, revision: str, body: bytes) -> None:
        names = [file["path"] for file in json.loads(body)["files"]]
        modes = {name: "lfs" if _is_large(name) else "regular" for name in names}
        files = [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]
        self._json({"files": files})

    def batch(self, name: str, body: bytes) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.address}/store/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def store(self, oid: str, body: bytes) -> None:
        self.hub.upload(oid, body)
        self._json({})

    def commit(self, kind: str, name: str, revision: str, body: bytes) -> None:
        commit = self.hub.commit(kind, name, [json.loads(line) for line in body.splitlines()])
        self._json({"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit})

    def _repository(self, kind: str, name: str, revision: str | None) -> Repository | None:
        """The repository at a revision; otherwise None, after the answer."""
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._refuse(404, "RepoNotFound")
        elif repository.gated and "Authorization" not in self.headers:
            self._refuse(401, "GatedRepo")
        elif revision not in (None, "main", repository.commit):
            self._refuse(404, "RevisionNotFound")
        else:
            return repository
        return None

    def _refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._write(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _json(self, content: Any) -> None:
        self._write(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _write(self, status: int, data: bytes, headers: Mapping[str, str], content: str = "") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = b"" if self.command == "HEAD" else data[: int(len(data) * self._share)] if content else data
        self.hub.note(
            Asked(self.command, content or unquote(urlsplit(self.path).path), status, len(sent) * bool(content))
        )
        self.wfile.write(sent)
        if content and self.command != "HEAD" and self._share < 1:
            drop(self)

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        return b"".join(parts)

    _share = 1.0


_NAME = r"([\w.-]+/[\w.-]+)"
ROADS: Sequence[tuple[str, Any]] = (
    (rf"/api/(models|datasets)/{_NAME}(?:/revision/([^/]+))?", _Handler.info),
    (rf"/api/(models|datasets)/{_NAME}/tree/([^/]+)(/.*)?", _Handler.tree),
    (rf"/api/(models|datasets)/{_NAME}/paths-info/([^/]+)", _Handler.paths_info),
    (rf"/(?:api/resolve-cache|cdn)/(models|datasets)/{_NAME}/([^/]+)/(.+)", _Handler.content),
    (rf"/(?:(datasets)/)?{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    (r"/api/repos/create", _Handler.create),
    (r"/api/validate-yaml", _Handler.validate),
    (rf"/api/(models|datasets)/{_NAME}/preupload/([^/]+)", _Handler.preupload),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"/store/(\w+)", _Handler.store),
    (rf"/api/(models|datasets)/{_NAME}/commit/([^/]+)", _Handler.commit),
)


def use_hub(address: str, home: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the libraries in this process talk to a Hub, with an empty cache and waits of no time between attempts."""
    import datasets
    import huggingface_hub
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}")
    patch.setattr(constants, "HF_URL_HOSTS", constants.HF_URL_HOSTS | {"127.0.0.1"})
    for name, value in {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(home / "hub")}.items():
        patch.setattr(constants, name, value)
    patch.setattr(huggingface_hub.hf_api.api, "endpoint", address)
    settings = {
        **{"HF_ENDPOINT": address, "HF_HUB_OFFLINE": False, "HF_DATASETS_OFFLINE": False},
        **{"HUB_DATASETS_URL": f"{address}/datasets/{{repo_id}}/resolve/{{revision}}/{{path}}"},
        **{"HF_DATASETS_CACHE": home / "datasets", "HF_MODULES_CACHE": str(home / "modules")},
        **{"DOWNLOADED_DATASETS_PATH": home / "datasets" / "downloads", "STREAMING_READ_RETRY_INTERVAL": 0},
        **{"STREAMING_OPEN_RETRY_INTERVAL": 0, "STREAMING_READ_SERVER_UNAVAILABLE_RETRY_INTERVAL": 0},
        "STREAMING_READ_RATE_LIMIT_RETRY_INTERVAL": 0,
    }
    for name, value in settings.items():
        patch.setattr(datasets.config, name, value)
    patch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        patch.delenv(name, raising=False)
        patch.delenv(name.lower(), raising=False)


def _is_large(name: str) -> bool:
    return name.endswith(LARGE)


def _parquet(rows: Rows | pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
