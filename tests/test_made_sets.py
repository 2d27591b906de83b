"""Sets that are made from public sources: from twins of these, built of the real data, they come out the same."""

from __future__ import annotations

import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from panglot.data.builders.emoji import EmojiSources, _id
from panglot.data.builders.split import split_by_hash
from panglot.data.builders.storybooks import StorybookSources
from panglot.data.load import read_pool
from panglot.data.origins.archive import Archive
from panglot.data.origins.fetch import fetch_file
from panglot.data.task import Task
from panglot.errors import BadData, MissingData
from panglot.files import data_from
from panglot.progress import Progress, silent
from tests.helpers.command import panglot
from tests.helpers.images import numbered
from tests.helpers.tasks import TASKS

LANGUAGES = TASKS["emoji-keywords-t2i"].languages[:-1]
PUBLIC = TASKS["storybooks-t2i"].source.build.__self__
"""Where the storybooks are."""

EMOJI_TASKS = ("emoji-t2i", "emoji-i2t", "emoji-mixed", "emoji-keywords-t2i", "emoji-keywords-i2t")
KEYCAP, WITHOUT_PICTURE = "1️⃣", "🫪"
NOT_OF_THE_SET = ("🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏃‍♀️", "👩‍🚒", "👨‍🦯‍➡️", "🏃‍➡️", "🕧", "🧔", "🧑‍🧑‍🧒", KEYCAP, WITHOUT_PICTURE)


def _archive(path: Path, members: Iterable[tuple[str, bytes]]) -> Archive:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return Archive(path.as_uri())


