"""The board asks nobody outside this machine for anything, whichever command starts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.helpers.browsing import new_page, open_browser, served, settle
from tests.helpers.processes import free_port, python

ROOT = Path(__file__).parents[1]
APP = ROOT / "leaderboard_app" / "app.py"
LISTENER = '''
import os, sys

def note(event, arguments):
    """Write down every name that is looked up, and every address that is called."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        with open(os.environ["PANGLOT_TEST_CALLS"], "a") as file:
            file.write(f"{event} {address!r}\\n")

sys.addaudithook(note)
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def commands(port: int) -> dict[str, list[str]]:
    return {
        "panglot board": [sys.executable, "-m", "panglot", "board", "submissions", "--port", str(port)],
        "streamlit run": [sys.executable, "-m", "streamlit", "run", str(APP), f"--server.port={port}"],
    }


@pytest.mark.parametrize("name", commands(0))
def test_no_request_leaves_the_machine(browser: Browser, tmp_path: Path, name: str) -> None:
    """A home of its own: no setting of the person who runs this test helps."""
    (tmp_path / "sitecustomize.py").write_text(LISTENER, encoding="utf-8")
    (tmp_path / "submissions").mkdir()
    calls, port = tmp_path / "calls", free_port()
    path = os.pathsep.join(filter(None, (str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = {"HOME": str(tmp_path), "PANGLOT_TEST_CALLS": str(calls), "PYTHONPATH": path}
    asked: list[str] = []
    with served(commands(port)[name], port, tmp_path / "log", tmp_path, variables):
        page = new_page(browser)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{port}/about")
        expect(page.get_by_role("heading", level=1, name="About")).to_be_visible()
        settle(page)
        visited = (("Home", "Panglot"), ("By task", "By task"), ("Field", "The field"))
        for link, title in visited if name == "panglot board" else visited[:1]:
            page.get_by_role("link", name=link, exact=True).click()
            expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
            settle(page)
        page.close()
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{port}", "data:", "blob:"))] == []
    made = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    assert [call for call in made if "127.0.0.1" not in call] == []


def test_the_listener_hears_a_call(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LISTENER, encoding="utf-8")
    code = (
        "import socket; s = socket.socket(); s.settimeout(0.01)\ntry: s.connect(('192.0.2.1', 9))\nexcept OSError: pass"
    )
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "PANGLOT_TEST_CALLS": str(tmp_path / "calls")}
    python(code, env=variables)
    assert "192.0.2.1" in (tmp_path / "calls").read_text(encoding="utf-8")
