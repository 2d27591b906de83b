"""Sets of the Hub in several files and data sets: images in an archive, judgements apart from the documents."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.data.catalogue import FOLDER
from panglot.data.check import check_task_file
from panglot.data.image import IMAGES
from panglot.data.load import read_pool
from panglot.data.origins import packed
from panglot.data.origins.packed import packed_files
from panglot.data.task import Size
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData, MissingData, PanglotError
from panglot.files import DATA_VARIABLE, data_cache
from tests.helpers.archives import served, tar_gz, zipped
from tests.helpers.command import panglot
from tests.helpers.hub_server import HubServer, Repository, use_hub
from tests.helpers.images import numbered

XTD = "https://raw.githubusercontent.com/adobe-research/Cross-lingual-Test-Dataset-XTD10"
NAMES = [f"COCO_{'train' if n % 2 else 'val'}2014_{n:012}.jpg" for n in range(4)]
FILES = [(f"XTD10_dataset/{name}", numbered(number)) for number, name in enumerate(NAMES)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr("panglot.hub.WAITS", (0.0,) * 20)
    monkeypatch.chdir(tmp_path)
    server = HubServer()
    with server.running() as address:
        use_hub(address, tmp_path / "hf", monkeypatch)
        yield server


@pytest.fixture
def xtd(hub: HubServer, tmp_path: Path) -> Iterator[Path]:
    """The task file of XTD-10 with a twin of its files: the same names in the same places, four images."""
    text = (FOLDER / "xtd-10.toml").read_text("utf-8")
    places = [line.split('"')[1] for line in text.splitlines() if XTD in line]
    for place in places:
        path = tmp_path / "github" / place.removeprefix(f"{XTD}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = NAMES if path.name == "test_image_names.txt" else [f"{path.stem} {n}" for n in range(4)]
        path.write_text("\n".join(lines), encoding="utf-8")
    archive = tar_gz(tmp_path / "images.tar.gz", [("XTD10_dataset/README.md", b"photographs"), *FILES])
    hub.repositories["datasets", "Haon-Chen/XTD-10"] = Repository({"XTD10_dataset.tar.gz": archive.read_bytes()})
    with served(tmp_path / "github") as (address, _):
        twin = text.replace(XTD, address).replace("= 1000", "= 4").replace('"xtd-10"', '"twin"')
        (tmp_path / "twin.toml").write_text(twin, encoding="utf-8")
        yield tmp_path / "twin.toml"


def test_images_in_an_archive_and_captions_in_text_files_are_run(hub: HubServer, xtd: Path) -> None:
    hub.rate = 0.2
    done = panglot("run", "random", "--tasks", str(xtd), "--out", "out")
    assert done.returncode == 0, done.stderr
    assert len(list(Path("out").rglob("twin-*.json"))) == 3
    task = read_task_file(xtd)["twin"][0]
    pool = read_pool(task)
    assert task.sizes[IMAGES] == Size(0, 4)
    assert pool.queries.texts[pool.queries.ids.index(f"ja:{NAMES[2]}:0")] == "test_1kcaptions_jp 2"
    image = pool.candidates.images[pool.candidates.ids.index(f"zxx:{NAMES[2]}")]
    assert image.read() == numbered(2)
    assert {checked.state for checked in check_task_file(xtd)} == {"as stated"}
    assert sorted(path.name for path in data_cache("twin").iterdir()) == ["images.parquet", "texts.parquet"]
    hub.asked.clear()
    assert panglot("fetch", str(xtd)).returncode == 0
    assert hub.asked == []


def test_unusable_files_are_named(hub: HubServer, xtd: Path) -> None:
    (task, *_) = read_task_file(xtd)["twin"]
    files = hub.repositories["datasets", "Haon-Chen/XTD-10"].files
    archive = files.pop("XTD10_dataset.tar.gz")
    with pytest.raises(MissingData, match=r"Haon-Chen/XTD-10 has no file 'XTD10_dataset\.tar\.gz' at revision main"):
        read_pool(task)
    files["XTD10_dataset.tar.gz"] = tar_gz(xtd.parent / "some.tar.gz", FILES[:2]).read_bytes()
    lacking = f"XTD-10: XTD10_dataset.tar.gz lacks 2 of 4 images, the first '{NAMES[3]}', '{NAMES[2]}'"
    with pytest.raises(BadData, match=lacking):
        read_pool(task)
    files["XTD10_dataset.tar.gz"] = archive
    (captions,) = (xtd.parent / "github").rglob("test_1kcaptions_ko.txt")
    captions.write_text("one\n\nthree\n\n\n", encoding="utf-8")
    with pytest.raises(BadData, match=r"test_1kcaptions_ko\.txt has 3 lines, but there are 4 images"):
        read_pool(task)
    captions.unlink()
    with pytest.raises(MissingData, match=r"test_1kcaptions_ko\.txt cannot be read \(HTTPStatusError"):
        read_pool(task)


def test_without_the_hub_no_url_is_asked_for(xtd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("panglot.data.origins.caption_files._download", lambda url: pytest.fail(url))
    with pytest.raises(MissingData, match="Haon-Chen/XTD-10 is on the Hugging Face Hub, which cannot be reached"):
        read_pool(read_task_file(xtd)["twin"][0])


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        ("ko = { captions = 4 }", "", r"source.captions.ko: .*must name the same languages"),
        (
            "ko = { captions = 4 }",
            "ko = { captions = 4 }\nsw = { captions = 4 }",
            r"languages.sw: .*the same languages",
        ),
        ('revision = "main"', 'revision = "v2"', r"source.*revision"),
        ('images = "XTD10_dataset.tar.gz"', 'images = "../x.tar.gz"', "must be a relative path"),
        ('images = "XTD10_dataset.tar.gz"', 'images = "file:///etc/passwd"', "."),
    ],
)
def test_malformed_task_file_is_rejected(xtd: Path, line: str, changed: str, message: str) -> None:
    text = xtd.read_text("utf-8")
    assert line in text
    xtd.write_text(text.replace(line, changed), encoding="utf-8")
    with pytest.raises(PanglotError, match=message):
        read_pool(read_task_file(xtd)["twin"][0])


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    """A tar archive of files and links: name, type, and content or target."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
            else:
                info.linkname = content
            archive.addfile(info, io.BytesIO(content.encode()))
    return file.getvalue()


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def _linked_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("a.jpg")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_tar(("x/a.jpg", LINK, "/etc/passwd")), "a link or a folder named 'a.jpg'"),
        (_tar(("x/b.jpg", FILE, "b"), ("a.jpg", HARD, "x/b.jpg")), "a link or a folder named 'a.jpg'"),
        (_tar(("a.jpg", tarfile.CHRTYPE, "")), "a link or a folder named 'a.jpg'"),
        (_tar(("x/a.jpg", FILE, "a"), ("y/a.jpg", FILE, "b")), "two files named 'a.jpg'"),
        (_tar(("a.jpg", FILE, "a" * 200)), "'a.jpg': more than .* which are the limits"),
        (_tar(("p" * 200 + "/b.jpg", FILE, "b"))[:700], "cannot be read as"),
        (_tar(("b.jpg", FILE, "a")), "lacks 1 of 1 images, the first 'a.jpg'"),
        (_linked_zip(), "a link or a folder named 'a.jpg'"),
        (zipped([("a.jpg", b"a" * 200)]), "which are the limits"),
        (zipped([("a.jpg/b", b"a")]), "lacks 1 of 1 images"),
        (zipped([("a.jpg", b"a")])[:-4], "cannot be read as"),
        (gzip.compress(b"text"), "cannot be read as"),
        (gzip.compress(_tar(("a.jpg", FILE, "a")))[:-20], "cannot be read as"),
        (b"<html>", "cannot be read as"),
        (b"", "cannot be read as"),
    ],
)
def test_unusable_archive_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(BadData, match=message):
        list(packed_files(tmp_path / "images", {"a.jpg"}, 100, "images"))


