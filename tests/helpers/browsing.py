"""The board behind a port of this machine, and the browser that looks at it; for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.processes import LONGEST, started, wait_until_answered
from tests.helpers.required import absent

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ADVICE = "There is no Chromium on the path. Install it, on Debian with: apt-get install chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    # A GPU made of software takes half of the computing, and shows nothing else.
    *("--disable-software-rasterizer", "--disable-gpu-compositing"),
)

WAIT = LONGEST * 1000
"""Milliseconds after which a page hangs."""

_STILL = """document.addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style")
  style.textContent = "*, *::before, *::after { transition: none !important }"
  document.head.append(style)
})"""
"""Nothing fades over: where a page has nothing else to draw, the browser may leave a colour half-way."""

expect.set_options(timeout=WAIT)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The system's Chromium."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        absent(ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def served(
    command: Sequence[str], port: int, log: Path, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The board that a command starts, once it answers."""
    environment = {**os.environ, **(variables or {})}
    with log.open("wb") as out, started(command, cwd=folder, env=environment, stdout=out, stderr=out) as process:
        wait_until_answered(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield process


def new_page(browser: Browser, **settings: Any) -> Page:
    """A page in a context of its own, with the settings of a context, which waits until something hangs.

    Opening the board in a page where it was open before takes half of the computing: scripts are compiled already.
    """
    context = browser.new_context(reduced_motion="reduce", **settings)
    context.set_default_timeout(WAIT)
    context.add_init_script(_STILL)
    return context.new_page()


def settle(page: Page) -> None:
    """Wait until the page is drawn."""
    page.wait_for_timeout(300)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # a table that is not there yet takes no click


def eventually(read: Callable[[], object], wanted: object) -> None:
    """Read until it is as wanted: a page follows a click when its server comes to it."""
    end = time.monotonic() + LONGEST
    while (found := read()) != wanted and time.monotonic() < end:
        time.sleep(0.1)
    assert found == wanted
