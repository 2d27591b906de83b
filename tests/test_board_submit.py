"""Uploads: strangers' zips are checked within bounds, kept one beside the other, and never reach the board."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.index.entries import Entry, Found
from leaderboard_app.index.score_rows import ALL
from leaderboard_app.uploads.inbox import Inbox, NotTaken
from leaderboard_app.uploads.sandbox import ARCHIVE, LIMITS, PLACED, FileReport, Limits, Report, check_upload
from leaderboard_app.uploads.upload import place_in_words, preview
from panglot.results.result_record import read_result_record
from panglot.trust.intake import take_in
from panglot.trust.submission import LARGEST_ZIP, pack
from tests.helpers.bombs import bombs
from tests.helpers.processes import LONGEST
from tests.helpers.submissions import make_submission
from tests.helpers.zips import entry_of_mode, write_zip

pytestmark = pytest.mark.usefixtures("no_checks")

REAL = Path(__file__).parents[1] / "submissions" / "use-multilingual@0.2.1"
PAGE = Path(__file__).parents[1] / "leaderboard_app" / "app_pages" / "submit.py"
SPACES = b" " * (20 << 20)


def _quiet(done: int, total: int) -> None:
    """Nobody looks at the bar."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submission("random", tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def good(folder: Path) -> bytes:
    return pack(folder, folder.parent / "good.zip").read_bytes()


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox", tmp_path / "board")


def _check(inbox: Inbox, data: bytes, limits: Limits = LIMITS) -> Report:
    with inbox.incoming(data) as own:
        report = check_upload(own, _quiet, limits)
        if report.folder:
            inbox.keep(own / ARCHIVE, report.folder)
        assert (own / PLACED / report.folder).is_dir() or not report.folder
    return report


def _kept(inbox: Inbox) -> list[Path]:
    """The zips in the inbox, beside which nothing is left but the lock."""
    zips = sorted(inbox.folder.glob("*.zip"))
    assert {path.name for path in inbox.folder.iterdir()} - {".lock"} == {path.name for path in zips}
    return zips


def test_accepted_upload_is_kept_byte_for_byte(inbox: Inbox, good: bytes, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with inbox.incoming(good) as own:
        report = check_upload(own, lambda done, total: told.append((done, total)))
        kept = inbox.keep(own / ARCHIVE, "random@1")
    assert told == [(0, 1), (1, 1)]
    assert (report.folder, report.refused) == ("random@1", "")
    assert [(file.name, file.level) for file in report.files] == [
        ("starter.de-en.json", "recomputed"),
        ("card.json", "declared"),
    ]
    assert _kept(inbox) == [kept]
    assert kept.read_bytes() == good
    target, _ = take_in(kept, tmp_path / "board")
    assert target == tmp_path / "board" / "random@1"


def test_a_changed_score_is_found(inbox: Inbox, folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    path = copy / "starter.de-en.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    score = result["settings"]["multi"]["map"]
    score[0] = score[2]
    path.write_text(json.dumps(result), encoding="utf-8")
    report = _check(inbox, pack(copy, tmp_path / "x.zip").read_bytes())
    assert report.folder == ""
    assert report.files[0].level == "failed"
    assert report.files[0].findings[0].startswith(f"settings.multi.map[0]: {score[2]} was found, 0.")
    assert _kept(inbox) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m@1/../../card.json", b"{}", "is not a file of a submission"),
        ("/etc/passwd", b"{}", "is not a file of a submission"),
        ("m@1/evil.py", b"import os", "is not a file of a submission"),
        ("m@1/card.json", SPACES, "decompresses to more than"),
        (entry_of_mode(stat.S_IFLNK | 0o777), b"/etc/passwd", "is a link or a device"),
        ("m@1/x.json", b"{}", "has no card.json"),
    ],
)
def test_hostile_zips_are_refused(
    name: zipfile.ZipInfo | str, content: bytes, message: str, inbox: Inbox, tmp_path: Path
) -> None:
    report = _check(inbox, write_zip(tmp_path / "x.zip", [(name, content)]).read_bytes())
    assert message in report.refused
    assert str(tmp_path) not in report.model_dump_json()
    assert _kept(inbox) == []
    assert {path.name for path in tmp_path.iterdir()} == {"inbox", "x.zip"}


