"""Task files come from anyone: where their data is written, which addresses they can name, and what they can read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from panglot.data.builders.training.fetch import FOLDER as TRAINING
from panglot.data.catalogue import FOLDER, load_tasks
from panglot.data.corpus import StreamedTask
from panglot.data.load import read_pool
from panglot.data.origins.fetch import fetch_file
from panglot.data.readers.miracl import HubCorpora
from panglot.data.sources import AnySource
from panglot.data.task import Task
from panglot.data.task_files.read import read_task_file
from panglot.data.task_files.tables import ReferenceTable, Slug
from panglot.encode.cache import VECTORS
from panglot.errors import BadData, MissingData, PanglotError
from panglot.files import DATA_VARIABLE, cache_dir
from panglot.progress import Progress, silent
from tests.helpers.layout import ROOT

EXAMPLES = {
    content["source"]["kind"]: (path, content["source"])
    for path in sorted(FOLDER.glob("*.toml"))
    if "source" in (content := tomllib.loads(path.read_text("utf-8")))
}
"""A built-in file of each kind of source."""
OPTIONAL: dict[str, dict[str, Any]] = {
    "download": {"files": {"ar": "arabic.json"}},
    "folder": {"files": {"ar": "arabic.json"}},
    "hub-rows": {"reencoded": False},
    "hub-captions": {"id": "id", "locale": "place", "shared": True, "reencoded": True},
    "caption-files": {"reencoded": False},
    "hub-retrieval": {
        "split": "test",
        "subset": "{language}",
        "subsets": {"de": "german"},
        "configs": ["a", "b", "c"],
        "images": "images",
        "shared": True,
        "judged": {"hub": "org/set", "revision": "0" * 40},
        "columns": {"corpus": {"id": "number"}},
        "reencoded": False,
    },
    "emoji": {"reencoded": False},
    "storybooks": {},
}
"""The other keys of each kind."""
NO_PLACES = {
    "hub-captions": {"split", "captions", "id", "locale"},
    "hub-retrieval": {"split", "subset", "subsets", "configs", "images", "columns"},
    "storybooks": {"languages"},
}
"""Keys that name columns, splits, configurations and languages, so that any text will do."""
SOURCES: TypeAdapter[Any] = TypeAdapter(AnySource)


def _other_caches() -> Iterator[str]:
    yield from (TRAINING, VECTORS)
    for path in (path for top in ("suite", "leaderboard_app") for path in (ROOT / top).rglob("*.py")):
        yield from re.findall(r'cache_dir\("([a-z]+)"', path.read_text("utf-8"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / name)
    return cache_dir()


def _fetch(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch some files of a task, where everything that is fetched is an empty file."""

    def empty(folder: Path, name: str) -> str:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        return str(folder / name)

    def build(folder: Path, progress: Progress, name: str) -> None:
        empty(folder, name)

    monkeypatch.setattr("pooch.retrieve", lambda url, known_hash, fname, path: empty(path, fname))
    monkeypatch.setattr(HubCorpora, "_rows", lambda *_: iter([{"docid": "1", "title": "", "text": "one"}]))
    source = replace(task.source, build=task.source.build and build)
    for part in list(source.files)[:2] if source.build or source.url else ():
        fetch_file(replace(task, source=source), part)
    if isinstance(task, StreamedTask):
        task.corpus(task, task.languages[:1], silent)


@pytest.mark.parametrize("example", [*(path.name for path, _ in EXAMPLES.values()), "miracl.toml"])
def test_data_of_a_task_of_any_name_is_written_only_to_its_own_folder(
    example: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(r'^name = ".*"', 'name = "NAME"', (FOLDER / example).read_text("utf-8"), count=1, flags=re.MULTILINE)
    for name in sorted({*_other_caches(), "a_b-c"}):
        path = tmp_path / "stranger" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("NAME", name), encoding="utf-8")
        task = next(task for tasks in read_task_file(path).values() for task in tasks)
        assert task.source.folder == name
        _fetch(task, monkeypatch)
    assert example == "starter.toml" or {path.name for path in cache.glob("*")} == {"data"}


@pytest.mark.parametrize("name", ["storybooks", "emoji", "xquad-r"])
def test_copy_of_a_built_in_file_is_accepted_unless_its_files_are_built_from_other_sources(
    name: str, tmp_path: Path
) -> None:
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    (tmp_path / "copy.toml").write_text(text, encoding="utf-8")
    assert load_tasks(str(tmp_path / "copy.toml"))
    if name != "xquad-r":
        (tmp_path / "copy.toml").write_text(text.replace("https://github.com", "https://example.org"), "utf-8")
        with pytest.raises(PanglotError, match="is the name of a built-in task or set with different content"):
            load_tasks(str(tmp_path / "copy.toml"))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "/a", "a.b", "a:b", "A", "a--b", "a" * 41, "com1", "nul"]
)
def test_name_of_a_set_that_is_no_plain_folder_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Slug).validate_python(name)


