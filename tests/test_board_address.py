"""The address is the state of the board: Back, Forward, reload and a link in a fresh browser all show the same page."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from leaderboard_app.widgets.widgets import ROW_PIXELS
from tests.helpers.boards import PAGES, verified_index
from tests.helpers.browsing import new_page, open_browser, served, settle
from tests.helpers.processes import free_port

LINKS = {"": "Home", "field": "Field", "overview": "By task", "model": "Model", "trainer": "Trainer", "about": "About"}
"""Pages of each kind, whose navigation is the same: with a task, with the tasks of the field, without one."""


@pytest.fixture(scope="module")
def address(starter_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The board on three verified models."""
    verified_index(starter_results)
    port = free_port()
    command = [sys.executable, "-m", "panglot", "board", str(starter_results), "--port", str(port)]
    with served(command, port, tmp_path_factory.mktemp("server") / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all tests: what was open in it before does not matter."""
    rights = ["clipboard-read", "clipboard-write"]
    page = new_page(browser, viewport={"width": 1280, "height": 1000}, permissions=rights)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def fresh(browser: Browser) -> Iterator[Page]:
    """The page of another person, who has only links."""
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def bm25(starter_results: Path) -> str:
    """The folder of a model that no page opens on by itself."""
    return next(starter_results.glob("bm25@*")).name


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def picker(page: Page, label: str) -> Locator:
    return page.get_by_role("combobox", name=label, exact=True)


def pick(page: Page, label: str, option: str) -> None:
    picker(page, label).click()
    page.get_by_role("option", name=option, exact=True).click()


def complete(page: Page, name: str) -> None:
    """Wait until the address says what the page shows."""
    expect(page).to_have_url(re.compile(rf"[?&]{name}="))
    settle(page)


def title_of(page: Page, path: str) -> None:
    expect(page.get_by_role("heading", level=1, name=PAGES[path])).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_back_and_forward_show_the_page_of_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/?task=mlqa-r")
    title_of(page, "")
    settle(page)
    visited = [page.url]
    for path, link in list(LINKS.items())[1:]:
        page.get_by_role("link", name=link, exact=True).click()
        title_of(page, path)
        complete(page, "task")
        visited.append(page.url)
    places = range(len(visited))
    for step, way in ((page.go_back, places[-2::-1]), (page.go_forward, places[1:])):
        for place in way:
            step()
            path = list(LINKS)[place]
            title_of(page, path)
            assert urlsplit(page.url).path == urlsplit(visited[place]).path
            assert query_of(page)["task"] == ["mlqa-r"]
            if path == "field":
                expect(picker(page, "Task")).to_have_value("belebele · 236 reported")
            elif path in ("overview", "model"):
                expect(picker(page, "Task")).to_have_value("mlqa-r · 10 published")


def test_two_fast_steps_back_leave_the_way_forward(page: Page, address: str) -> None:
    """Streamlit starts the page in between, too, whose address must not replace what lies ahead."""
    page.goto(f"{address}/about?task=starter")
    title_of(page, "about")
    complete(page, "task")
    for path, link in (("overview", "By task"), ("bias", "Bias"), ("languages", "Languages"), ("compare", "Compare")):
        page.get_by_role("link", name=link, exact=True).click()
        title_of(page, path)
        complete(page, "task")
    twice = "(step) => { history[step](); setTimeout(() => history[step](), 100) }"
    for step, path in (("back", "bias"), ("back", "about"), ("forward", "bias"), ("forward", "compare")):
        page.evaluate(twice, step)
        expect(page).to_have_url(re.compile(rf"/{path}\?"))
        title_of(page, path)
        settle(page)
        assert urlsplit(page.url).path == f"/{path}"


@pytest.mark.parametrize(
    ("path", "label", "option", "name"),
    [
        ("field", "Metric", "recall@10", "by"),
        ("model", "Model", "bm25", "model"),
        ("trainer", "Task", "emoji-t2i", "on"),
    ],
)
def test_a_choice_survives_back_forward_and_a_fresh_browser(
    # what every page does with its address: test_board_pages.py
    page: Page,
    fresh: Page,
    address: str,
    bm25: str,
    path: str,
    label: str,
    option: str,
    name: str,
) -> None:
    written = bm25 if option == "bm25" else option  # a model is picked by its name, and its folder is in the address
    page.goto(f"{address}/{path}?task=starter")
    complete(page, name)
    before = picker(page, label).input_value()
    pick(page, label, option)
    expect(page).to_have_url(re.compile(re.escape(urlencode({name: written}))))
    page.go_back()
    expect(picker(page, label)).to_have_value(before)
    page.go_forward()
    expect(picker(page, label)).to_have_value(option)
    settle(page)
    fresh.goto(page.url)
    expect(picker(fresh, label)).to_have_value(option)
    settle(fresh)
    assert fresh.url == page.url
    title_of(fresh, path)


def first_rows(page: Page) -> list[str]:
    """The models of the table in its order, from its download."""
    with page.expect_download() as waiting:
        page.get_by_test_id("stDownloadButton").filter(has_text="CSV").first.get_by_role("button").click()
    rows = csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8")))
    return [row["model"] for row in rows]


def click_table(page: Page, x: float, row: int) -> None:
    """Click into a row of the first table, 0 being its headings; the table is a canvas."""
    box = page.get_by_test_id("stDataFrame").first.locator("canvas").first.bounding_box()
    assert box
    page.mouse.click(box["x"] + x, box["y"] + (row + 0.5) * ROW_PIXELS)


def test_ticked_rows_and_order_are_in_the_address(page: Page, fresh: Page, address: str, bm25: str) -> None:
    page.goto(f"{address}/overview?task=starter")
    complete(page, "metric")
    assert first_rows(page) == ["use-multilingual", "bm25", "language-id (floor)"]
    click_table(page, 18, 2)
    expect(page).to_have_url(re.compile("[?&]rows=bm25"))
    settle(page)
    click_table(page, 120, 0)  # the heading of the models
    expect(page).to_have_url(re.compile("rows-sort=model"))
    settle(page)
    assert query_of(page)["rows"] == [bm25]
    fresh.goto(page.url)
    title_of(fresh, "overview")
    settle(fresh)
    assert first_rows(fresh) == ["bm25", "language-id (floor)", "use-multilingual"]
    link = fresh.get_by_role("link", name="Open the model")
    expect(link).to_have_attribute("href", re.compile("model=bm25"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("rows-sort"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("rows="))


def test_copy_link_gives_everything_that_is_shown(page: Page, address: str) -> None:
    page.goto(f"{address}/model?task=starter")
    complete(page, "model")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    assert set(parse_qs(urlsplit(copied).query)) >= {"task", "model", "metric"}


def test_a_link_to_what_is_not_there_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}/compare?task=starter&models=LaBSE-hybrid%401")
    expect(page.get_by_text("The link asks for LaBSE-hybrid@1")).to_be_visible()
    expect(page.get_by_text("Choose at least two models.")).to_be_visible()
