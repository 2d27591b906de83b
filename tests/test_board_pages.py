"""The pages of the board, as the server computes them: each opens, and shows what its address and filters ask for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from leaderboard_app.index.index import Index, read_index, update
from leaderboard_app.index.verification import verify_new
from leaderboard_app.tables import recompute
from panglot.results.evidence_file import read_evidence
from panglot.results.record import write_record
from panglot.results.result_record import read_result_record
from panglot.trust.submission import card_of, write_card
from tests.helpers.boards import path_of, verified_index
from tests.helpers.pages import Open, named, page_opener
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(starter_results: Path) -> Path:
    return starter_results


@pytest.fixture(scope="module")
def index(made: Path) -> Index:
    return verified_index(made)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Submissions of its own for a test that changes them."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    return page_opener(monkeypatch)


def test_first_page_opens_without_a_warning(open_page: Open, index: Index) -> None:
    test = open_page("home", index.folder)
    assert [*test.exception, *test.warning] == []


@pytest.mark.parametrize("page", ["languages", "overview", "model", "compare", "queries", "bias"])
@pytest.mark.parametrize("task", ["starter", "xquad-r"])
def test_each_page_opens_without_a_warning(open_page: Open, index: Index, page: str, task: str) -> None:
    test = open_page(page, index.folder, task=task)
    assert [*test.exception, *test.warning] == []
    assert test.title
    assert test.selectbox(key="task").value == task


@pytest.mark.parametrize(
    ("page", "label", "option", "name"),
    [
        ("field", "Metric", "recall@10", "by"),
        ("choose", "Metric", "recall@10", "by"),
        ("languages", "Metric", "recall@10", "metric"),
        ("overview", "Metric", "recall@10", "metric"),
        ("model", "Model", "bm25", "model"),
        ("compare", "Metric", "mrr", "metric"),
        ("queries", "Order", "lowest average precision", "order"),
        ("bias", "Measure", "kendall_w", "measure"),
        ("trainer", "Task", "emoji-t2i", "on"),
    ],
)
def test_a_choice_is_written_to_the_address_and_follows_it(
    open_page: Open, index: Index, page: str, label: str, option: str, name: str
) -> None:
    """What Back and Forward do in a browser: the address changes under the page."""
    option = path_of(index.folder, "bm25").parent.name if option == "bm25" else option
    test = open_page(page, index.folder, task="starter")
    before = _picker(test, label).value
    assert str(before) != option
    _picker(test, label).select(option).run()
    assert test.query_params[name] == option
    for value in (before, option):
        test.query_params[name] = [str(value)]
        assert str(_picker(test.run(), label).value) == str(value)


def _picker(test: AppTest, label: str) -> Selectbox:
    return next(box for box in test.selectbox if box.label == label)


@pytest.mark.parametrize("page", ["overview", "model", "compare", "queries", "bias"])
def test_an_empty_board_shows_what_papers_printed(open_page: Open, tmp_path: Path, page: str) -> None:
    test = open_page(page, tmp_path)
    assert not test.exception
    assert test.selectbox(key="task").value in TASKS
    assert "Every pair of languages" not in [heading.value for heading in test.subheader]  # papers printed no pair


def test_an_unknown_name_in_the_url_is_dropped(open_page: Open, index: Index) -> None:
    test = open_page("model", index.folder, task="../../etc/passwd", model="../../etc", metric="<b>")
    assert not test.exception
    assert test.selectbox(key="task").value in TASKS
    assert test.selectbox(key="metric").value == "map"


def test_a_folded_away_choice_that_a_link_asks_for_in_vain_is_told_in_view(open_page: Open, index: Index) -> None:
    test = open_page("overview", index.folder, task="starter", size="700 M")
    said = "link asks for 700 M"
    assert any(said in caption.value.replace("\\", "") for caption in test.caption)
    assert not any(said in caption.value.replace("\\", "") for fold in test.expander for caption in fold.caption)


@pytest.mark.parametrize(
    ("page", "key", "value", "said"),
    [
        ("overview", "rows", "a\u202eb\x1b[31m", "Selected rows: the link asks for au202ebx1b[31m, which is not"),
        ("overview", "rows", "no-such-model@1", "Selected rows: the link asks for no-such-model@1, which is not"),
        ("overview", "rows-sort", "size upward", "Order of the table: the link asks for size upward, which is not"),
        ("queries", "id", "no-such-query", "Query: the link asks for no-such-query, which is not"),
        ("choose", "licence", "maybe", "Open licence: the link asks for maybe, which is not"),
    ],
)
def test_a_page_says_what_a_link_asks_for_in_vain(
    open_page: Open, index: Index, page: str, key: str, value: str, said: str
) -> None:
    test = open_page(page, index.folder, task="starter", **{key: value})
    assert not test.exception
    assert sum(said in caption.value.replace("\\", "") for caption in test.caption) == 1


def _limited_page() -> None:
    from leaderboard_app.widgets import address

    address.select_many("Letters", list("abcde"), "letters", max_selections=2)


def test_a_page_counts_what_a_link_asks_for_beyond_a_limit() -> None:
    test = AppTest.from_function(_limited_page)
    test.query_params["letters"] = [*"abc", *(f"x{place}" for place in range(9))]
    said = [caption.value.replace("\\", "") for caption in test.run().caption]
    assert test.multiselect(key="letters").value == ["a", "b"]
    assert said[-2:] == [
        ":material/link_off: Letters: the link asks for 6 more that are not available here.",
        ":material/link_off: Letters: the link asks for 3, of which the first 2 are shown.",
    ]


def test_filters_keep_matching_rows(open_page: Open, index: Index) -> None:
    test = open_page("overview", index.folder, task="starter", search="bm25")
    shown = test.dataframe[0].value["model"].tolist()
    assert [re.fullmatch(r"model\?task=starter&model=bm25%40[^#]+#(.*)", link)[1] for link in shown] == ["bm25"]  # type: ignore[index]
    test.text_input(key="search").set_value("no such model").run()
    assert "No model matches" in test.info[-1].value
    test.text_input(key="search").set_value("").run()
    test.selectbox(key="by").set_value("mono").run()
    shown = test.dataframe[0].value
    assert shown["mono"].is_monotonic_decreasing
    assert shown["rank"].tolist() == ["1", "2", "–"]
    assert shown.loc[shown["rank"] == "–", "rank 95 %"].tolist() == ["floor"]


@pytest.fixture(scope="module")
def imitated(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submissions with a model that has the name and the organisation of another."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("imitated") / "submissions"))
    (path,) = path_of(folder, "bm25").parent.rename(folder / "imp__x@1").glob("*.json")
    record = read_result_record(path)
    model = record.model.model_copy(update={"name": "imp/x", "revision": "1"})
    write_record(path, record.model_copy(update={"model": model}))
    write_card(path.parent, card_of(model, ["starter"], {"name": "use-multilingual", "organisation": "Google"}))
    return verified_index(folder).folder


@pytest.mark.parametrize("page", ["home", "overview", "model", "compare", "bias", "languages"])
def test_each_page_marks_name_of_another_model(open_page: Open, imitated: Path, page: str) -> None:
    test = open_page(page, imitated, task="starter")
    assert not test.exception
    words = "imp/x is named like use-multilingual but has another id: it may be a different model."
    told = [each.value.replace("\\", "") for each in test.warning]
    assert [text for text in told if "named like" in text] == [words]


def test_choosing_languages_computes_again(open_page: Open, index: Index, made: Path) -> None:
    test = open_page("overview", index.folder, task="starter", pool=["de", "en"])
    assert not test.exception
    shown = named(test.dataframe[0].value).set_index("model")
    row = recompute.recompute(read_evidence(path_of(made, "bm25")), "map", ("de", "en")).row
    assert shown.loc["bm25", "multi"] == row["multi"].value
    assert shown["rank"].tolist() == ["1", "2", "–"]


def test_ranks_are_those_of_what_is_verified(open_page: Open, copy: Path) -> None:
    update(copy)
    shown = open_page("overview", copy, task="starter").dataframe[0].value
    assert len(shown) == 3
    assert shown["rank"].tolist() == ["–"] * 3
    verify_new(copy)
    assert open_page("overview", copy, task="starter").dataframe[0].value["rank"].tolist() == ["1", "2", "–"]
    path_of(copy, "bm25").touch()
    update(copy)
    page = open_page("overview", copy, task="starter")
    shown = named(page.dataframe[0].value).set_index("model")
    assert shown["rank"].to_dict() == {"use-multilingual": "1", "bm25": "–", "language-id (floor)": "–"}
    assert any("among the 1 verified so far; 1 is not verified yet" in caption.value for caption in page.caption)


@pytest.mark.parametrize("page", ["model", "queries"])
def test_a_page_opens_on_the_best_model(open_page: Open, index: Index, page: str) -> None:
    opened = open_page(page, index.folder, task="starter").selectbox(key="model").value
    assert opened.startswith("use-multilingual@")


def test_a_link_names_a_language_by_its_code(open_page: Open, index: Index) -> None:
    for page, key in (("queries", "query"), ("compare", "query"), ("overview", "candidate")):
        picker = open_page(page, index.folder, task="starter", **{key: "th"}).selectbox(key=key)
        assert picker.value == "th"
        assert "Greek (el)" in picker.options


def test_images_stay_in_any_pool(open_page: Open) -> None:
    test = open_page("overview", HERE / "submissions", task="emoji-t2i", pool=["de", "en"])
    assert not test.exception
    assert "Images (zxx)" not in test.multiselect(key="pool").options
    assert any("in the pool of de, en, zxx" in info.value for info in test.info)


def test_board_works_without_evidence(open_page: Open, copy: Path) -> None:
    for path in copy.glob("*/*.parquet"):
        path.unlink()
    update(copy)
    verify_new(copy)
    assert {entry.trust for entry in read_index(copy).entries if not entry.source} == {"self-reported"}
    for page in ("overview", "model", "compare", "queries", "bias"):
        assert not open_page(page, copy, task="starter").exception
    assert open_page("overview", copy, task="starter").dataframe[0].value["rank"].eq("–").all()