@pytest.mark.parametrize("name", ["a.jpg", "../../a.jpg", "/etc/a.jpg", "C:\\x\\a.jpg", "x/./a.jpg"])
def test_folders_in_an_archive_do_not_matter(tmp_path: Path, name: str) -> None:
    for content in (_tar((name, FILE, "a")), gzip.compress(_tar((name, FILE, "a"))), zipped([(name, b"a")])):
        (tmp_path / "images").write_bytes(content)
        assert list(packed_files(tmp_path / "images", {"a.jpg"}, 100, "images")) == [("a.jpg", b"a")]
    assert [path.name for path in tmp_path.rglob("*")] == ["images"]


def test_a_record_of_any_size_is_not_read_into_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    (tmp_path / "images").write_bytes(info.tobuf() + bytes(4096))
    with pytest.raises(BadData, match="a record has more than"):
        list(packed_files(tmp_path / "images", {"a.jpg"}, 100, "images"))


def test_members_of_an_archive_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_MEMBERS", 2)
    (tmp_path / "images").write_bytes(_tar(*((f"{n}.jpg", FILE, "") for n in range(3))))
    with pytest.raises(BadData, match="more than 2 members"):
        list(packed_files(tmp_path / "images", {"9.jpg"}, 100, "images"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["tar", "gz", "zip"]), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8)
)
def test_damaged_archive_is_read_or_rejected(tmp_path: Path, kind: str, changes: list[tuple[int, int]]) -> None:
    content = _tar(("x/a.jpg", FILE, "a"), ("p" * 150 + "/b.jpg", FILE, "b"))
    packed_content = {"tar": content, "gz": gzip.compress(content), "zip": zipped([("x/a.jpg", b"a"), ("b.jpg", b"b")])}
    damaged = bytearray(packed_content[kind])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    (tmp_path / "images").write_bytes(damaged)
    try:
        found = list(packed_files(tmp_path / "images", {"a.jpg", "b.jpg"}, 100, "images"))
    except BadData:
        return
    assert {file.name for file in found} == {"a.jpg", "b.jpg"}