def test_sets_of_the_hub_are_apart_from_those_of_task_files() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Slug).validate_python("org--set")


def _texts(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each text in a table."""
    if isinstance(value, str):
        yield way
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, (*way, key))


def _with(table: dict[str, Any], way: tuple[Any, ...], text: str) -> str:
    changed: Any = deepcopy(table)
    inner = changed
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = text
    return json.dumps(changed)


@pytest.mark.parametrize(
    "text", ["file:///etc/passwd", "ftp://example.org/a", "/etc/passwd", "C:/a", "../a", "a\\..\\b"]
)
def test_no_key_of_any_source_leads_to_files_of_this_machine(text: str) -> None:
    models = get_args(get_args(AnySource)[0])
    assert len(models) == len(EXAMPLES)
    for model in models:
        (kind,) = get_args(model.model_fields["kind"].annotation)
        table = {**OPTIONAL[kind], **EXAMPLES[kind][1]}
        assert table.keys() == model.model_fields.keys()
        SOURCES.validate_json(json.dumps(table))
        for way in _texts(table):
            if not NO_PLACES.get(kind, set()) & set(way):
                with pytest.raises(ValidationError):
                    SOURCES.validate_json(_with(table, way, text))
    with pytest.raises(ValidationError):
        ReferenceTable.model_validate({"title": "a", "url": text})


@pytest.mark.parametrize("host", ["", "[", "[::1", "a:port", "..", "a..b", "%00", "*", "user@a", "a" * 64 + ".org"])
def test_address_without_a_plain_host_is_rejected(host: str) -> None:
    with pytest.raises(ValidationError, match="must be an address on the web"):
        ReferenceTable.model_validate({"title": "a", "url": f"http://{host}/a"})


def test_path_too_long_for_a_file_is_rejected_with_its_line(stranger: Path) -> None:
    for path in ("a" * 201, "ä" * 101, "data/" + "a" * 300):
        changed = stranger.with_name("long.toml")
        changed.write_text(stranger.read_text("utf-8").replace('"data"', f'"{path}"'), encoding="utf-8")
        with pytest.raises(BadData, match=r"long\.toml, line 8: source\.path: has a part of more than 200 bytes"):
            load_tasks(str(changed))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A task file that reads `data/pairs.csv` beside it."""
    folder = tmp_path / "stranger"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "pairs.csv").write_text("query,passage,language\none,1,en\n", encoding="utf-8")
    text = 'name = "s"\ntitle = "S"\nheadline = "map"\nlicence = "CC0"\nreader = "pairs"\n'
    text += '[source]\nkind = "folder"\npath = "data"\n[languages]\nen = { queries = 1, candidates = 1 }\n'
    (folder / "s.toml").write_text(text, encoding="utf-8")
    return folder / "s.toml"


@pytest.mark.parametrize("linked", ["data", "data/pairs.csv", "data/loop"])
def test_task_file_that_reads_outside_of_its_folder_by_a_link_is_rejected(
    linked: str, stranger: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    (stranger.parent / "data").rename(secret)
    if linked == "data/loop":
        (stranger.parent / "data").symlink_to("data")
    elif linked == "data":
        (stranger.parent / "data").symlink_to(secret)
    else:
        (stranger.parent / "data").mkdir()
        (stranger.parent / linked).symlink_to(secret / "pairs.csv")
    with pytest.raises((BadData, MissingData)) as caught:
        read_pool(load_tasks(str(stranger))[0])
    if linked != "data/loop":
        assert f"{stranger}, line 8: source.path: " in str(caught.value)
        assert f"is a link to {secret / 'pairs.csv'}, outside of the folder of this file" in str(caught.value)


def test_links_within_the_folder_of_a_task_file_and_to_that_folder_are_followed(stranger: Path, tmp_path: Path) -> None:
    (stranger.parent / "data").rename(stranger.parent / "real")
    (stranger.parent / "data").symlink_to("real")
    (tmp_path / "linked").symlink_to(stranger.parent)
    (tmp_path / "s.toml").symlink_to(stranger)
    (tmp_path / "data").symlink_to(stranger.parent / "data")
    for path in (stranger, tmp_path / "linked" / "s.toml", tmp_path / "s.toml"):
        assert len(read_pool(load_tasks(str(path))[0]).queries) == 1


def test_own_data_can_be_linked(stranger: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "pairs.csv").symlink_to(stranger.parent / "data" / "pairs.csv")
    (tmp_path / "linked").symlink_to(own)
    for name in ("own", "linked", "own/pairs.csv"):
        assert len(read_pool(load_tasks(str(tmp_path / name))[0]).queries) == 1
