"""What one odd file of a stranger does to the board: it is refused with its reason, and everything else goes on."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from leaderboard_app.index.evidence_store import stored_standings
from leaderboard_app.index.folder import home_of, save, stamps_of
from leaderboard_app.index.index import Index, read_index, update
from leaderboard_app.index.strangers import contained, is_regular, read_regular
from leaderboard_app.index.verification import verify_new
from leaderboard_app.index.verified import FILE, Checked, Checks
from panglot.cli.view.console import PlainConsole
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.results.reported import ReportedResult
from panglot.results.result import Result
from panglot.results.result_record import read_result_record
from panglot.trust.submission import card_of, write_card
from tests.helpers.boards import path_of
from tests.helpers.odd_records import Odd, odd_results, without_evidence
from tests.helpers.processes import LONGEST
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

HERE = Path(__file__).parents[1]
ON_ONE_BOARD = 20
PAGES = ("home", "languages", "overview", "model", "compare", "queries", "bias")


@pytest.fixture
def board(starter_results: Path, tmp_path: Path) -> Path:
    """Three submissions on the starter set."""
    return Path(shutil.copytree(starter_results, tmp_path / "board"))


Open = Callable[..., AppTest]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    st.cache_data.clear()
    st.cache_resource.clear()

    def opened(page: str, folder: Path, **query: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app", str(folder)])
        test = AppTest.from_file(str(HERE / "leaderboard_app" / "app_pages" / f"{page}.py"), default_timeout=LONGEST)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    return opened


def change(path: Path, **fields: Any) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | fields), encoding="utf-8")


def test_error_in_a_block_affects_only_its_file() -> None:
    refused: dict[str, str] = {}
    for file, error in {"a": BadResult("No."), "b": ZeroDivisionError("by zero"), "c": RecursionError()}.items():
        with contained(file, refused):
            raise error
    assert refused["a"] == "No."
    assert "ZeroDivisionError: by zero" in refused["b"]
    assert "RecursionError" in refused["c"]
    with pytest.raises(KeyboardInterrupt), contained("d", refused):
        raise KeyboardInterrupt


def test_verification_that_breaks_down_refuses_that_submission_alone(
    board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leaderboard_app.index import verification

    def verify_folder(folder: Path, **options: Any) -> object:
        if folder.name.startswith("bm25"):
            raise OverflowError("nobody thought of this")
        return real(folder, **options)

    real = verification.verify_folder
    monkeypatch.setattr(verification, "verify_folder", verify_folder)
    update(board)
    verify_new(board)
    index = read_index(board)
    assert {entry.trust for entry in index.entries if entry.task == "starter"} == {"recomputed"}
    assert [why for file, why in index.refused.items() if "nobody thought of this" in why and file.startswith("bm25")]


def test_no_number_of_results_on_other_content_outvotes_one_that_was_compared_with_the_data(tmp_path: Path) -> None:
    """Nothing but the data knows the fingerprint of some languages of a task."""
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    outcome.save(tmp_path)
    lie = outcome.record.task.model_copy(update={"fingerprint": "0" * 64})
    for name in ("one", "two", "three"):
        model = outcome.record.model.model_copy(update={"name": name})
        path = Result(outcome.record.model_copy(update={"model": model}), outcome.evidence, outcome.stem).save(tmp_path)
        change(path, task=lie.model_dump(mode="json"), evidence={})
        for file in path.parent.glob("*.parquet"):
            file.unlink()
    update(tmp_path)
    save(home_of(tmp_path) / FILE, Checks(folders={"random@1": _known(tmp_path, "random@1")}))
    index = read_index(tmp_path)
    assert [entry.name for entry in index.entries if entry.task == outcome.stem] == ["random"]
    assert len(index.refused) == 3


def _known(board: Path, folder: str) -> Checked:
    """That the results in a folder were recomputed."""
    stems = [path.stem for path in (board / folder).glob("*.json")]
    return Checked(stamp=dict(stamps_of(board))[folder], levels=dict.fromkeys(stems, "recomputed"))


def test_a_page_says_what_is_wrong_with_a_result_that_it_cannot_draw(
    open_page: Open, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("odd numbers")

    update(board)
    verify_new(board)
    monkeypatch.setattr("leaderboard_app.tables.model_tables.reading_table", broken)
    opened = open_page("model", board, task="starter")
    assert not opened.exception
    assert any("odd numbers" in warning.value for warning in opened.warning)
    assert opened.metric  # the scores above it are there


def test_links_are_neither_read_nor_offered(open_page: Open, board: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    folder = path_of(board, "bm25").parent
    card = card_of(read_result_record(folder / "starter.json").model, ["starter"], {"name": "a secret name"})
    secret.write_text(write_card(tmp_path, card).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "card.json").symlink_to(secret)
    shutil.copy(path_of(board, "language-id"), tmp_path / "elsewhere.json")
    path_of(board, "language-id").unlink()
    (next(board.glob("language-id@*")) / "starter.json").symlink_to(tmp_path / "elsewhere.json")
    shutil.copytree(path_of(board, "use-multilingual").parent, tmp_path / "outside@1")
    (board / "outside@1").symlink_to(tmp_path / "outside@1")
    update(board)
    index = read_index(board)
    assert sorted(entry.shown for entry in index.entries if entry.task == "starter") == ["bm25", "use-multilingual"]
    assert sorted(file.rpartition("/")[2] for file in index.refused) == ["card.json", "outside@1", "starter.json"]
    assert all("link" in why for why in index.refused.values())
    opened = open_page("model", board, task="starter", model=folder.name)
    offered = [button.label for button in opened.get("download_button")]
    assert "starter.json" in offered
    assert "card.json" not in offered


def test_a_file_replaced_by_a_link_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "m@1" / "card.json"
    file.parent.mkdir()
    file.write_bytes(b"ours")
    assert is_regular(file)
    assert read_regular(file) == b"ours"
    file.unlink()
    file.symlink_to("/etc/hostname")
    assert not is_regular(file)
    with pytest.raises(BadResult, match="link"):
        read_regular(file)
    assert not is_regular(file.parent)


ODD_NAMES = (
    b"\xff.json",
    b"a\nb.json",
    b"\x1b[2J.json",
    "\u202egnp.json".encode(),
    b"\xff.reported.json",
    b"\xff",
    b" .json",
)


def test_odd_names_of_files_and_folders_stay_with_them(open_page: Open, board: Path) -> None:
    """Names need not even be UTF-8: git carries any bytes."""
    result = path_of(board, "bm25").read_bytes()
    folder = os.fsencode(path_of(board, "bm25").parent)
    for name in ODD_NAMES:
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(result)
        odd = Path(os.fsdecode(os.fsencode(board) + b"/" + name + b"@1"))
        odd.mkdir()
        (odd / "starter.json").write_bytes(result)
    for step, trust in ((update, "not checked"), (verify_new, "recomputed")):
        step(board)
        index = read_index(board)
        assert {entry.trust for entry in index.entries if entry.task == "starter"} == {trust}
        assert len([file for file in index.refused if "@1" in file]) == len(ODD_NAMES)
        assert all(file.isprintable() for file in index.refused)
        assert not open_page("overview", board, task="starter").exception
    assert len([entry for entry in index.entries if entry.task == "starter"]) == 3


def test_a_reported_row_that_verification_refuses_is_not_shown_under_another_name(board: Path) -> None:
    row = ReportedResult(
        task="xquad-r",
        fingerprint=None,
        model="imp/x",
        revision="1",
        level="self-reported",
        settings={"multi": {"map": 0.99}},
        source="nowhere",
        citation="Nobody",
    )
    path = path_of(board, "bm25").parent / "another.reported.json"
    path.write_text(row.model_dump_json(), encoding="utf-8")
    update(board)
    verify_new(board)
    index = read_index(board)
    assert "imp/x" not in {entry.identity for entry in index.entries}
    assert "not a file of a submission" in index.refused[f"{path.parent.name}/another.reported.json"]


def test_a_card_of_another_model_is_not_believed(board: Path) -> None:
    path = path_of(board, "bm25")
    model = read_result_record(path).model.model_copy(update={"name": "intfloat/multilingual-e5-large"})
    write_card(path.parent, card_of(model, ["starter"], {}))
    update(board)
    index = read_index(board)
    entry = next(entry for entry in index.entries if entry.folder == path.parent.name)
    assert (entry.shown, entry.organisation) == ("bm25", "")
    assert "results are of another model" in index.refused[f"{path.parent.name}/card.json"]


@pytest.mark.parametrize("field", ["headline", "languages"])
def test_a_result_with_other_facts_of_the_task_is_left_out(open_page: Open, board: Path, field: str) -> None:
    """Before it is verified, too: the task's pickers show what the suite says."""
    path = path_of(board, "bm25")
    task = json.loads(path.read_text(encoding="utf-8"))["task"]
    odd = {"headline": "recall@5", "languages": [*task["languages"][1:], task["languages"][0]]}
    change(path, task=task | {field: odd[field]})
    update(board)
    assert len([entry for entry in read_index(board).entries if entry.task == "starter"]) == 2
    opened = open_page("overview", board, task="starter")
    assert not opened.exception
    assert opened.selectbox(key="metric").value == "map"


