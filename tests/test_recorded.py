"""The record of verification spares work for the very files and code that it is about, and is no way to lie."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from leaderboard_app.index import verification
from leaderboard_app.index.evidence_store import stored_standings
from leaderboard_app.index.folder import home_of
from leaderboard_app.index.index import read_index, update
from leaderboard_app.index.verification import shown, trusted, verify_new
from leaderboard_app.index.verified import load_checks
from leaderboard_app.tables.front import Front, as_html
from leaderboard_app.tables.model_tables import card_table
from panglot.cli.main import app
from panglot.errors import BadResult
from panglot.results.naming import RECORD
from panglot.results.record import write_record
from panglot.trust import recorded
from panglot.trust.recorded import (
    Rankings,
    VerificationRecord,
    collect_rankings,
    read_verification,
    record_verification,
)
from panglot.trust.verify_folder import verify_folder
from tests.helpers.boards import path_of
from tests.helpers.processes import LONGEST

APP = Path(__file__).parents[1] / "leaderboard_app"
OVERVIEW = APP / "app_pages" / "overview.py"


@pytest.fixture(scope="module")
def record(starter_results: Path) -> VerificationRecord:
    """What verification finds about three models on the starter set."""
    rankings: Rankings = {}
    folders, use = sorted(starter_results.glob("*@*")), collect_rankings(rankings)
    return record_verification([verdict for folder in folders for verdict in verify_folder(folder, use=use)], rankings)


@pytest.fixture
def board(starter_results: Path, record: VerificationRecord, tmp_path: Path) -> Path:
    """Those models in a fresh clone, with their record."""
    folder = Path(shutil.copytree(starter_results, tmp_path / "board"))
    write_record(folder / RECORD, record)
    return folder


def levels(board: Path) -> dict[str, str]:
    update(board)
    return {entry.name: entry.trust for entry in read_index(board).entries if entry.task == "starter"}


ALL = {"bm25": "recomputed", "language-id": "recomputed", "use-multilingual": "recomputed"}


def test_recorded_results_are_ranked_before_anything_is_verified(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(board) == ALL
    index = read_index(board)
    assert (index.waiting, index.recorded) == (0, 3)
    monkeypatch.setattr("leaderboard_app.index.evidence_store.read_evidence", None)  # nobody may read any
    there = [entry for entry in index.entries if entry.task == "starter" and entry.ranked]
    paths = {entry.id: board / f"{entry.id}.json" for entry in there}
    ranked = stored_standings(home_of(board), paths, "map", "balance", set(paths))
    assert [model.place for model in ranked.models] == [1, 2]


def test_floors_are_not_in_the_recorded_standings(record: VerificationRecord) -> None:
    assert any(name.startswith("language-id@") for name in record.results)
    for places in record.standings["starter"].values():
        assert {place.result.partition("@")[0] for place in places} == {"use-multilingual", "bm25"}


def test_recorded_standings_are_those_that_follow_from_the_evidence(board: Path) -> None:
    update(board)
    paths = {
        f"{path.parent.name}/starter": path for path in (path_of(board, "bm25"), path_of(board, "use-multilingual"))
    }
    taken = stored_standings(home_of(board), paths, "map", "multi", set(paths))
    shutil.rmtree(home_of(board) / "standings")
    computed = stored_standings(home_of(board), paths, "map", "multi", set(paths))
    assert [model.name for model in taken.models] == [model.name for model in computed.models]
    for one, other in zip(taken.models, computed.models, strict=True):
        assert (one.place, one.low, one.high, one.letters) == (other.place, other.low, other.high, other.letters)
        assert one.score == pytest.approx(other.score, abs=1e-9)


@pytest.mark.parametrize("file", ["starter.json", "starter.evidence.parquet", "starter.top10.parquet"])
def test_a_changed_file_is_verified(board: Path, file: str) -> None:
    with path_of(board, "bm25").with_name(file).open("ab") as changed:
        changed.write(b" ")
    assert levels(board) == ALL | {"bm25": "not checked"}


def test_an_added_list_is_verified(board: Path) -> None:
    """The longest lists stay out of git; with them the files are others than those that were verified."""
    assert path_of(board, "bm25").with_name("starter.top100.parquet").is_file()
    assert levels(board)["bm25"] == "recomputed"
    shutil.copy(*(path_of(board, name).with_name("starter.top100.parquet") for name in ("language-id", "bm25")))
    assert levels(board)["bm25"] == "not checked"


def test_a_new_result_waits_beside_recorded_ones(board: Path) -> None:
    path = path_of(board, "bm25")
    for file in path.parent.glob("starter.*"):
        shutil.copy(file, file.with_name(file.name.replace("starter", "starter.de-en")))
    update(board)
    index = read_index(board)
    assert {entry.id.rpartition("/")[2]: entry.trust for entry in index.entries if entry.name == "bm25"} == {
        "starter": "recomputed",
        "starter.de-en": "not checked",
    }


def test_a_record_by_other_code_is_not_believed(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "verifier", lambda: "0" * 16)
    assert set(levels(board).values()) == {"not checked"}


@pytest.mark.parametrize("file", ["results/result.py", "score/metrics.py", "score/bias/ranks.py", "trust/verify.py"])
def test_verifier_changes_with_code_that_verifies(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(Path(recorded.__file__).parents[1], tmp_path / "panglot"))
    monkeypatch.setattr(recorded, "__file__", str(copy / "trust" / "recorded.py"))
    before = recorded.verifier.__wrapped__()
    assert before == recorded.verifier()
    with (copy / file).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert recorded.verifier.__wrapped__() != before


def test_verifier_is_the_same_at_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recorded.verifier.__wrapped__()
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.dev1+gabcdef")
    assert recorded.verifier.__wrapped__() == before


@pytest.mark.parametrize("place", ["bm25@0.3.16/verified.json", "elsewhere/verified.json"])
def test_only_the_record_at_the_root_is_read(board: Path, place: str) -> None:
    (board / place).parent.mkdir(exist_ok=True)
    (board / RECORD).rename(board / place)
    assert set(levels(board).values()) == {"not checked"}


def test_a_record_that_is_a_link_is_not_read(board: Path, tmp_path: Path) -> None:
    (board / RECORD).rename(tmp_path / "elsewhere.json")
    (board / RECORD).symlink_to(tmp_path / "elsewhere.json")
    assert read_verification(board) is None


def test_a_damaged_record_costs_time_alone(board: Path) -> None:
    (board / RECORD).write_text("{", encoding="utf-8")
    assert set(levels(board).values()) == {"not checked"}
    verify_new(board)
    assert levels(board) == ALL


def test_a_sample_is_verified_once_and_reported(board: Path) -> None:
    update(board)
    assert read_index(board).pending
    said = verify_new(board)
    assert said.startswith("2 of 3 results in verified.json were verified again")
    assert ", and 1 of 4 rankings was computed again (starter, " in said
    assert said.endswith("): no difference was found.")
    assert verify_new(board) == ""
    index = read_index(board)
    assert not index.pending
    assert (
        shown(index)
        == "3 results are shown, 0 are not. The board also shows 20 published results that ship with Panglot."
    )
    assert trusted(index) == "Results: 3 as recorded by the maintainers of board."


def test_first_page_shows_recorded_ranks_before_the_sample_is_verified(
    board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = []
    monkeypatch.setattr("leaderboard_app.store.store.start_checks", lambda index: happened.append(index.pending))
    monkeypatch.setattr("leaderboard_app.tables.front.as_html", partial(_note_ranks, as_html, happened))
    monkeypatch.setattr("sys.argv", ["board", str(board)])
    page = AppTest.from_file(str(APP / "app.py"), default_timeout=LONGEST).run()
    assert not page.exception
    assert happened == ["ranks", True]


def _note_ranks(draw: Callable[..., str], happened: list[object], front: Front, name: str, most: int) -> str:
    html = draw(front, name, most)
    if "rank " in html:
        happened.append("ranks")
    return html


@pytest.mark.usefixtures("no_checks")
def test_board_says_that_maintainers_recorded_a_level(
    board: Path, record: VerificationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps a folder can write that a sample was scored again; no sample of ours can tell."""
    name = f"{path_of(board, 'bm25').parent.name}/starter"
    claim = record.results[name].model_copy(update={"level": "reproduced"})
    write_record(board / RECORD, record.model_copy(update={"results": record.results | {name: claim}}))
    assert levels(board) == ALL | {"bm25": "reproduced"}
    monkeypatch.setattr(verification, "SAMPLE", 3)
    assert verify_new(board).endswith("no difference was found.")
    entry = next(entry for entry in read_index(board).entries if entry.id == name)
    assert card_table(entry).set_index("fact").loc["trust"].item() == (
        "reproduced, as recorded by the maintainers of these submissions; not yet verified on this machine"
    )
    monkeypatch.setattr("sys.argv", ["board", str(board)])
    page = AppTest.from_file(str(OVERVIEW), default_timeout=LONGEST).run()
    said = [caption.value for caption in page.caption]
    told = "The trust levels of 3 results were recorded by the maintainers of board; this machine verified a sample"
    assert f"{told} of them." in said