def test_texts_of_a_file_are_made_visible(inbox: Inbox, folder: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["starter.de-en.json"] = '{"\u202egood\\u001b[2J": 1, "<b>": 2}'.encode()
    entries = [(f"{folder.name}/{name}", data) for name, data in files.items()]
    report = _check(inbox, write_zip(tmp_path / "x.zip", list(entries)).read_bytes())
    finding = report.files[0].findings[0]
    assert finding.startswith("starter.de-en.json is not a valid result")
    assert finding.isprintable()
    assert str(tmp_path) not in finding


def test_bombs_are_refused(inbox: Inbox, folder: Path, tmp_path: Path) -> None:
    for name, content in islice(bombs(folder), 0, 8, 3):
        files = {path.name: path.read_bytes() for path in folder.iterdir()} | {name: content}
        entries = [(f"{folder.name}/{file}", data) for file, data in files.items()]
        report = _check(inbox, write_zip(tmp_path / "x.zip", list(entries), zipfile.ZIP_STORED).read_bytes())
        assert not report.folder
        assert len(report.model_dump_json()) < 5000
    assert _kept(inbox) == []


def test_concurrent_uploads_do_not_mix(inbox: Inbox, good: bytes, tmp_path: Path) -> None:
    other = make_submission("constant", tmp_path)
    zips = [good, pack(other, tmp_path / "other.zip").read_bytes(), good]
    with ThreadPoolExecutor(len(zips)) as pool:
        reports = list(pool.map(lambda data: _check(inbox, data), zips))
    assert [report.folder for report in reports] == ["random@1", "constant@1", "random@1"]
    assert sorted(path.read_bytes() for path in _kept(inbox)) == sorted(zips)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(address_space=300 << 20), "needs more than 300 MiB of memory. Check it with panglot verify"),
        (Limits(processor_seconds=0), "took more than 0 seconds of computing. Check it with panglot verify"),
        (Limits(seconds=0.1), "took longer than 0.1 seconds. Check it with panglot verify"),
        (Limits(file_bytes=1000), "File too large"),
    ],
)
def test_check_over_its_limits_is_stopped(limits: Limits, message: str, inbox: Inbox, tmp_path: Path) -> None:
    report = _check(inbox, pack(REAL, tmp_path / "x.zip").read_bytes(), limits)
    assert message in report.refused
    assert _kept(inbox) == []