def test_an_odd_model_costs_the_others_no_rank(board: Path, tmp_path: Path) -> None:
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    fewer = Result(outcome.record, outcome.evidence, "starter").save(tmp_path / "fewer")
    damaged = path_of(board, "language-id")
    damaged.with_name("starter.evidence.parquet").write_bytes(b"PAR1")
    paths = {path.parent.name: path for path in (fewer, damaged, path_of(board, "bm25"))}
    paths |= {"use": path_of(board, "use-multilingual")}
    ranked = stored_standings(tmp_path / "home", paths, "map", "mono", ())
    assert {model.name for model in ranked.models} == {"use", path_of(board, "bm25").parent.name}
    assert set(ranked.odd) == {fewer.parent.name, damaged.parent.name}


def test_rejections_are_reported_without_control_characters(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = path_of(board, "bm25")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"\x1b[2J\u202e": 1}), encoding="utf-8")
    update(board)
    (why,) = read_index(board).refused.values()
    assert why.isprintable()
    PlainConsole().print(why)
    assert "\x1b[2J" not in capsys.readouterr().out


ODD: dict[str, dict[str, Any]] = {
    "odd-ragged-pairs": {"pairs": {"map": [[]]}, "evidence": {}},
    "odd-mix": {"language_mix": []},
    "odd-curve": {"curve": [{"dimension": -3, "form": "fp32", "scores": {"multi": 0.5}}]},
    "odd-settings": {"settings": {}, "balance": {}, "languages": {}, "pairs": {}, "bias": {}, "evidence": {}},
}


