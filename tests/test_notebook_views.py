"""What a notebook shows of results: readable HTML that needs nothing else, whatever a name holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import pytest

import panglot
from panglot.colours import PU_OR, VIRIDIS, colour
from panglot.html import heat_map, page, table
from panglot.results.notebook import result_html
from panglot.score.bootstrap import Score

HOSTILE = '<script>alert("&")</script>'
VOID = {"br"}


class Outline(HTMLParser):
    """The elements of a page; every one is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link", "iframe")
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.opened and self.opened[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if "style" not in self.opened:
            self.text += data


@pytest.fixture(scope="module")
def results() -> list[panglot.Result]:
    return [panglot.run(name, "starter", languages=["de", "el", "en"]) for name in ("bm25", "use-multilingual")]


def test_a_result_shows_scores_and_every_pair(results: list[panglot.Result]) -> None:
    outline = Outline(results[1]._repr_html_())
    assert outline.text.startswith("use-multilingual@0.2.1 on starter156 queries, 234 candidates, 3 languages")
    assert [row[0] for row in outline.rows[:5]] == ["", "mono", "cross", "multi", "balance"]
    assert re.fullmatch(r"\.\d{3}", outline.rows[1][1])
    assert re.fullmatch(r"\.\d{3}–\.\d{3}", outline.rows[1][2])
    assert outline.rows[-4] == ["", "de", "el", "en"]
    pairs = results[1].record.pairs["map"]
    for shown, row in zip(outline.rows[-3:], pairs, strict=True):
        assert shown[1:] == [f"{100 * cell.value:.1f}" for cell in row if cell]


def test_a_comparison_shows_its_sentence_and_differences(results: list[panglot.Result]) -> None:
    comparison = panglot.compare(*results)
    outline = Outline(comparison._repr_html_())
    assert comparison.sentence in outline.text
    assert "A  bm25@0.3.16" in outline.text
    assert [row[0] for row in outline.rows[1:5]] == ["mono", "cross", "multi", "balance"]
    assert outline.rows[2][3].endswith("*") == comparison.by_setting.found[1]
    assert len(outline.rows[-1]) == 4


def test_standings_show_every_model_and_what_is_left_out(results: list[panglot.Result]) -> None:
    standings = replace(panglot.rank(results), left_out={"else": HOSTILE})
    outline = Outline(standings._repr_html_())
    assert [row[0] for row in outline.rows[1:]] == ["use-multilingual@0.2.1", "bm25@0.3.16"]
    assert f"not ranked: else: {HOSTILE}" in outline.text


def test_names_of_others_are_text(results: list[panglot.Result]) -> None:
    record = results[0].record
    model = record.model.model_copy(update={"name": HOSTILE})
    task = record.task.model_copy(update={"name": HOSTILE, "languages": ("de", HOSTILE, "en")})
    text = result_html(record.model_copy(update={"model": model, "task": task}))
    assert Outline(text).text.startswith(HOSTILE)
    comparison = replace(
        panglot.compare(*results), task=HOSTILE, models=(HOSTILE, HOSTILE), languages=("de", HOSTILE, "en")
    )
    assert HOSTILE in Outline(comparison._repr_html_()).text
    assert HOSTILE not in text + comparison._repr_html_()


def test_what_has_no_value_is_a_dash(results: list[panglot.Result]) -> None:
    record = results[0].record
    pairs = {"map": ((Score(0.5, None, None), None, None), (None, None, None), (Score(0.2, None, None), None, None))}
    settings = {"mono": {"map": Score(0.5, None, None)}, "cross": {}}
    changed = record.model_copy(update={"pairs": pairs, "settings": settings, "balance": {}, "bias": {}})
    outline = Outline(result_html(changed))
    assert outline.rows[:2] == [["", "map", "95 % interval"], ["mono", ".500", "–"]]
    assert outline.rows[2:] == [["", "de"], ["de", "50.0"], ["en", "20.0"]]


def test_a_task_without_a_pool_of_all_has_no_map(results: list[panglot.Result]) -> None:
    record = results[0].record
    divided = record.model_copy(update={"settings": {"mono": record.settings["mono"]}})
    assert 'panglot-heat"' not in result_html(divided)


def test_more_pairs_than_can_be_read_are_not_drawn(
    results: list[panglot.Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.results.notebook.WIDEST", 2)
    monkeypatch.setattr("panglot.html.WIDEST", 2)
    for shown in (results[0], panglot.compare(*results)):
        assert 'class="panglot-heat"' not in shown._repr_html_()


def test_ink_can_be_read_on_every_colour() -> None:
    """Contrast of at least 4.5, as WCAG 2.2 asks of text (criterion 1.4.3)."""
    for scale, step in product((VIRIDIS, PU_OR), range(101)):
        background, ink = colour(step / 100, scale)
        light, dark = sorted((_luminance(background), {"white": 1.0, "black": 0.0}[ink]), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (scale, step)


def _luminance(background: str) -> float:
    parts = [int(background[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_pieces_escape_what_they_are_given() -> None:
    text = page(table([HOSTILE], [[HOSTILE]]), heat_map([HOSTILE], [(HOSTILE, [None])]))
    assert Outline(text).text.count(HOSTILE) == 4