def test_crashed_check_does_not_pass(inbox: Inbox, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert "broke down (code 1)" in _check(inbox, good).refused
    assert _kept(inbox) == []


def test_check_stops_when_its_visitor_leaves(inbox: Inbox, good: bytes) -> None:
    def leave(done: int, total: int) -> None:
        raise RuntimeError("the page was closed")

    for _ in range(3):  # more than run at once: each must give its turn back
        with pytest.raises(RuntimeError, match="closed"), inbox.incoming(good) as own:
            check_upload(own, leave)
    assert _kept(inbox) == []


def test_full_inbox_is_reported(good: bytes, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", tmp_path, most_files=2)
    for _ in range(2):
        with inbox.incoming(good) as own:
            inbox.keep(own / ARCHIVE, "random@1")
    with pytest.raises(NotTaken, match="is full"), inbox.incoming(good):
        pass
    small = Inbox(tmp_path / "small", tmp_path, most_bytes=len(good) + 1)
    with small.incoming(good) as one, small.incoming(good) as other:
        small.keep(one / ARCHIVE, "one@1")
        with pytest.raises(NotTaken, match="is full"):
            small.keep(other / ARCHIVE, "other@1")
    assert len(_kept(small)) == 1


def test_number_of_concurrent_checks_is_limited(inbox: Inbox, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboard_app.uploads.inbox.PATIENCE", 0.1)
    others = pytest.raises(NotTaken, match="Others are being checked")
    with inbox.incoming(good), inbox.incoming(good), others, inbox.incoming(good):
        pass
    with inbox.incoming(good) as own:
        assert (own / ARCHIVE).read_bytes() == good


def test_unusable_upload_is_explained(inbox: Inbox, good: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match="larger than 128 MiB"), inbox.incoming(bytes(LARGEST_ZIP + 1)):
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(NotTaken, match="cannot be written"),
        Inbox(tmp_path / "file" / "inbox", tmp_path).incoming(good),
    ):
        pass


def test_stale_files_are_removed(inbox: Inbox, good: bytes) -> None:
    old, new = inbox.folder / ".incoming-old", inbox.folder / ".incoming-new"
    for path in (old, new):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    with inbox.incoming(good):
        assert (old.exists(), new.exists()) == (False, True)


def _page(folder: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(sys, "argv", ["app", str(folder), str(inbox.folder)])
    return AppTest.from_file(str(PAGE), default_timeout=LONGEST).run()


def _upload(page: AppTest, data: bytes) -> AppTest:
    page.file_uploader[0].upload("../../x<b>.zip", data).run()
    page.button[0].click().run()
    assert not page.exception
    return page


def test_the_page_shows_a_preview_to_one_person_only(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_submission("constant", inbox.board)
    sent = make_submission("bm25", tmp_path)
    page = _upload(_page(inbox.board, inbox, monkeypatch), pack(sent, tmp_path / "bm25.zip").read_bytes())
    kept = _kept(inbox)[0]
    assert kept.name in page.success[0].value
    assert page.code[-1].value.splitlines() == ["starter.de-en.json  recomputed", "card.json  declared"]
    table = page.dataframe[0].value
    assert dict(zip(table["model"], table["yours"], strict=True)) == {"bm25": "▶", "constant (floor)": ""}
    own = table.iloc[0]
    result = read_result_record(sent / "starter.de-en.json")
    assert [own[name] for name in ("mono", "cross", "multi")] == [
        result.settings[name]["map"].value for name in ("mono", "cross", "multi")
    ]
    assert (own["balance"], own["rank"], own["trust"]) == (result.balance["map"].value, "1", "recomputed")
    assert "Place 1 of 1" in page.markdown[-1].value
    assert not _page(inbox.board, inbox, monkeypatch).dataframe
    assert [path.name for path in inbox.board.iterdir()] == ["constant@1"]


def test_a_preview_ranks_verified_models_and_shows_the_upload_first() -> None:
    def entry(name: str, trust: str) -> Entry:
        return Entry(
            id=f"{name}@1/starter", folder=f"{name}@1", task="starter", trust=trust, name=name, identity=name,
            revision="1", headline="map", languages=("de", "en"),
        )  # fmt: skip

    levels = {
        "paper": ("published", 0.9),
        "claimed": ("self-reported", 0.8),
        "constant": ("recomputed", 0.7),
        "better": ("recomputed", 0.6),
        "mine": ("recomputed", 0.5),
        "worse": ("consistent", 0.4),
    }
    entries = {name: entry(name, trust) for name, (trust, _) in levels.items()}
    rows = [(entries[name].id, "map", "balance", ALL, ALL, value, None, None) for name, (_, value) in levels.items()]
    columns = ["result", "metric", "setting", "query", "candidate", "value", "low", "high"]
    others = [entry for name, entry in entries.items() if name != "mine"]
    found = Found([entries["mine"]], [], {})
    table = preview(others, [pd.DataFrame(rows, columns=columns)], found, "starter")
    assert table["model"].tolist() == ["mine", "better", "worse", "claimed", "paper", "constant (floor)"]
    assert table.set_index("model")["rank"].dropna().to_dict() == {"mine": 2, "better": 1, "worse": 3}
    assert place_in_words(table) == "Place 2 of 3 by balance."


def test_the_page_of_an_empty_board_takes_uploads(
    good: bytes, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    page = _upload(_page(tmp_path / "empty", inbox, monkeypatch), good)
    assert "This result is not ranked" in page.markdown[-1].value  # a floor


def test_the_page_says_what_is_wrong(
    folder: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    (copy / "card.json").write_text("{}", encoding="utf-8")
    page = _upload(_page(inbox.board, inbox, monkeypatch), pack(copy, tmp_path / "x.zip").read_bytes())
    assert "refused" in page.error[0].value
    assert "card.json  failed" in page.code[-1].value
    page.file_uploader[0].upload("other.zip", b"PK").run()
    assert not page.error
    _upload(page, b"hello")
    assert "cannot be unpacked" in page.code[-1].value
    assert _kept(inbox) == []


def test_a_revision_that_is_on_the_board(
    folder: Path, good: bytes, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _upload(_page(folder.parent, inbox, monkeypatch), good)
    assert "is on the board" in page.warning[0].value
    assert not page.dataframe
    assert _kept(inbox) == []


def test_uploads_per_session_are_limited(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _page(inbox.board, inbox, monkeypatch)
    page.session_state["uploads"] = 20
    page.run()
    assert "20 uploads" in page.warning[0].value
    assert page.button[0].disabled


def test_long_report_is_truncated() -> None:
    file = FileReport(name="x.json", level="failed", findings=("a",) * 20)
    lines = Report(files=(file,) * 20).lines()
    assert lines[0] == "x.json  failed"
    assert lines[-1] == f"and {20 * 21 - 200} more lines"
    assert len(lines) == 201