def _rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture(scope="module")
def emoji(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> EmojiSources:
    """The real emoji in the layout of their sources, and beside them some of each kind that is left out."""
    folder = tmp_path_factory.mktemp("emoji-sources")
    images, texts = (_rows(data_dir / "emoji" / f"{name}.parquet") for name in ("images", "texts"))
    group = {row["emoji"]: row["group"] for row in images}
    group[next(emoji for emoji in group if emoji.startswith("🏳")) + "\ufe0f"] = "Flags"
    annotations: Mapping[str, dict[str, Any]] = defaultdict(dict)
    sequences: Mapping[str, dict[str, Any]] = defaultdict(dict)
    emoji_of = {row["id"]: row["emoji"] for row in images}
    for row in texts:
        facts = {"default": [row["name"], *row["keywords"], row["name"].lower()], "tts": [row["name"]]}
        (annotations if len(emoji_of[row["id"]]) == 1 else sequences)[row["lang"]][emoji_of[row["id"]]] = facts
    for emoji in NOT_OF_THE_SET:
        for language in LANGUAGES:
            if (emoji, language) != (KEYCAP, "id"):
                annotations[language][emoji.replace("\ufe0f", "")] = {"default": [], "tts": [f"no {emoji}"]}

    def package(name: str, top: str, content: Mapping[str, Any]) -> Archive:
        return _archive(
            folder / name,
            (
                (f"package/{top}/{language}/annotations.json", _json({top: {"annotations": content[language]}}))
                for language in LANGUAGES
            ),
        )

    pictures = [(row["id"], row["png"]) for row in images]
    pictures += [(_id(emoji), numbered(n)) for n, emoji in enumerate(NOT_OF_THE_SET) if emoji != WITHOUT_PICTURE]
    groups = group | dict.fromkeys(NOT_OF_THE_SET, "Symbols")
    return EmojiSources(
        images=_archive(
            folder / "noto.tgz",
            [
                ("noto-emoji-b3/LICENSE", b"the licence"),
                *((f"noto-emoji-b3/png/128/emoji_{id_}.png", png) for id_, png in pictures),
            ],
        ),
        annotations=package("names.tgz", "annotations", annotations),
        derived=package("derived.tgz", "annotationsDerived", sequences),
        groups=_archive(
            folder / "groups.tgz",
            [("package/data-by-emoji.json", _json({emoji: {"group": name} for emoji, name in groups.items()}))],
        ),
        languages=LANGUAGES,
        expected=1418,
    )


@pytest.fixture(scope="module")
def made_emoji(emoji: EmojiSources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emoji")
    emoji.build(folder)
    return folder


@pytest.mark.parametrize("name", ["images", "texts"])
def test_made_emoji_equal_the_published_rows(name: str, made_emoji: Path, data_dir: Path) -> None:
    made, published = (pq.read_table(folder / f"{name}.parquet") for folder in (made_emoji, data_dir / "emoji"))
    assert made.schema.equals(published.schema)
    assert made.equals(published)


def test_licence_of_a_source_is_stored_beside_the_data(made_emoji: Path) -> None:
    assert (made_emoji / "LICENSE_noto-emoji.txt").read_bytes() == b"the licence"


@pytest.mark.parametrize("name", EMOJI_TASKS)
def test_pools_of_made_emoji_have_the_fingerprint_of_the_task(name: str, made_emoji: Path) -> None:
    paths = {part: made_emoji / f"{part}.parquet" for part in ("images", "texts")}
    assert TASKS[name].reader(paths).fingerprint == TASKS[name].fingerprint


def test_an_emoji_too_few_is_refused(emoji: EmojiSources, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="has 1418 of 1419 images"):
        replace(emoji, expected=1419).build(tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def _page(number: int, text: str) -> str:
    """A page of a story as the sites have it: the text in the page's language first, then in the site's."""
    lines = escape(text).replace(" ", "\n", 1)
    tag, shown = ("h1", f"<h1><span class='def'>{lines}</span>\n<span class='l1'>tittel</span></h1>")
    if number > 1:
        tag = "div"
        shown = f"<{tag} class='column col-6 level1-txt def'><h3>\n\t{lines}\n\t</h3></{tag}>"
        shown += f"<{tag} class='column level1-txt l1'><h3>tekst</h3></{tag}>"
    return f"<div id='text{number:02d}' class='columns'><div><img src='{number:02d}.jpg'></div>{shown}</div><hr>"


@pytest.fixture(scope="module")
def storybooks(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> StorybookSources:
    """The real stories in the layout of their sources."""
    folder = tmp_path_factory.mktemp("storybooks-sources")
    images, texts = (_rows(data_dir / "storybooks" / f"{name}.parquet") for name in ("images", "texts"))
    stories = defaultdict[tuple[str, str], list[dict[str, Any]]](list)
    for row in sorted(texts, key=lambda row: row["page"]):
        if row["kind"] != "alt":
            stories[row["lang"], row["story"]].append(row)
    files = [
        (
            language,
            f"top/stories/{language}/{story}/index.html",
            "".join(_page(row["page"], row["text"]) for row in rows),
        )
        for (language, story), rows in stories.items()
    ]
    files.append(("ru", "top/stories/ru/0002/index.html", _page(1, "under another licence")))

    def sites(name: str, languages: tuple[str, ...]) -> Archive:
        return _archive(
            folder / name, ((path, page.encode()) for language, path, page in files if language in languages)
        )

    return StorybookSources(
        images=_archive(
            folder / "images.tgz", ((f"top/{row['story']}/{row['page']:02d}.jpg", row["jpeg"]) for row in images)
        ),
        texts={sites(f"{number}.tgz", own): own for number, own in enumerate(PUBLIC.texts.values())},
        texts_sha256=PUBLIC.texts_sha256,
    )


def _from(task: Task, build: Callable[[Path, Progress, str], None]) -> Task:
    return replace(task, source=replace(task.source, build=build))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without the data: an empty cache."""
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_made_storybooks_equal_the_published_rows(storybooks: StorybookSources, data_dir: Path, nowhere: Path) -> None:
    published = TASKS["storybooks-mixed"]
    made = read_pool(_from(published, storybooks.build))
    with data_from(data_dir):
        given = read_pool(published)
    assert made.fingerprint != given.fingerprint
    assert (made.queries.ids, made.queries.texts) == (given.queries.ids, given.queries.texts)
    assert (made.candidates.ids, made.candidates.texts) == (given.candidates.ids, given.candidates.texts)
    assert (made.query.tolist(), made.candidate.tolist()) == (given.query.tolist(), given.candidate.tolist())
    path = fetch_file(_from(published, storybooks.build), "images")
    facts = [name for name in pq.read_schema(path).names if name != "jpeg"]
    table = pq.read_table(data_dir / "storybooks" / "images.parquet", columns=facts)
    assert pq.read_table(path, columns=facts).equals(table)


def test_other_texts_of_storybooks_are_refused(storybooks: StorybookSources, tmp_path: Path) -> None:
    one, other = storybooks.texts
    swapped = {one: storybooks.texts[one], replace(other, url=one.url): storybooks.texts[other]}
    with pytest.raises(BadData, match="texts have changed"):
        replace(storybooks, texts=swapped).build(tmp_path)


def test_a_made_set_is_made_once_and_checked_by_its_content(
    emoji: EmojiSources, data_dir: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def build(folder: Path, progress: Progress = silent, name: str = "") -> None:
        built.append(folder)
        emoji.build(folder, progress)

    task = _from(TASKS["emoji-t2i"], build)
    assert read_pool(task).fingerprint == read_pool(task).fingerprint == task.fingerprint
    assert len(built) == 1
    assert [path.name for path in (nowhere / "panglot" / "data").iterdir() if path.is_dir()] == ["emoji"]
    with pytest.raises(BadData, match="expected fingerprint 0000"):
        read_pool(replace(task, fingerprint="0000"))
    monkeypatch.setenv("PANGLOT_DATA", str(data_dir))
    assert fetch_file(task, "images") == data_dir / "emoji" / "images.parquet"


def test_fetch_checks_what_is_there(data_dir: Path) -> None:
    done = panglot("fetch", "storybooks", "starter", "--data-dir", str(data_dir))
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "storybooks-t2i", "storybooks-i2t", "storybooks-mixed", "starter",
    ]  # fmt: skip
    assert all(line.endswith(" candidates, identical to the published data") for line in lines)
    done = panglot("fetch", "xquad-r", "--languages", "en,de", "--data-dir", str(data_dir))
    assert "2,380 queries" in done.stdout
    assert done.stdout.endswith("matching the task's counts\n")


def test_split_by_hash_in_the_shares_of_the_readme() -> None:
    split = list(split_by_hash(map(str, range(211)), "salt").values())
    assert [split.count(name) for name in ("train", "valid", "test")] == [127, 21, 63]


def test_names_in_an_archive_are_never_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("top/../../x", "/top/x", "top/x", "top/x"):
            archive.addfile(_member(name, 1), io.BytesIO(b"1"))
        link = tarfile.TarInfo("top/y")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = sorted(tmp_path.iterdir())
    found = [tuple(member) for member in Archive(path.as_uri()).read(lambda name: name in ("x", "y"))]
    assert found == [("x", b"1")]
    assert sorted(tmp_path.iterdir()) == before


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _all(archive: Archive) -> list[Any]:
    return list(archive.read(lambda name: True))


def test_other_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = _archive(tmp_path / "good.tgz", [("top/x", bytes(range(256)) * 500)])
    data = (tmp_path / "good.tgz").read_bytes()
    with pytest.raises(BadData, match=r"expected sha256 0000, found [0-9a-f]{64}"):
        _all(replace(good, sha256="0000"))
    (tmp_path / "cut.tgz").write_bytes(data[: len(data) // 2])
    (tmp_path / "page.tgz").write_bytes(b"<html>")
    for name in ("cut.tgz", "page.tgz"):
        with pytest.raises(BadData, match=r"is not a \.tar\.gz archive or is truncated"):
            _all(Archive((tmp_path / name).as_uri()))
    with pytest.raises(MissingData, match=r"none\.tgz cannot be read .*--data-dir"):
        _all(Archive((tmp_path / "none.tgz").as_uri()))
    monkeypatch.setattr("panglot.data.origins.archive.LARGEST_MEMBER", 1000)
    with pytest.raises(BadData, match="exceeds the limits of"):
        _all(good)


@pytest.mark.network
@pytest.mark.parametrize("name", ["emoji-t2i", "storybooks-t2i"])
def test_public_sources_give_the_published_sets(name: str, nowhere: Path) -> None:
    assert read_pool(TASKS[name]).languages == TASKS[name].languages
