"""Where a task's files come from, and what is said when they are missing or changed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from leaderboard_app.uploads.sandbox import check_upload
from panglot.cli.main import app
from panglot.data.load import read_pool
from panglot.data.local import _remembered
from panglot.data.origins.archive import Archive
from panglot.data.origins.fetch import fetch_file
from panglot.data.origins.hub_rows import HubData
from panglot.data.readers.belebele import HubLanguages
from panglot.data.task import Source, Task
from panglot.data.task_files.read import read_task_file
from panglot.encode.load import load_model
from panglot.errors import BadData, MissingData
from panglot.evaluate.run import run
from panglot.files import data_from, data_of_process, data_root
from panglot.progress import Progress, silent
from tests.helpers.tasks import TASKS


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Task, Path]]:
    """The starter set as if it had to be downloaded, from a server on this machine; and the folder it serves."""
    packaged = TASKS["starter"].source.packaged
    assert packaged
    folder = tmp_path / "web"
    shutil.copytree(packaged, folder)
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield replace(TASKS["starter"], source=replace(TASKS["starter"].source, packaged=None, url=url)), folder
        server.shutdown()


def test_download_once_then_from_the_cache(served: tuple[Task, Path]) -> None:
    task, folder = served
    assert read_pool(task).fingerprint == task.fingerprint
    (folder / "en.json").unlink()
    assert fetch_file(task, "en").is_file()


def test_a_download_of_something_else_is_refused(served: tuple[Task, Path]) -> None:
    task, folder = served
    (folder / "en.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadData, match="is not the published one"):
        fetch_file(task, "en")


def test_verify_fetches_the_data_that_ids_are_compared_with(
    served: tuple[Task, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, folder = served
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    path = str(outcome.save(tmp_path / "made"))
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (task,))
    _remembered.cache_clear()

    def level(*options: str) -> str:
        (verdict,) = json.loads(CliRunner().invoke(app, ["verify", path, "--json", *options]).stdout)
        return str(verdict["level"])

    assert level() == "consistent"
    assert level("--fetch") == "recomputed"
    shutil.rmtree(folder)
    assert level() == "recomputed"
    shutil.rmtree(tmp_path / "cache")
    _remembered.cache_clear()
    done = CliRunner().invoke(app, ["verify", path, "--fetch"])
    assert "The data of starter is not available." in done.output
    assert "consistent" in done.output
    _remembered.cache_clear()


def test_unreachable_source_says_where_to_put_the_file(served: tuple[Task, Path]) -> None:
    task, folder = served
    (folder / "en.json").unlink()
    with pytest.raises(MissingData, match=r"en\.json cannot be reached .*--data-dir or PANGLOT_DATA"):
        fetch_file(task, "en")


def test_data_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with data_from(tmp_path), pytest.raises(MissingData, match=r"xquad-r/ar\.json does not exist.*PANGLOT_DATA"):
        read_pool(TASKS["xquad-r"])


def test_a_changed_file_is_named_with_both_hashes(tmp_path: Path, data_dir: Path) -> None:
    shutil.copytree(data_dir / "xquad-r", tmp_path / "xquad-r", copy_function=shutil.copyfile)
    path = tmp_path / "xquad-r" / "en.json"
    path.write_bytes(path.read_bytes().replace(b"308", b"309", 1))
    expected = TASKS["xquad-r"].source.files["en"][1]
    changed = rf"en\.json is damaged or changed: expected sha256 {expected}, found [0-9a-f]{{64}}"
    with data_from(tmp_path), pytest.raises(BadData, match=changed):
        read_pool(TASKS["xquad-r"], ["en"])


def test_counts_and_fingerprint_are_checked() -> None:
    task = TASKS["starter"]
    with pytest.raises(BadData, match=r"expected fingerprint 0000, found 71bc"):
        read_pool(replace(task, fingerprint="0000"))
    sizes = {**task.sizes, "de": task.sizes["de"]._replace(queries=53)}
    with pytest.raises(BadData, match=r"starter, de: expected 53 queries .*found 52 queries"):
        read_pool(replace(task, sizes=sizes))


@pytest.mark.parametrize("content", ["", "[]", '{"data": [{"title": "x"}]}', '{"data": 3}'])
def test_file_of_another_format_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "en.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadData, match=r"en\.json is not a SQuAD file"):
        TASKS["starter"].reader({"en": path})


@pytest.mark.network
@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
def test_download_from_the_public_repository(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda folder: tmp_path / folder)
    assert read_pool(TASKS[name]).fingerprint == TASKS[name].fingerprint


def test_a_data_folder_is_in_force_until_its_context_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_DATA", "from-the-variable")
    with data_from(Path("outer")):
        with data_from(Path("inner")), data_from(None):
            assert data_root() == Path("inner")
        assert data_root() == Path("outer")
    assert data_root() == Path("from-the-variable")


def test_a_data_folder_of_one_thread_is_not_that_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANGLOT_DATA", "from-the-variable")
    with data_from(Path("mine")), ThreadPoolExecutor(1) as threads:
        assert threads.submit(data_root).result() == Path("from-the-variable")


@pytest.mark.parametrize("before", [None, "from-the-variable"])
def test_later_threads_and_processes_use_the_data_folder_of_the_command(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    if before:
        monkeypatch.setenv("PANGLOT_DATA", before)
    monkeypatch.chdir(tmp_path)
    spawned = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with data_of_process(Path("data")), ThreadPoolExecutor(1) as threads, spawned as processes:
        for pool in (threads, processes):
            assert pool.submit(data_root).result() == tmp_path / "data"
    assert data_root() == (Path(before) if before else None)


def test_the_check_of_an_upload_uses_the_data_folder_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs in the folder of the upload, so a relative path must not stay one."""
    seen: list[dict[str, str]] = []

    def note(*_: object, env: dict[str, str], **__: object) -> NoReturn:
        seen.append(env)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leaderboard_app.uploads.sandbox.subprocess.Popen", note)
    for folder in (data_from(Path("data")), data_of_process(Path("data"))):
        with folder, pytest.raises(KeyboardInterrupt):
            check_upload(tmp_path, lambda *_: None)
    assert [env["PANGLOT_DATA"] for env in seen] == [str(tmp_path / "data")] * 2


