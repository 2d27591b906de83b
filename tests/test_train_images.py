"""Images of one's own with captions: a folder with a table, a Parquet file, a data set; bad rows by their place."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from panglot.errors import BadData
from panglot.train.data.own_images import own_captions
from panglot.train.data.pairs import ImageCaption
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe import ImageData
from panglot.train.recipes.recipe_file import make_recipe

COLOURS = ("red", "green", "blue")


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


def captions(**changes: Any) -> list[tuple[str, str]]:
    """The languages and texts of the captions of a source."""
    data = ImageData(**{"name": "own", "language": "lang", **changes})
    found = own_captions(data, ("en", "de"))
    assert {caption.image for caption in found.captions} == set(found.images())
    return [(caption.language, caption.text) for caption in found.captions]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures below a folder, with a table of captions in two languages."""
    (tmp_path / "photos" / "files").mkdir(parents=True)
    lines = ["image,lang,caption"]
    for colour in COLOURS:
        (tmp_path / "photos" / "files" / f"{colour}.png").write_bytes(picture(colour))
        lines += [f"files/{colour}.png,{language},{language} {colour}" for language in ("en", "de")]
    (tmp_path / "photos" / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "photos"


EXPECTED = [(language, f"{language} {colour}") for colour in COLOURS for language in ("en", "de")]


def test_folder_with_a_table_of_captions(folder: Path) -> None:
    assert captions(source=str(folder)) == EXPECTED
    assert captions(source=str(folder / "captions.csv")) == EXPECTED


def test_table_as_datasets_names_it(folder: Path) -> None:
    rows = [{"file_name": f"files/{colour}.png", "text": colour} for colour in COLOURS]
    (folder / "captions.csv").unlink()
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = {"image": "file_name", "caption": "text", "language": None, "only_language": "en"}
    assert captions(source=str(folder), **columns) == [("en", colour) for colour in COLOURS]


@pytest.mark.parametrize("wrapped", [False, True])
def test_parquet_file_with_an_image_column(tmp_path: Path, wrapped: bool) -> None:
    rows = [
        {"image": {"bytes": data, "path": None} if wrapped else data, "lang": "eng_Latn", "caption": colour}
        for colour in COLOURS
        for data in [picture(colour)]
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "own.parquet")
    assert captions(source=str(tmp_path / "own.parquet")) == [("en", colour) for colour in COLOURS]


def test_data_set_with_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import Dataset, Features, Image, Value

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {"image": [{"bytes": picture(colour), "path": None} for colour in COLOURS], "caption": list(COLOURS)}
    features = Features({"image": Image(), "caption": Value("string")})
    (tmp_path / "set").mkdir()
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "train.parquet")
    found = captions(source=str(tmp_path / "set"), language=None, only_language="de")
    assert found == [("de", colour) for colour in COLOURS]


def test_equal_images_are_one(folder: Path) -> None:
    (folder / "files" / "copy.png").write_bytes(picture("red"))
    table = folder / "captions.csv"
    table.write_text(table.read_text("utf-8") + "\nfiles/copy.png,en,again", encoding="utf-8")
    found = own_captions(ImageData(name="own", source=str(folder), language="lang"), ("en",))
    red = next(caption.image for caption in found.captions if caption.text == "en red")
    assert ImageCaption(red, "en", "again") in found.captions
    assert len(found.images()) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("files/none.png,en,x", "'files/none.png', which is not a file in"),
        ("../outside.png,en,x", "'../outside.png', which is not a file in"),
        ("{outside},en,x", "which is not a file in"),
        ("link.png,en,x", "'link.png', which is not a file in"),
        (f"{'A long caption. ' * 20},en,x", "'A long caption. A"),
        ("a\0b,en,x", r"'a\x00b', which is not a file in"),
        ("files/broken.png,en,x", "an image that cannot be decoded"),
        (",en,x", "found an empty text"),
    ],
)
def test_image_that_cannot_be_used_is_named(folder: Path, line: str, said: str) -> None:
    outside = folder.parent / "outside.png"
    outside.write_bytes(picture("red"))
    (folder / "link.png").symlink_to(outside)
    (folder / "files" / "broken.png").write_bytes(picture("red")[:40])
    table = folder / "captions.csv"
    table.write_text(table.read_text("utf-8") + "\n" + line.replace("{outside}", str(outside)), encoding="utf-8")
    with pytest.raises(
        BadData, match=r"own: .*captions\.csv, line 8, column 'image': expected an image, found .*"
    ) as raised:
        captions(source=str(folder))
    assert said in str(raised.value)


