"""The leaderboard in a real browser, started with the command that a person types."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from leaderboard_app.tables.board import BIAS, SCORES
from leaderboard_app.tables.recompute import recompute
from leaderboard_app.widgets.overview_table import overview_columns
from leaderboard_app.widgets.widgets import AROUND, LETTER, ON_PHONE
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import read_result_record
from tests.helpers.boards import PAGES, path_of, verified_index
from tests.helpers.browsing import eventually, new_page, open_browser, served, settle
from tests.helpers.contrast import check_contrast
from tests.helpers.keyboard import check_keyboard, walk
from tests.helpers.processes import free_port

PHONE = 390


@pytest.fixture(scope="module")
def submissions(starter_results: Path) -> Path:
    """Three models on the starter set, read and verified."""
    verified_index(starter_results)
    return starter_results


@pytest.fixture(scope="module")
def address(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The board on a port of its own."""
    port = free_port()
    command = [sys.executable, "-m", "panglot", "board", str(submissions), "--port", str(port)]
    with served(command, port, tmp_path_factory.mktemp("server") / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def keep_picture(page: Page, name: str) -> None:
    """Put a screenshot into the folder that PANGLOT_SCREENSHOTS names, if there is one."""
    if folder := os.environ.get("PANGLOT_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


class Seen:
    """A page, with what the browser complained of and the addresses that it asked for."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.page: Page = new_page(browser)
        self.address = address
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self._note(message.text, message.location))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._ask(request.url))

    def begin(self) -> None:
        """Forget what was before."""
        self.page.set_viewport_size({"width": 1280, "height": 1400})
        self.page.emulate_media(color_scheme="light")
        self.errors.clear()
        self.elsewhere.clear()

    def _note(self, text: str, location: object) -> None:
        # Streamlit looks for its own endpoints below a page's address before it finds them at the root.
        if "_stcore" not in str(location):
            self.errors.append(text)

    def _ask(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:", self.address.replace("http", "ws"))):
            self.elsewhere.append(url)

    def open(self, path: str, title: str) -> Page:
        self.page.goto(f"{self.address}/{path}")
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()
        settle(self.page)
        return self.page

    def settle(self) -> None:
        settle(self.page)

    def check(self) -> None:
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        assert self.errors == []
        assert self.elsewhere == []
        wide = self.page.evaluate("(document.querySelector('[data-testid=stMain]') || document.body).scrollWidth")
        assert wide <= self.page.viewport_size["width"]  # type: ignore[index]


@pytest.fixture(scope="module")
def only(browser: Browser, address: str) -> Iterator[Seen]:
    """One page for all tests: what was open in it before does not matter."""
    opened = Seen(browser, address)
    yield opened
    opened.page.context.close()


@pytest.fixture
def seen(only: Seen) -> Seen:
    only.begin()
    return only


def download(page: Page, label: str, place: int = 0) -> str:
    with page.expect_download() as waiting:
        page.get_by_test_id("stDownloadButton").filter(has_text=label).nth(place).get_by_role("button").click()
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def csv_rows(page: Page, place: int = 0) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(download(page, "CSV", place))))


def select_row(page: Page, row: int) -> None:
    """Tick the box before a row of the first table; the table is a canvas, so it is the place that counts."""
    table = page.get_by_test_id("stDataFrame").first
    rows = len(csv_rows(page))
    box = table.locator("canvas").first.bounding_box()
    assert box
    height = box["height"] / (rows + 1)
    page.mouse.click(box["x"] + 18, box["y"] + (row + 1.5) * height)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_loads_without_errors(seen: Seen, path: str) -> None:
    """Wide and light, then on a phone and dark."""
    page = seen.open(f"{path}?task=starter", PAGES[path])
    seen.check()
    keep_picture(page, path or "home")
    check_keyboard(page)
    check_contrast(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": PHONE, "height": 1400})
    seen.settle()
    seen.check()
    check_contrast(page)
    keep_picture(page, f"{path or 'home'}-phone-dark")
    if path == "":
        check_first_score_on_a_phone(page)
    if path in ("field", "overview"):
        check_table_on_a_phone(page)


def check_first_score_on_a_phone(page: Page) -> None:
    cell = page.get_by_role("region", name="Verified").get_by_role("cell").first
    expect(cell).to_contain_text("±")
    box = cell.bounding_box()
    assert box
    assert box["y"] < 640
    assert box["x"] + box["width"] <= PHONE


def check_table_on_a_phone(page: Page) -> None:
    """A score is in view: beside the box to tick and the name, below the choices."""
    eventually(lambda: page.get_by_test_id("stDataFrame").first.bounding_box()["y"] < 560, True)  # type: ignore[index]
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box
    table = pd.DataFrame({name: [0.5] for name in ("rank", "model", *SCORES, *BIAS, "image-text")})
    order, config = overview_columns(table, intervals=False)
    assert order[:3] == ["rank", "model", "balance"]
    ticks, model = 36, round(LETTER * ON_PHONE) + AROUND
    assert ticks + model + sum(config[name]["width"] for name in ("rank", "balance")) <= box["width"]  # type: ignore[index]


def test_first_page_leads_to_a_model_and_back(seen: Seen) -> None:
    page = seen.open("", "Panglot")
    expect(page).to_have_title("Home · Panglot")
    expect(page.get_by_role("heading", name="Reported by others")).to_be_visible()
    rows = page.get_by_role("region", name="Verified").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("rank 1")
    expect(rows.nth(1).locator("b")).to_have_count(1)
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="Model")).to_be_visible()
    expect(page).to_have_title("Model · Panglot")
    expect(page.get_by_role("heading", level=2, name="use-multilingual")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Panglot")).to_be_visible()
    page.get_by_label("Search").fill("bge-m3")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_role("heading", name="Verified", exact=True)).to_have_count(0)
    reported = page.get_by_role("region", name="Reported by others")
    expect(reported.filter(has_text="bge-m3")).to_have_count(1)
    expect(reported).to_have_count(1)  # the last table of the page before is gone
    seen.check()


def test_the_table_downloads_as_the_files_have_it(seen: Seen, submissions: Path) -> None:
    page = seen.open("overview?task=starter", "By task")
    rows = csv_rows(page)
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    for row in rows:
        result = read_result_record(path_of(submissions, row["model"]))
        for setting in ("mono", "cross", "multi"):
            assert float(row[setting]) == result.settings[setting]["map"].value
        assert float(row["balance"]) == result.balance["map"].value
        assert row["trust"] == "recomputed"
    assert r"\begin{tabular}" in download(page, "LaTeX")
    assert download(page, "Markdown").startswith("| rank |")
    seen.check()


def test_a_chart_downloads_as_a_drawing(seen: Seen) -> None:
    page = seen.open("bias?task=starter", "Bias")
    assert download(page, "SVG").startswith("<svg")
    seen.check()


def test_search_and_order_are_in_the_url(seen: Seen) -> None:
    page = seen.open("overview?task=starter", "By task")
    field = page.get_by_role("textbox", name="Search")
    field.fill("bm")
    field.press("Enter")
    page.wait_for_url("**search=bm*")
    seen.settle()
    eventually(lambda: [row["model"] for row in csv_rows(page)], ["bm25"])
    expect(page.get_by_text("Filtered by search “bm”")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page).not_to_have_url(re.compile("search="))
    again = seen.open("overview?task=starter&by=mono&search=m", "By task")
    assert [row["model"] for row in csv_rows(again)] == ["bm25", "use-multilingual"]
    seen.check()


def test_choosing_languages_computes_again(seen: Seen, submissions: Path) -> None:
    page = seen.open("overview?task=starter&pool=de&pool=en&pool=zh", "By task")
    page.get_by_text("Filters, languages and columns").click()
    seen.settle()  # what is clicked while the filters unfold can be missed
    page.get_by_role("button", name="Remove Chinese (zh)").click()
    expect(page).to_have_url(re.compile("pool=de&pool=en(?!&pool=zh)"))
    expect(page.get_by_text("Recomputed from the evidence in the pool of de, en")).to_be_visible()
    seen.settle()
    models = [row["model"] for row in csv_rows(page)]
    evidence = {model: read_evidence(path_of(submissions, model)) for model in models}
    wanted = {model: recompute(evidence[model], "map", ("de", "en")).row["multi"].value for model in models}
    eventually(lambda: {row["model"]: float(row["multi"]) for row in csv_rows(page)}, wanted)
    seen.check()


def test_from_the_table_to_a_model_and_a_comparison(seen: Seen) -> None:
    page = seen.open("overview?task=starter", "By task")
    select_row(page, 0)
    page.get_by_role("link", name="Open the model").click()
    expect(page.get_by_role("heading", level=1, name="Model")).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="use-multilingual")).to_be_visible()
    seen.settle()
    page.get_by_role("link", name="By task").click()
    expect(page.get_by_role("heading", level=1, name="By task")).to_be_visible()
    seen.settle()
    for row in (0, 1):
        select_row(page, row)
        seen.settle()
    page.get_by_role("link", name="Compare the selected models").click()
    expect(page.get_by_text("is better in").first).to_be_visible()
    seen.settle()
    seen.check()


def test_rows_can_be_ticked_sorted_and_left_with_the_keyboard(seen: Seen) -> None:
    page = seen.open("overview?task=starter", "By task")
    page.get_by_test_id("data-grid-canvas").first.focus()
    for key in ("ArrowDown", "Shift+Space"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("[?&]rows=bm25"))
    seen.settle()
    for key in ("ArrowUp", "Shift+Space"):  # the cell is still the one that was ticked
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("[?&]rows=bm25[^&]*&rows="))
    seen.settle()
    again = seen.open("overview?task=starter", "By task")
    places = walk(again)
    assert places[0] == places[-1] == "Skip to main content"
    assert places.index("table") < places.index("download\n\nCSV")  # Tab leads out of the table again
    assert "parameters" in places
    page.get_by_test_id("data-grid-canvas").first.focus()
    page.keyboard.press("Control+Space")
    expect(page).to_have_url(re.compile("rows-sort="))
    seen.check()


def test_a_deep_link_shows_one_query(seen: Seen, submissions: Path) -> None:
    folder = path_of(submissions, "bm25").parent.name
    asked = next(id_ for id_ in read_evidence(path_of(submissions, "bm25")).query_ids if id_.startswith("ar:camels"))
    page = seen.open(f"queries?task=starter&model={folder}&query=ar&id={asked}", "Queries")
    expect(page.get_by_role("cell", name=asked)).to_be_visible()
    text = page.locator("table.texts td.text").first
    expect(text).to_have_css("direction", "rtl")
    expect(page.locator("table.texts tbody tr")).to_have_count(1 + 11 + 10)
    seen.check()


def test_unknown_names_in_url_are_ignored(seen: Seen) -> None:
    page = seen.open("model?task=..%2F..%2Fetc&model=%3Cscript%3E&metric=passwd", "Model")
    expect(page).not_to_have_url(re.compile("etc|script|passwd"))
    expect(page.get_by_text("The link asks for passwd, which is not available here.")).to_be_visible()
    seen.check()


SCRIPT = """
import pandas as pd
import streamlit as st
from leaderboard_app.charts.charts import dots
from leaderboard_app.widgets.widgets import show_chart, show_table

table = pd.DataFrame({"model": ['=HYPERLINK("http://evil.example")', " @x", "plain"], "value": [-0.5, 0.5, 1.0]})
show_table(table, "odd names", "rows")
drawn = table.assign(series="one", low=table["value"], high=table["value"])
show_chart(dots(drawn, "model", "series", "value"), "odd names", "a chart of odd names")
"""
NO_FORMULAS = ['\'=HYPERLINK("http://evil.example")', "' @x", "plain"]


def save_by_toolbar(page: Page, kind: str, place: int = 0) -> list[dict[str, str]]:
    """What Streamlit's own button over a table saves."""
    page.get_by_test_id(kind).nth(place).hover()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").nth(place).click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_no_button_saves_a_formula(browser: Browser, tmp_path: Path) -> None:
    """Our own, Streamlit's over a table, and Streamlit's over the data of a chart."""
    script, port = tmp_path / "app.py", free_port()
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
    variables = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with served(command, port, tmp_path / "log", tmp_path, variables):
        page = new_page(browser)
        page.add_init_script("delete window.showSaveFilePicker")  # a dialogue of the system, which no test can answer
        page.goto(f"http://127.0.0.1:{port}")
        expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
        settle(page)
        assert [row["model"] for row in csv_rows(page)] == NO_FORMULAS
        saved = save_by_toolbar(page, "stDataFrame")
        assert [row["model"] for row in saved] == NO_FORMULAS
        assert saved[0]["value"] == "-0.5"
        page.get_by_test_id("stVegaLiteChart").hover()
        page.get_by_role("button", name="Show data").click()
        expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
        assert [row["model"] for row in save_by_toolbar(page, "stDataFrame", 1)] == NO_FORMULAS
        page.close()