BENCH = """---
configs:
- config_name: queries
  default: true
  data_files:
  - split: eng
    path: data/news.eng.tsv
  - split: rus
    path: data/news.rus.tsv
  - split: zho
    path: data/news.zho.tsv
  format: csv
  sep: "\\t"
  header: null
  names: ["id", "query"]
- config_name: qrels
  default: false
  data_files:
  - split: mlir
    path: data/qrels.mlir.gains.txt
  - split: rus
    path: data/qrels.rus.gains.txt
  - split: zho
    path: data/qrels.zho.gains.txt
  format: csv
  sep: " "
  header: null
  names: ["id", "ignore", "docid", "relevance"]
---
"""
DOCUMENTS = """---
configs:
- config_name: default
  data_files:
  - split: rus
    path: data/rus-*.jsonl.gz
  - split: zho
    path: data/zho-*.jsonl.gz
---
"""
JUDGED = """
name = "twin"
title = "Twin of NeuCLIRBench"
headline = "ndcg@20"
licence = "none"
reader = "retrieval"
settings.parallel = true

[source]
kind = "hub-retrieval"
hub = "neuclir/neuclir1"
revision = "{documents}"
configs = ["default", "queries", "qrels"]
split = "{{subset}}"
judged = {{ hub = "neuclir/bench", revision = "{bench}" }}
columns.queries = {{ text = "query" }}
columns.qrels = {{ query-id = "id", corpus-id = "docid", score = "relevance" }}

[languages]
eng = {{ queries = 2, candidates = 0 }}
rus = {{ queries = 2, candidates = 3 }}
zho = {{ queries = 2, candidates = 3 }}
"""


