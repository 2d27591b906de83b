"""The container: what its file names is there, and the very command that it runs serves the board (without Docker)."""

from __future__ import annotations

import fnmatch
import json
import re
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError

import pytest
import yaml
from playwright.sync_api import Browser, expect

from leaderboard_app.uploads.inbox import Inbox
from leaderboard_app.uploads.sandbox import LIMITS
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.trust.submission import LARGEST_ZIP, card_of, pack, write_card
from tests.helpers.browsing import new_page, open_browser, served
from tests.helpers.layout import FOLDERS, ROOT, SETTINGS, package_name
from tests.helpers.processes import LONGEST, completed, free_port
from tests.helpers.tasks import TASKS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PORT = "8501"


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def test_copied_files_exist_and_are_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    copied = {source for line in _instructions("COPY") for source in line.split()[:-1]}
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_image_runs_unprivileged_on_pinned_versions() -> None:
    assert "USER panglot" in DOCKERFILE.partition("CMD")[0]
    assert "--constraint /source/constraints.txt" in DOCKERFILE
    assert _instructions("EXPOSE") == [PORT]
    assert PORT in _instructions("HEALTHCHECK CMD")[0]


def test_every_package_and_its_data_is_installed() -> None:
    """An image has no checkout to fall back on."""
    packages = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")}
    assert set(map(package_name, packages)) == set(SETTINGS["packages"])
    tracked = completed(["git", "ls-files", *FOLDERS], check=True, cwd=ROOT)
    for path in map(ROOT.joinpath, tracked.stdout.splitlines()):
        if path.suffix != ".py":
            home = next(parent for parent in path.parents if parent in packages)
            patterns = SETTINGS["package-data"].get(package_name(home), [])
            inner = str(path.relative_to(home))
            assert any(fnmatch.fnmatch(inner, pattern) for pattern in patterns), f"{path} is in no package-data."


def test_guide_command_writes_readme_header_of_a_space(tmp_path: Path) -> None:
    """The line of docs/deploy.md, run as it stands there."""
    guide = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    line = next(line for line in guide.splitlines() if line.startswith("sed "))
    (tmp_path / "space").mkdir()
    completed(["bash", "-c", line.replace("space/README.md", str(tmp_path / "README.md"))], check=True, cwd=ROOT)
    _, head, rest = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(head) | {"sdk": "docker", "app_port": int(PORT)} == yaml.safe_load(head)
    assert rest == (ROOT / "README.md").read_text(encoding="utf-8")


def test_guide_states_the_limits_of_the_code() -> None:
    guide = " ".join((ROOT / "docs" / "deploy.md").read_text(encoding="utf-8").split())
    memory, computing, waiting = LIMITS.address_space >> 30, LIMITS.processor_seconds // 60, LIMITS.seconds / 60
    assert f"exceeds {memory} GiB of memory, {computing} minutes of CPU time or {waiting:g} minutes in total" in guide
    assert f"holds up to {Inbox.most_files} submissions or {Inbox.most_bytes >> 30} GiB" in guide
    assert f"limited to {LARGEST_ZIP >> 20} MiB" in guide
    settings = tomllib.loads((ROOT / "leaderboard_app" / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["maxUploadSize"] << 20 == LARGEST_ZIP


class Server(NamedTuple):
    """A board that runs."""

    address: str
    board: Path
    inbox: Path


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good submission, one with a changed score, and a zip that means harm."""
    root = tmp_path_factory.mktemp("zips")
    outcome = run(TASKS["starter"], load_model("bm25"), ["de", "en"])
    path = outcome.save(root)
    card = card_of(outcome.record.model, ["starter"], {"name": "[x](javascript:alert(1)) <b id=evil>bold</b>"})
    write_card(path.parent, card)
    pack(path.parent, root / "good.zip")
    result = json.loads(path.read_text(encoding="utf-8"))
    score = result["settings"]["mono"]["map"]
    score[0] = score[2]
    path.write_text(json.dumps(result), encoding="utf-8")
    pack(path.parent, root / "tampered.zip")
    with zipfile.ZipFile(root / "hostile.zip", "w") as archive:
        archive.writestr("m@1/../../<img src=x onerror=alert(1)>", "x")
    return root


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The command of the Dockerfile, on a free port of this machine alone."""
    root = tmp_path_factory.mktemp("deployed")
    outcome = run(TASKS["starter"], load_model("constant"), ["de", "en"])
    outcome.save(root / "submissions")
    port = free_port()
    (words,) = _instructions("CMD")[-1:]
    instead = {"panglot": str(Path(sys.executable).with_name("panglot")), "0.0.0.0": "127.0.0.1", PORT: str(port)}
    command = [instead.get(word, word) for word in json.loads(words)]
    variables = {"PANGLOT_INBOX": str(root / "inbox"), "XDG_CACHE_HOME": str(root / "cache")}
    with served(command, port, root / "log", root, variables):
        yield Server(f"http://127.0.0.1:{port}", root / "submissions", root / "inbox")


def test_command_serves_its_page(server: Server) -> None:
    with urllib.request.urlopen(server.address, timeout=LONGEST) as answer:
        page = answer.read().decode()
    assert "<title>Streamlit</title>" in page
    assert not re.search(r"""(?:src|href)=["']?https?://""", page)


def test_an_upload_without_the_token_is_refused(server: Server) -> None:
    request = urllib.request.Request(f"{server.address}/_stcore/upload_file/x/y", b"x", method="PUT")
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=LONGEST)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def test_browser_uploads_are_checked_and_reported(server: Server, browser: Browser, zips: Path) -> None:
    page = new_page(browser)
    page.on("dialog", lambda dialog: pytest.fail(f"a script of the upload ran: {dialog.message}"))
    for name, said in {
        "good": "All checks passed.",
        "tampered": "was expected",
        "hostile": "is not a file of a submission",
    }.items():
        page.goto(f"{server.address}/submit")
        page.set_input_files("input[type=file]", zips / f"{name}.zip")
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.get_by_text(said)).to_be_visible()
        expect(page.locator("#evil, img[src=x]")).to_have_count(0)
        if name == "good":
            expect(page.get_by_text("Place 1 of 1 by balance.")).to_be_visible()
        else:
            expect(page.get_by_text("Your preview")).to_have_count(0)
    assert [path.read_bytes() for path in server.inbox.glob("*.zip")] == [(zips / "good.zip").read_bytes()]
    assert [path.name for path in server.board.iterdir()] == ["constant@1"]