def test_a_record_that_lies_is_found_by_the_sample_and_forgotten(
    board: Path, record: VerificationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed score, its hash recorded as if it had been verified."""
    path = path_of(board, "bm25")
    path.write_text(path.read_text(encoding="utf-8").replace('"map": [0.', '"map": [0.9', 1), encoding="utf-8")
    name = f"{path.parent.name}/starter"
    lie = record.results[name].model_copy(update={"sha256": recorded._hashes(path)})
    write_record(board / RECORD, record.model_copy(update={"results": record.results | {name: lie}}))
    assert levels(board) == ALL
    monkeypatch.setattr(verification, "SAMPLE", 3)
    said = verify_new(board)
    assert "is ignored" in said
    assert name in said
    assert levels(board) == {name: level for name, level in ALL.items() if name != "bm25"}
    assert load_checks(home_of(board)).recorded == []


def lying(places: tuple[recorded.Place, ...], what: str) -> tuple[recorded.Place, ...]:
    first, second, *rest = places
    lies = {
        "order": (first._replace(result=second.result), second._replace(result=first.result)),
        "letters": (first._replace(letters=("a", "z")), second._replace(letters=("z",))),
        "rank interval": (first._replace(high=first.high + 1), second),
    }
    return (*lies[what], *rest)


@pytest.mark.parametrize("what", ["order", "letters", "rank interval"])
def test_recorded_ranking_that_lies_is_found_by_the_sample(
    board: Path, record: VerificationRecord, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SAMPLE", 0)
    settings = {setting: lying(places, what) for setting, places in record.standings["starter"].items()}
    write_record(board / RECORD, record.model_copy(update={"standings": {"starter": settings}}))
    assert levels(board) == ALL
    said = verify_new(board)
    assert "verified.json is ignored, and everything is verified here. starter, " in said
    assert "The ranks do not follow from the evidence." in said
    assert levels(board) == ALL
    assert load_checks(home_of(board)).recorded == []
    there = [entry for entry in read_index(board).entries if entry.task == "starter" and entry.ranked]
    paths = {entry.id: board / f"{entry.id}.json" for entry in there}
    found = stored_standings(home_of(board), paths, "map", "multi", set(paths)).models
    true = record.standings["starter"]["multi"]
    assert [(model.name, model.low, model.high) for model in found] == [(t.result, t.low, t.high) for t in true]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_writes_the_record_and_checks_it(starter_results: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(starter_results, tmp_path / "board"))
    stale = run("verify", folder, "--check-record")
    assert stale.exit_code == 1
    assert "out of date" in stale.output
    assert run("verify", folder, "--record").exit_code == 0
    assert run("verify", folder, "--check-record").exit_code == 0
    stored = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    assert list(stored["results"]) == sorted(stored["results"])
    assert len(stored["results"]) == 3
    shutil.rmtree(path_of(folder, "bm25").parent)
    stale = run("verify", folder, "--check-record")
    assert stale.exit_code == 1
    assert "bm25@0.3.16/starter: is recorded as recomputed" in stale.output
    assert "starter: the recorded ranking differs" in stale.output


def test_a_level_found_with_the_data_holds_without_it(record: VerificationRecord) -> None:
    lower = {name: found.model_copy(update={"level": "consistent"}) for name, found in record.results.items()}
    without = record.model_copy(update={"results": lower})
    assert list(recorded.differences(record, without)) == []
    assert len(list(recorded.differences(without, record))) == 3


def test_a_result_that_is_not_recorded_yet_contradicts_nothing(record: VerificationRecord) -> None:
    fewer = {name: found for name, found in record.results.items() if not name.startswith("bm25")}
    before = record.model_copy(update={"results": fewer, "standings": {}})
    assert list(recorded.differences(before, record)) == []


def test_a_record_is_of_a_whole_folder(board: Path) -> None:
    refused = run("verify", path_of(board, "bm25").parent, "--record")
    assert isinstance(refused.exception, BadResult)
    assert "whole folder" in str(refused.exception)


def test_nothing_is_recorded_where_something_fails(board: Path) -> None:
    before = (board / RECORD).read_bytes()
    path_of(board, "bm25").write_text("{", encoding="utf-8")
    assert run("verify", board, "--record").exit_code == 1
    assert (board / RECORD).read_bytes() == before
