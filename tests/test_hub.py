"""Sets of the Hub: read from local twins of the same schema, and from the Hub itself where there is a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from panglot.data.load import read_pool
from panglot.data.origins.fetch import fetch_file
from panglot.data.origins.hub import HubSet
from panglot.data.readers.captions import read_hub, reader
from panglot.data.task import Size, Source, Task
from panglot.errors import MissingData
from tests.helpers.images import numbered
from tests.helpers.tasks import TASKS

FILE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"


def _twin(folder: Path, splits: Mapping[str, list[dict[str, Any]]], schema: Mapping[str, pa.DataType]) -> str:
    """A folder that `datasets` reads as it reads a repository of the Hub."""
    (folder / "data").mkdir(parents=True)
    lines = ""
    for split, rows in splits.items():
        pq.write_table(pa.Table.from_pylist(rows, pa.schema(schema)), folder / "data" / f"{split}-00000.parquet")
        lines += f"  - split: {split}\n    path: data/{split}-*.parquet\n"
    (folder / "README.md").write_text(CARD.format(files=lines), encoding="utf-8")
    return str(folder)


def _image(number: int) -> dict[str, Any]:
    return {"bytes": numbered(number), "path": f"{number}.png"}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[HubSet], dict[str, Path]]:
    """Fetches a set, as a task does it, into a folder."""
    target = tmp_path / "fetched"
    target.mkdir()

    def fetch(data: HubSet) -> dict[str, Path]:
        data.fetch(target)
        return {part: target / f"{part}.parquet" for part in ("images", "texts")}

    return fetch


def _xm3600(folder: Path) -> HubSet:
    rows = {
        language: [
            {
                "image_id": f"im{n}",
                "image": _image(n),
                "captions": [f"{n} {language} {k}" for k in range(1 + n % 2)],
                "captions_tokenized": [""],
                "captions_tokenized_lowercase": [""],
                "image_locale": ("bn", "cs")[n % 2],
            }
            for n in range(5)
        ]
        for language in ("bn", "cs")
    }
    texts = pa.list_(pa.string())
    schema = {
        "image_id": pa.string(),
        "image": FILE,
        "captions": texts,
        "captions_tokenized": texts,
        "captions_tokenized_lowercase": texts,
        "image_locale": pa.string(),
    }
    columns = {language: {language: "captions"} for language in rows}
    return HubSet(_twin(folder, rows, schema), "main", columns, id="image_id", locale="image_locale", shared=True)


def test_crossmodal_3600_and_its_variants(tmp_path: Path, read: Callable[[HubSet], dict[str, Path]]) -> None:
    paths = read(_xm3600(tmp_path / "twin"))
    data = read_hub(paths)
    assert [shown.id for shown in data.images] == [f"im{n}" for n in range(5)]
    assert data.images[3].image.read() == numbered(3)
    assert len(data.captions) == 2 * (3 + 4)
    assert len(read_hub(paths, first_only=True).captions) == 10
    assert reader(read_hub, "t2i")(paths).languages == ("bn", "cs", "zxx")
    asked = reader(read_hub, "mixed", only_own_locale=True)(paths).queries.ids
    assert sorted(asked) == ["bn:im0:0", "bn:im2:0", "bn:im4:0", "cs:im1:0", "cs:im3:0"]


def test_xflickr_co_has_one_caption_a_row(tmp_path: Path, read: Callable[[HubSet], dict[str, Path]]) -> None:
    rows = {
        language: [{"id": f"{n}.jpg", "image": _image(n), "sentences": f"{n} {language}"} for n in range(4)]
        for language in ("de", "ja")
    }
    path = _twin(tmp_path / "twin", rows, {"id": pa.string(), "image": FILE, "sentences": pa.string()})
    data = read_hub(read(HubSet(path, "main", {name: {name: "sentences"} for name in rows}, id="id", shared=True)))
    assert (len(data.images), len(data.captions)) == (4, 8)


def test_wit_has_other_images_in_each_language(tmp_path: Path, read: Callable[[HubSet], dict[str, Path]]) -> None:
    rows = {
        language: [{"image_id": f"w{n}", "image": _image(n), "captions": ["a", "b"]} for n in numbers]
        for language, numbers in (("ar", (0, 1)), ("bg", (1, 2, 3)))
    }
    path = _twin(tmp_path / "twin", rows, {"image_id": pa.string(), "image": FILE, "captions": pa.list_(pa.string())})
    data = read_hub(read(HubSet(path, "main", {name: {name: "captions"} for name in rows}, id="image_id")))
    assert [shown.id for shown in data.images] == ["w0", "w1", "w2", "w3"]
    assert len(data.captions) == 10


def test_multi30k_has_a_column_for_each_language(tmp_path: Path, read: Callable[[HubSet], dict[str, Path]]) -> None:
    names = ("en", "cs")
    rows = [{"image": _image(n), **{name: f"{n} {name}" for name in names}} for n in range(130)]
    path = _twin(tmp_path / "twin", {"test": rows}, {"image": FILE, **dict.fromkeys(names, pa.string())})
    paths = read(HubSet(path, "main", {"test": {name: name for name in names}}))
    data = read_hub(paths)
    assert (len(data.images), len(data.captions)) == (130, 260)
    assert pq.ParquetFile(paths["images"]).num_row_groups == 3
    assert [shown.image.read() for shown in data.images[::40]] == [numbered(n) for n in (0, 40, 80, 120)]


def _task(data: HubSet) -> Task:
    sizes = dict.fromkeys(("bn", "cs", "zxx"), Size(0, 0))
    files = {part: (f"{part}.parquet", "") for part in ("images", "texts")}
    source = Source("twin", files, build=data.fetch)
    return Task("twin", "", sizes, source, reader(read_hub, "i2t"), "ndcg@10", "", "")


def test_a_set_is_fetched_once_and_whole(own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_data / "home"))
    data = _xm3600(own_data / "twin")
    first = fetch_file(_task(data), "images")
    written = first.stat().st_mtime_ns
    assert [path.name for path in first.parent.parent.iterdir() if path.is_dir()] == ["twin"]
    assert fetch_file(_task(data), "images").stat().st_mtime_ns == written
    assert fetch_file(_task(data), "texts").parent == first.parent
    assert read_pool(_task(data)).has_images


def test_failed_fetch_leaves_nothing(own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_data / "home"))
    data = HubSet(str(own_data / "nowhere"), "main", {"ar": {"ar": "captions"}}, id="image_id")
    with pytest.raises(MissingData, match="cannot be read from the Hugging Face Hub"):
        fetch_file(_task(data), "images")
    assert not list((own_data / "home").rglob("*.parquet"))


@pytest.mark.network
@pytest.mark.parametrize("name", ["xm3600-i2t", "xflickr-co-i2t", "wit-i2t", "multi30k-i2t"])
def test_hub_sets_are_still_as_pinned(name: str) -> None:
    task = TASKS[name]
    pool = read_pool(task)
    assert {language: int(size) for language, size in zip(pool.languages, pool.sizes, strict=True)} == {
        language: size.candidates for language, size in task.sizes.items()
    }
