"""The first page: its order, its numbers and its sections."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.tables import front
from leaderboard_app.tables.field import languages_of, scored_by_others, standing
from leaderboard_app.tables.front import Cell, Line, Task
from panglot.interop.field import reported_on, shipped_field
from panglot.score.bootstrap import Score
from tests.helpers.boards import verified_index
from tests.helpers.pages import Open, page_opener

pytestmark = pytest.mark.usefixtures("no_checks")

TASKS = [Task(name, "map, balance", name) for name in "abc"]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    return page_opener(monkeypatch)


def line(name: str, **scores: float) -> Line:
    return Line(name, "", name, {task: Cell(Score(value, None, None)) for task, value in scores.items()})


def tables(page: object) -> list[str]:
    """The HTML of each section."""
    return [element.proto.body for element in page.get("html")]  # type: ignore[attr-defined]


def text(table: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", table)).split())


@given(st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, np.nan]), min_size=3, max_size=3), min_size=1, max_size=6))
def test_models_are_ahead_by_the_mean_rank_over_shared_tasks(ranks: list[list[float]]) -> None:
    table = np.array(ranks)
    wins, others = front.ahead_of(table)
    for one, mine in enumerate(table):
        expected, met = 0.0, 0
        for other, theirs in enumerate(table):
            shared = np.isfinite(mine) & np.isfinite(theirs)
            if one != other and shared.any():
                difference = theirs[shared].mean() - mine[shared].mean()
                expected += 0.5 if abs(difference) < 1e-9 else float(difference > 0)
                met += 1
        assert (wins[one], others[one]) == (expected, met)


def test_a_model_is_never_placed_by_tasks_that_another_lacks() -> None:
    found = front.ordered(TASKS, [line("hard task only", a=0.2), line("both", a=0.1, b=0.9), line("easy", b=0.8)])
    assert [each.name for each in found.lines] == ["hard task only", "both", "easy"]
    assert found.ahead == ((1, 1), (1, 2), (0, 1))
    assert found.best == {"a": 0.2, "b": 0.9}
    assert [task.name for task in found.tasks] == ["a", "b"]
    assert front.ordered(TASKS, []).lines == ()


def test_text_of_strangers_is_escaped() -> None:
    shown = front.as_html(front.ordered(TASKS, [line("<script>alert(1)</script>", a=0.5)]), "<b>", 10)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_cell_shows_half_of_its_interval_and_only_the_best_in_bold() -> None:
    lines = [Line("one", "", "x", {"a": Cell(Score(0.487, 0.474, 0.5))}), line("two", a=0.1)]
    shown = front.as_html(front.ordered(TASKS, lines), "table", 10)
    assert re.findall("<b>(.*?)</b>", shown) == ["0.487 ± .013"]
    assert "<td>0.100</td>" in shown


def test_reported_means_are_those_of_the_field_page() -> None:
    found = front.front_of_field(shipped_field())
    for task in found.tasks:
        models = scored_by_others(reported_on(shipped_field(), task.name, front.REPORTED_BY))
        table = standing(models, languages_of(models, task.name), task.name).table.dropna(subset=["mono"])
        shown = sorted(each.cells[task.name].score.value for each in found.lines if task.name in each.cells)
        assert shown == pytest.approx(sorted(table["mono"]), abs=1e-12)


def test_first_page_shows_ranks_of_what_is_verified_and_the_field(open_page: Open, starter_results: Path) -> None:
    index = verified_index(starter_results)
    page = open_page("home", starter_results)
    assert not page.exception
    assert [header.value for header in page.subheader] == ["Verified", "Reported by others", "Published in papers"]
    verified, reported, _ = tables(page)
    shown = open_page("overview", index.folder, task="starter").dataframe[0].value
    ranked = shown[shown["rank"] != "–"]
    assert [f"rank {rank}" in text(verified) for rank in ranked["rank 95 %"]] == [True, True]
    assert text(verified).index("use-multilingual") < text(verified).index("bm25")
    assert "random" not in text(verified)
    assert "rank" not in text(reported)
    assert reported.count("<tr>") == 11
    assert tables(open_page("home", starter_results, all="true"))[1].count("<tr>") > 200


def test_what_is_not_verified_has_no_rank_and_a_section_of_its_own(
    open_page: Open, starter_results: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(starter_results, tmp_path / "copy"))
    for path in folder.glob("*/*.parquet"):
        path.unlink()
    verified_index(folder)
    page = open_page("home", folder)
    assert page.subheader[0].value == "Measured, not verified"
    assert "rank" not in text(tables(page)[0])
    page = open_page("home", folder, search="no such model")
    assert not page.subheader
    assert any("No model matches" in info.value for info in page.info)