@pytest.mark.parametrize("verb", ["board", "index"])
def test_the_leaderboard_is_started_with_the_data_folder(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path | None] = []
    monkeypatch.setattr("panglot.cli.leaderboard.os.execv", lambda *_: seen.append(data_root()))
    done = CliRunner().invoke(app, [verb, str(tmp_path), "--data-dir", str(tmp_path / "data")])
    assert (done.exit_code, seen) == (0, [tmp_path / "data"])


def test_the_option_of_a_verb_is_in_force_until_the_verb_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []

    def look(*_: object, **__: object) -> Path:
        seen.append(data_root())
        raise MissingData("nothing here")

    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setattr("panglot.data.load.fetch_file", look)
    done = CliRunner().invoke(app, ["fetch", "starter", "--data-dir", str(tmp_path)])
    assert done.exit_code != 0
    assert (seen, data_root()) == ([tmp_path], None)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task of two files that have to be built."""
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)

    def build(folder: Path, progress: Progress, name: str) -> None:
        (folder / name).write_text(name)

    source = Source("built", {"de": ("de/text", ""), "en": ("en/text", "")}, build=build, hub=("org/set@1",))
    return replace(TASKS["starter"], name="built", source=source)


def test_two_files_of_one_task_can_be_built_at_once(built: Task) -> None:
    begun, waiting = threading.Event(), threading.Event()

    def build(folder: Path, progress: Progress, name: str) -> None:
        begun.set()
        assert waiting.wait(60)
        (folder / name).write_text(name)

    class Second(FileLock):
        def acquire(self, *arguments: Any, **options: Any) -> Any:
            if begun.is_set():
                waiting.set()
            return super().acquire(*arguments, **options)

    slow = replace(built, source=replace(built.source, build=build))
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setattr("filelock.FileLock", Second)
        first = pool.submit(fetch_file, slow, "de")
        assert begun.wait(60)
        second = pool.submit(fetch_file, slow, "en")
        assert [first.result().read_text(), second.result().read_text()] == ["de/text", "en/text"]


def test_what_a_killed_process_left_does_not_get_into_the_cache(built: Task, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "panglot" / "data" / "built.unfinished" / "de" / ".text.123"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    folder = fetch_file(built, "en").parents[1]
    assert sorted(path.name for path in folder.rglob("*")) == ["en", "text"]
    assert not left.exists()


def test_interrupted_rows_of_the_hub_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(*_: object) -> Iterator[dict[str, str]]:
        yield {"link": "a"}
        raise MissingData("gone")

    monkeypatch.setattr(HubData, "rows", rows)
    with pytest.raises(MissingData):
        HubLanguages("org/set", "0" * 40)(tmp_path, silent, "de.jsonl")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["de", "en"])
def test_another_revision_in_the_cache_is_refused_until_it_is_removed(built: Task, part: str) -> None:
    folder = fetch_file(built, "de").parents[1]
    later = replace(built, source=replace(built.source, hub=("org/set@2",)))
    with pytest.raises(BadData, match="built is from org/set@2, but the cache has org/set@1 under the same name"):
        fetch_file(later, part)
    shutil.rmtree(folder)
    assert fetch_file(later, part).is_file()
    with pytest.raises(BadData, match="the cache has org/set@2"):
        fetch_file(built, part)


def test_files_built_by_other_keys_of_the_task_file_are_refused(built: Task, tmp_path: Path) -> None:
    text = Path("tasks/xm3600.toml").read_text(encoding="utf-8").replace('"xm3600"', '"photos"')
    (tmp_path / "one.toml").write_text(text, encoding="utf-8")
    (tmp_path / "other.toml").write_text(text.replace('id = "image_id"', 'id = "key"'), encoding="utf-8")
    one, other = (read_task_file(tmp_path / name)["photos"][0].source for name in ("one.toml", "other.toml"))
    assert one.hub == other.hub
    fetch_file(replace(built, source=replace(built.source, form=one.form)), "de")
    with pytest.raises(BadData, match=r'with .*"id":"key".*, but the cache has .*"id":"image_id"'):
        fetch_file(replace(built, source=replace(built.source, form=other.form)), "de")


def test_cache_that_cannot_be_written_is_not_taken_for_a_fault_of_the_network(
    served: tuple[Task, Path], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(NotADirectoryError):
        fetch_file(served[0], "en")


def test_archive_redirected_to_a_malformed_address_is_refused() -> None:
    class Redirecting(_Quiet):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "http://a..b/")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(BadData, match="label empty"):
            list(Archive(f"http://127.0.0.1:{server.server_port}/a.tar.gz").read(lambda _: True))