def test_bad_rows_with_images_are_skipped_and_counted(folder: Path) -> None:
    (folder / "files" / "broken.png").write_bytes(picture("red")[:40])
    table = folder / "captions.csv"
    lines = ["files/none.png,en,x", "files/broken.png,en,x", "files/broken.png,de,x", "files/red.png,en, "]
    table.write_text(table.read_text("utf-8") + "\n" + "\n".join(lines), encoding="utf-8")
    skipped: list[str] = []
    data = ImageData(name="own", source=str(folder), language="lang", bad_rows="skip")
    found = own_captions(data, ("en", "de"), skipped)
    assert [(caption.language, caption.text) for caption in found.captions] == EXPECTED
    assert len(found.images()) == 3
    assert skipped == [
        f"own: {table}: skipped 4 invalid rows. First: line 8, column 'image': expected an image, found "
        f"'files/none.png', which is not a file in {folder}."
    ]


def test_bad_caption_and_other_languages_are_named(folder: Path) -> None:
    table = folder / "captions.csv"
    with pytest.raises(BadData, match=r"is in de, en, expected fr"):
        own_captions(ImageData(name="own", source=str(folder), language="lang"), ("fr",))
    with pytest.raises(BadData, match=r"has no column text; it has image, lang, caption\."):
        captions(source=str(folder), caption="text")
    table.write_text(table.read_text("utf-8").replace("de green", " "), encoding="utf-8")
    with pytest.raises(BadData, match=r"line 5, column 'caption': expected a text, found a blank text"):
        captions(source=str(folder))


def test_bytes_of_a_path_in_a_parquet_file_are_read_beside_it_only(tmp_path: Path) -> None:
    rows = [{"image": {"bytes": None, "path": "/etc/hostname"}, "lang": "en", "caption": "x"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "own.parquet")
    with pytest.raises(BadData, match="'/etc/hostname', which is not a file in"):
        captions(source=str(tmp_path / "own.parquet"))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({"name": "own", "source": "photos"}, r"set either language \(a column\) or only_language"),
        ({"name": "own"}, "unknown image set 'own'; known: emoji, storybooks, emoji_sample, or set source"),
        ({"name": "emoji", "caption": "text"}, "emoji: caption is only allowed with a source"),
        ({"name": "xm3600", "source": "photos", "only_language": "en"}, "do not train on it"),
    ],
)
def test_image_sets_that_mean_nothing_are_refused(images: dict[str, Any], said: str) -> None:
    with pytest.raises(BadData, match=said):
        make_recipe({"name": "x", "text": {"kind": "static"}, "data": [{"name": "ntrex"}], "images": [images]})


@pytest.mark.parametrize("pairing", ["true", "shuffled", "captions"])
def test_own_images_take_every_pairing(folder: Path, pairing: str) -> None:
    images = [{"name": "own", "source": str(folder), "language": "lang", "pairing": pairing}]
    sampler = {"alpha": 0.0, "gamma": 1.0}
    content = {"name": "x", "languages": ["de", "en"], "text": {"kind": "static"}, "image": {}, "images": images}
    pairs = read_pairs(make_recipe({**content, "sampler": sampler, "training": {"batch": 2}}))
    assert pairs.has_image.all() == (pairing != "captions")
    assert len(pairs) == 6
    assert pairs.sets == ("own",)