@pytest.fixture
def neuclir(hub: HubServer, tmp_path: Path) -> Path:
    """A task file of NeuCLIRBench's form: documents in one data set, topics and judgements in another."""
    bench, documents = {"README.md": BENCH.encode()}, {"README.md": DOCUMENTS.encode()}
    for language in ("eng", "rus", "zho"):
        topics = "".join(f'{number}\tthe "topic {number} in {language}\n' for number in range(3))
        bench[f"data/news.{language}.tsv"] = topics.encode()
    for language in ("rus", "zho"):
        judged = [(0, 0, 3), (1, 1, 1), (1, 2, 3), (2, 0, 0)]
        lines = [f"{topic} {language} {language}-{document} {gain}\n" for topic, document, gain in judged]
        bench[f"data/qrels.{language}.gains.txt"] = "".join(lines).encode()
        bench["data/qrels.mlir.gains.txt"] = bench.get("data/qrels.mlir.gains.txt", b"") + "".join(lines).encode()
        rows = [
            {"id": f"{language}-{n}", "cc_file": "c", "time": None, "title": "t", "text": f"{n} {language}", "url": "u"}
            for n in range(3)
        ]
        content = "".join(f"{json.dumps(row)}\n" for row in rows)
        documents[f"data/{language}-00000-of-00001.jsonl.gz"] = gzip.compress(content.encode(), mtime=0)
    commits = {}
    for name, files in (("bench", bench), ("neuclir1", documents)):
        hub.repositories["datasets", f"neuclir/{name}"] = Repository(files)
        commits[name] = hub.repositories["datasets", f"neuclir/{name}"].commit
    text = JUDGED.format(bench=commits["bench"], documents=commits["neuclir1"])
    (tmp_path / "twin.toml").write_text(text, encoding="utf-8")
    return tmp_path / "twin.toml"


def test_judgements_in_another_data_set_are_run(hub: HubServer, neuclir: Path) -> None:
    hub.rate = 0.2
    done = panglot("run", "random", "--tasks", str(neuclir), "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "ndcg@20" in json.loads(Path("out/random@1/twin.json").read_text("utf-8"))["settings"]["multi"]
    assert panglot("verify", "out").returncode == 0
    (task,) = read_task_file(neuclir)["twin"]
    pool = read_pool(task)
    assert pool.queries.texts[pool.queries.ids.index("eng:1")] == 'the "topic 1 in eng'
    assert pool.candidates.texts[0] == "t\n0 rus"
    assert sorted(pool.gain.tolist()) == [1.0] * 6 + [3.0] * 12
    assert check_task_file(neuclir)[0].state == "as stated"
    hub.asked.clear()
    assert read_pool(task, ["eng", "zho"]).languages == ("eng", "zho")
    assert hub.asked == []


def test_other_judgements_in_the_cache_are_refused(hub: HubServer, neuclir: Path) -> None:
    read_pool(read_task_file(neuclir)["twin"][0])
    used = hub.repositories["datasets", "neuclir/bench"].commit
    neuclir.write_text(neuclir.read_text("utf-8").replace(used, "0" * 40), encoding="utf-8")
    with pytest.raises(BadData, match=f"bench@{'0' * 40} with .*, but the cache has .* and neuclir/bench@{used} with"):
        read_pool(read_task_file(neuclir)["twin"][0])


@pytest.mark.parametrize("seed", [4, 11])
def test_failing_requests_are_not_taken_for_missing_files(hub: HubServer, neuclir: Path, seed: int) -> None:
    hub.rate, hub.seed = 0.3, seed
    assert read_pool(read_task_file(neuclir)["twin"][0]).languages == ("eng", "rus", "zho")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{ text = "query" }', '{ text = "question" }', r"bench \(queries\), row 0: the column 'question' is missing"),
        ('{ text = "query" }', '{ topic = "query" }', r"source.*columns.queries.topic"),
        ("columns.queries", "columns.topics", r"columns.topics"),
        ("settings.parallel = true", "", r"languages.eng: has no candidates, which only a language of a parallel set"),
        ('split = "{subset}"', "", r"has no split 'test', but"),
    ],
)
def test_wrong_names_in_a_task_file_are_rejected(neuclir: Path, old: str, new: str, message: str) -> None:
    text = neuclir.read_text("utf-8")
    assert old in text
    neuclir.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PanglotError, match=message):
        read_pool(read_task_file(neuclir)["twin"][0])
