"""Corpora and parallel sets of the Hub: fetched from a local twin of the same form, and what a killed fetch leaves."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from panglot.data.origins.hub_rows import HubData
from panglot.data.readers.belebele import HubLanguages, parallel_pool
from panglot.data.readers.miracl import HubCorpora
from panglot.data.task import Size, Source, Task
from panglot.errors import BadData, MissingData
from panglot.files import DATA_VARIABLE
from panglot.progress import silent
from tests.helpers.belebele import write_twin

PASSAGES = [{"_id": f"{n}#0", "title": f"title {n}", "text": f"text {n}"} for n in range(5)]


def _hub(folder: Path, configurations: Mapping[str, tuple[str, list[dict[str, Any]]]]) -> str:
    """A folder that `datasets` reads as it reads a repository: of each configuration a split and its rows."""
    folder.mkdir()
    lines = ["---", "configs:"]
    for name, (split, rows) in configurations.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
        lines += [f"- config_name: {name}", "  data_files:", f"  - split: {split}", f"    path: {name}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    return str(folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, where there is no data folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr("panglot.data.readers.miracl.FILE_PASSAGES", 2)
    return tmp_path / "home" / "panglot" / "data" / "twin"


@pytest.fixture
def task() -> Task:
    return Task("twin", "", {"sw": Size(2, 5)}, Source("twin", {}), parallel_pool, "ndcg@10", "", "", "")


@pytest.fixture
def corpora(tmp_path: Path) -> HubCorpora:
    queries = [{"_id": id_, "text": "?"} for id_ in ("7", "9")]
    return HubCorpora(
        _hub(tmp_path / "hub", {"sw-corpus": ("train", PASSAGES), "sw-queries": ("dev", queries)}), "main"
    )


def _content(folder: Path) -> dict[str, list[str]]:
    return {
        path.name: [json.loads(line)["docid"] for line in gzip.decompress(path.read_bytes()).splitlines()]
        for path in sorted(folder.glob("*.jsonl.gz"))
    }


def test_a_corpus_is_fetched_in_files_and_once(
    corpora: HubCorpora, task: Task, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpora(task, ["sw"], silent)
    assert [passage.id for passage in corpus.passages("sw")] == [f"sw:{n}#0" for n in range(5)]
    assert next(iter(corpus.passages("sw"))).text == "title 0\ntext 0"
    assert _content(home / "sw") == {
        "docs-00000.jsonl.gz": ["0#0", "1#0"],
        "docs-00001.jsonl.gz": ["2#0", "3#0"],
        "docs-00002.jsonl.gz": ["4#0"],
    }
    monkeypatch.setattr(HubData, "rows", lambda *_, **__: pytest.fail("It was fetched again."))
    assert len(list(corpora(task, ["sw"], silent).passages("sw"))) == 5


def test_killed_fetch_resumes(corpora: HubCorpora, task: Task, home: Path) -> None:
    steps: list[int] = []

    @contextmanager
    def killed(what: str, total: int) -> Iterator[Any]:
        def advance(count: int) -> None:
            steps.append(count)
            if sum(steps) == 2:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        corpora(task, ["sw"], killed)
    assert list(_content(home / "sw")) == ["docs-00000.jsonl.gz"]
    written = (home / "sw" / "docs-00000.jsonl.gz").stat().st_mtime_ns
    steps.append(-100)
    assert len(list(corpora(task, ["sw"], killed).passages("sw"))) == 5
    assert steps == [0, 2, -100, 2, 2, 1]
    assert (home / "sw" / "docs-00000.jsonl.gz").stat().st_mtime_ns == written
    assert not (home / "sw" / "unfinished").exists()


def test_the_queries_of_a_tier_are_fetched_once(corpora: HubCorpora, task: Task, home: Path) -> None:
    assert corpora.read_selection(task, "sw") == {"7", "9"}
    assert (home / "queries-sw.txt").read_text(encoding="utf-8").split() == ["7", "9"]
    (home / "queries-sw.txt").write_text("7", encoding="utf-8")
    assert corpora.read_selection(task, "sw") == {"7"}


def test_another_revision_of_a_corpus_is_refused_until_it_is_removed(
    corpora: HubCorpora, task: Task, home: Path
) -> None:
    later = replace(corpora, revision="later")
    corpora(task, ["sw"], silent)
    message = rf"twin is from .*@later, but the cache has .*@main under the same name. Remove {home}, or"
    with pytest.raises(BadData, match=message):
        later(task, ["sw"], silent)
    with pytest.raises(BadData, match=message):
        later.read_selection(task, "sw")
    shutil.rmtree(home)
    assert later.read_selection(task, "sw") == {"7", "9"}
    with pytest.raises(BadData, match=r"the cache has .*@later"):
        corpora(task, ["sw"], silent)


def test_two_processes_fetch_a_corpus_once(
    corpora: HubCorpora, task: Task, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, asked = HubData.rows, list[str]()

    def once(data: HubData, config: str, *arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        asked.append(config)
        return rows(data, config, *arguments, **options)

    monkeypatch.setattr(HubData, "rows", once)
    home.parent.mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        with FileLock(home.with_name(".twin.lock")):
            fetched = [pool.submit(corpora, task, ["sw"], silent) for _ in range(2)]
        assert [len(list(one.result().passages("sw"))) for one in fetched] == [5, 5]
    assert asked == ["sw-corpus"]


def test_unreachable_corpus_is_reported(task: Task, home: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"nowhere \(sw-corpus\) at revision main cannot be read"):
        HubCorpora(str(tmp_path / "nowhere"), "main")(task, ["sw"], silent)


def test_a_set_with_a_configuration_for_each_language(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    published = write_twin(tmp_path / "published", ["swh_Latn", "yor_Latn"])
    rows = {
        language: ("test", [{**json.loads(line), "answer": "1"} for line in path.read_text("utf-8").splitlines()])
        for language, path in published.items()
    }
    (tmp_path / "fetched").mkdir()
    fetch = HubLanguages(_hub(tmp_path / "hub", rows), "main")
    for language in rows:
        fetch(tmp_path / "fetched", silent, f"{language}.jsonl")
    fetched = {language: tmp_path / "fetched" / f"{language}.jsonl" for language in rows}
    assert parallel_pool(fetched).fingerprint == parallel_pool(published).fingerprint


def test_unreachable_set_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"nowhere \(swh_Latn\) at revision main cannot be read"):
        HubLanguages(str(tmp_path / "nowhere"), "main")(tmp_path, silent, "swh_Latn.jsonl")