def test_odd_results_break_no_page(open_page: Open, board: Path) -> None:
    """Many odd files on one board at a time: each is refused with its reason, or shown, and every page opens.

    PANGLOT_ODD_RESULTS says how many are generated beside those of `ODD`; with evidence beside every other one.
    """
    base = path_of(board, "bm25")
    text = base.read_text(encoding="utf-8")
    odd = odd_results(text, int(os.environ.get("PANGLOT_ODD_RESULTS", "12")))
    for number, batch in enumerate(iter(lambda: list(islice(odd, ON_ONE_BOARD)), [])):
        crowd = Path(shutil.copytree(board, board.parent / f"crowd-{number}"))
        for place, record in enumerate(batch):
            folder = crowd / f"odd-{place}@1"
            if place % 2:
                shutil.copytree(base.parent, folder)
            folder.mkdir(exist_ok=True)
            (folder / base.name).write_text(record.text if place % 2 else without_evidence(record.text))
        for name, fields in ODD.items():
            change(Path(shutil.copytree(base.parent, crowd / f"{name}@1")) / base.name, **fields)
        update(crowd)
        check_pages(open_page, crowd, batch)
        verify_new(crowd)
        index = check_pages(open_page, crowd, batch)
        assert all(index.refused[f"{name}@1/{base.name}"] for name in ODD)
        labels = [expander.label for expander in open_page("overview", crowd, task="starter").expander]
        assert any(f"{len(index.refused)} files are not shown" in label for label in labels)
        shutil.rmtree(crowd)


def check_pages(open_page: Open, board: Path, batch: Sequence[Odd]) -> Index:
    """Every result is shown or refused; the pages of the task open, and that of the model for each odd one shown."""
    index = read_index(board)
    shown = {entry.folder for entry in index.entries if entry.task == "starter"}
    for place, record in enumerate(batch):
        folder = f"odd-{place}@1"
        assert folder in shown or index.refused[f"{folder}/starter.json"], record.what
    odd = sorted(folder for folder in shown if folder.startswith("odd-"))
    assert len(shown) - len(odd) == 3
    visits = [(page, "") for page in PAGES] + [("model", folder) for folder in odd]
    for page, model in visits:
        opened = open_page(page, board, task="starter", **({"model": model} if model else {}))
        assert not opened.exception, (page, model)
    return index
