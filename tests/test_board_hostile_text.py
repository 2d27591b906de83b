"""Text of strangers on the board: it is shown as it is, on every page, and nothing in it becomes markup."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import streamlit as st
from playwright.sync_api import Page
from streamlit.testing.v1 import AppTest

from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.fields import MOST_MARKS, check_text
from tests.helpers.boards import verified_index
from tests.helpers.browsing import new_page, open_browser, served, settle
from tests.helpers.hostile_board import ANY_SCRIPT, TEXTS, write_hostile
from tests.helpers.processes import LONGEST, free_port
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

PAGES = Path(__file__).parents[1] / "leaderboard_app" / "app_pages"
OF_MODELS = ("home", "languages", "overview", "model", "compare", "queries", "bias", "remedies")

AS_IT_IS = re.compile(
    r"vega_lite_chart \.spec|(?:selectbox|multiselect) \.(?:options|raw_values?)|dataframe |download_button \.id"
)
"""Where Streamlit shows text as it is, or does not show it."""
OWN_LINK = re.compile(r'<a href="[a-z]+\?[^"<>]*">')
"""A link from one page of the board to another."""
MARKUP = (
    "**b**",
    "[c](",
    "![i]",
    "<script",
    "<img",
    "<a ",
    "<iframe",
    ":material/delete",
    ":red[",
    ":smile",
    "$\\frac",
    "$$x",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Two models on each of the tasks with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, curve in (("random", [(8, "int8"), (8, "float32")]), ("bm25", [])):
        result = run(TASKS["starter"], load_model(name), ["de", "en"], curve=curve)
        for kind in TEXTS | ANY_SCRIPT:
            write_hostile(folder, result, kind)
    return verified_index(folder)


@pytest.fixture
def opened(index: Index, monkeypatch: pytest.MonkeyPatch) -> Any:
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setattr(sys, "argv", ["app", str(index.folder)])

    def opened(page: str, **query: Any) -> AppTest:
        test = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=LONGEST)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    return opened


def of_kind(index: Index, kind: str) -> list[Entry]:
    name = TEXTS.get(kind, kind)
    return [entry for entry in index.entries if entry.name in (f"{name} random", f"{name} bm25")]


def texts_of(message: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a message of Streamlit, with the name of its field."""
    for field, value in message.ListFields():
        for part in [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else value:
            if isinstance(part, str):
                yield f"{where}.{field.name}", part
            elif hasattr(part, "ListFields"):
                yield from texts_of(part, f"{where}.{field.name}")


def shown_on(block: Any) -> Iterator[tuple[str, str]]:
    """Every text that a page sends to the browser, with where."""
    for child in block.children.values():
        if hasattr(child, "children"):
            proto = getattr(child, "proto", None)
            yield from texts_of(proto, "block ") if hasattr(proto, "ListFields") else ()
            yield from shown_on(child)
        else:
            yield from texts_of(child.proto, f"{child.type} ")


def is_harmless(where: str, text: str) -> bool:
    """Whether no markup of `TEXTS` is in a text that is read as Markdown or as HTML."""
    if where.startswith("html "):
        text = OWN_LINK.sub("", text)
        return not any(markup in text for markup in MARKUP if markup.startswith("<"))
    return not any(markup in re.sub(r"\\.", "·", text) for markup in MARKUP)


def test_hostile_texts_are_accepted(index: Index) -> None:
    assert not index.refused
    assert {len(of_kind(index, kind)) for kind in TEXTS | ANY_SCRIPT} == {2}
    assert {entry.trust for kind in TEXTS for entry in of_kind(index, kind)} == {"consistent"}


@pytest.mark.parametrize("page", OF_MODELS)
def test_no_page_takes_text_of_strangers_for_markup(index: Index, opened: Any, page: str) -> None:
    entry = of_kind(index, "markup")[0]
    seen = opened(page, task=entry.task, model=entry.folder)
    assert not seen.exception
    sent = [(where, text) for where, text in shown_on(seen._tree) if not AS_IT_IS.match(where)]
    assert len(sent) > 10
    assert [(where, text[:200]) for where, text in sent if not is_harmless(where, text)] == []


@pytest.mark.parametrize("kind", ["expression", "any script"])
def test_page_of_a_model_with_an_odd_name_opens(index: Index, opened: Any, kind: str) -> None:
    entry = of_kind(index, kind)[0]
    seen = opened("model", task=entry.task, model=entry.folder)
    assert not seen.exception
    assert not seen.warning


@pytest.fixture(scope="module")
def page(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser on the board with hostile names."""
    port = free_port()
    command = [sys.executable, "-m", "panglot", "board", str(index.folder), "--port", str(port)]
    with served(command, port, tmp_path_factory.mktemp("server") / "log"), open_browser() as browser:
        page = new_page(browser, viewport={"width": 1280, "height": 1400}, base_url=f"http://127.0.0.1:{port}")
        page.on("dialog", lambda dialog: pytest.fail(f"A page opened a dialog: {dialog.message}"))
        yield page


OUTSIDE = """[...document.querySelectorAll('[data-testid=stMain] :is(a, img, iframe, script, object)')]
    .filter(element => !(element.href || '').startsWith(location.origin) && !element.matches('[rel=noreferrer]'))
    .map(element => element.outerHTML)"""
"""All but the link that a model's page has to what its card names, which is shown in full."""
TOO_WIDE = "document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth"


@pytest.mark.parametrize(("kind", "address"), [("markup", "model"), ("long", "queries")])
def test_browser_makes_nothing_of_text_of_strangers(index: Index, page: Page, kind: str, address: str) -> None:
    entry = of_kind(index, kind)[0]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/{address}?{urlencode({'task': entry.task, 'model': entry.folder})}")
    settle(page)
    page.locator("table.facts, table.texts").first.wait_for()
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(TOO_WIDE) <= 0
    assert not [url for url in asked if "evil" in url.partition("?")[0].partition("/")[2]]


def test_towers_of_marks_are_refused() -> None:
    assert check_text("ཧྐྵྨླྺྼྻྂ Việt שְׁ֔")
    with pytest.raises(ValueError, match="combining marks"):
        check_text("a" + "\u0301\u20dd" * MOST_MARKS)


@pytest.mark.parametrize(
    "text", ["http://x.y", "HTTPS://x", "www.x.y", "a@b.co", ":streamlit:", "a->b", "<-", "a--b", ">=", "~="]
)
def test_what_streamlit_replaces_in_finished_text_is_divided(text: str) -> None:
    assert "\u2060" in literal(text)
    assert literal(text).replace("\u2060", "").replace("\\", "") == text


@pytest.mark.parametrize(
    "text", ["bm25@0.3.16", "org/name-x", "use-multilingual@0.2.1+precision=bf16", "a - b", "10:30"]
)
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert "\u2060" not in literal(text)
